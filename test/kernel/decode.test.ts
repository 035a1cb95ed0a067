/**
 * The chisel's decoder against the encoder: every plan the encoder writes is
 * taken, everything else is refused, under ASan and UBSan and without a crash.
 */

import assert from 'node:assert/strict';
import { execFile, type ExecFileException, execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodePlan } from '../../src/kernel/plan/decode.ts';
import { encodePlan } from '../../src/kernel/plan/encode.ts';
import type { Plan } from '../../src/kernel/plan/op.ts';
import { planArbitrary } from '../fuzz/plans.ts';
import { CHISEL_PATH } from './monitor-fixture.ts';

const CHISEL_DIR = resolve(import.meta.dirname, '../../chisel');

/** What `chisel check` says about bytes: `ok N`, or `refused INDEX ERRNO`. A crash fails the test. */
function check(program: string, bytes: Uint8Array): Promise<string> {
  return new Promise((done, fail) => {
    const child = execFile(
      program,
      ['check'],
      (error: ExecFileException | null, stdout, stderr) => {
        const isSane = stderr === '' && (error === null || error.code === 1);
        if (isSane) done(stdout.trim());
        else fail(new Error(`${String(error?.code)} ${String(error?.signal)} ${stdout} ${stderr}`));
      },
    );
    // What is too long is not read to its end.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(bytes);
  });
}

const PLAN: Plan = [
  { op: 'open', slot: 1, path: '/sys/fs/cgroup', flags: 0 },
  { op: 'clone', flags: 0x20020000n, cgroup: 1, uidMap: '0 0 1\n', gidMap: '', denySetgroups: 0 },
  {
    op: 'overlay',
    slot: 2,
    lower: ['/a', '/b'],
    upper: '/u',
    work: '/w',
    options: ['index=off'],
    attrs: 0n,
  },
  { op: 'attach', slot: 2, path: '/m', create: 0 },
  { op: 'write', dir: 2, path: 'x', data: Uint8Array.of(1, 2, 3), skipMissing: 1 },
  { op: 'stdio', uid: 0, gid: 0 },
  { op: 'exec', argv: ['sh', '-c', 'true'], env: ['A=b'], search: ['/bin'], init: 0 },
];

/** Offset of operation `index` in the plan's bytes. */
function offsetOf(bytes: Buffer, index: number): number {
  let at = 16;
  for (let op = 0; op < index; op++) at += 8 + bytes.readUInt32LE(at + 4);
  return at;
}

type Mutation = readonly [name: string, mutate: (bytes: Buffer) => Buffer, answer: string];

const put = (offset: (bytes: Buffer) => number, value: number): ((bytes: Buffer) => Buffer) => {
  return (bytes) => {
    bytes.writeUInt32LE(value >>> 0, offset(bytes));
    return bytes;
  };
};

/** The bytes with operation `from` once more at place `to`. */
function duplicate(from: number, to: number): (bytes: Buffer) => Buffer {
  return (bytes) => {
    const op = bytes.subarray(offsetOf(bytes, from), offsetOf(bytes, from + 1));
    const at = offsetOf(bytes, to);
    const longer = Buffer.concat([bytes.subarray(0, at), op, bytes.subarray(at)]);
    longer.writeUInt32LE(bytes.readUInt32LE(8) + 1, 8);
    longer.writeUInt32LE(longer.length, 12);
    return longer;
  };
}

const MUTATIONS: readonly Mutation[] = [
  ['another magic', put(() => 0, 0x31565244), 'refused 0 71'],
  ['another version', put(() => 4, 2), 'refused 0 71'],
  ['more operations than there are', put(() => 8, 8), 'refused 6 22'],
  ['fewer operations than there are', put(() => 8, 6), 'refused 6 22'],
  ['no operations but bytes', put(() => 8, 0), 'refused 0 22'],
  ['4097 operations', put(() => 8, 4097), 'refused 0 7'],
  ['2^32-1 operations', put(() => 8, -1), 'refused 0 7'],
  ['a total too long', put(() => 12, 5000), 'refused 0 22'],
  ['a total of 2^32-1', put(() => 12, -1), 'refused 0 22'],
  ['code 0', put((bytes) => offsetOf(bytes, 0), 0), 'refused 0 22'],
  ['a code in a hole', put((bytes) => offsetOf(bytes, 0), 9), 'refused 0 22'],
  ['a code past the last', put((bytes) => offsetOf(bytes, 0), 0xffff), 'refused 0 22'],
  ['bits above the code', put((bytes) => offsetOf(bytes, 0), 0x1000a), 'refused 0 22'],
  [
    'an operation longer than its fields',
    put((bytes) => offsetOf(bytes, 5) + 4, 9),
    'refused 5 22',
  ],
  [
    'an operation shorter than its fields',
    put((bytes) => offsetOf(bytes, 5) + 4, 7),
    'refused 5 22',
  ],
  ['an operation of 2^32-1 bytes', put((bytes) => offsetOf(bytes, 3) + 4, -1), 'refused 3 22'],
  ['slot 32', put((bytes) => offsetOf(bytes, 0) + 8, 32), 'refused 0 22'],
  ['slot 2^31', put((bytes) => offsetOf(bytes, 0) + 8, 2 ** 31), 'refused 0 22'],
  ['a result without a slot', put((bytes) => offsetOf(bytes, 0) + 8, -1), 'refused 0 22'],
  ['a slot that is empty', put((bytes) => offsetOf(bytes, 3) + 8, 9), 'refused 3 22'],
  ['a required slot that is absent', put((bytes) => offsetOf(bytes, 3) + 8, -1), 'refused 3 22'],
  ['a text of 2^32-1 bytes', put((bytes) => offsetOf(bytes, 0) + 16, -1), 'refused 0 22'],
  ['a text above its bound', put((bytes) => offsetOf(bytes, 0) + 16, 4096), 'refused 0 22'],
  ['a text one shorter than it is', put((bytes) => offsetOf(bytes, 0) + 16, 13), 'refused 0 22'],
  ['a text one longer than it is', put((bytes) => offsetOf(bytes, 0) + 16, 15), 'refused 0 22'],
  ['a NUL inside a text', put((bytes) => offsetOf(bytes, 0) + 20, 0x00737973), 'refused 0 22'],
  ['a list of 2^32-1 texts', put((bytes) => offsetOf(bytes, 2) + 12, -1), 'refused 2 22'],
  ['a list above its bound', put((bytes) => offsetOf(bytes, 2) + 12, 501), 'refused 2 22'],
  [
    'a list of more texts than there are',
    put((bytes) => offsetOf(bytes, 2) + 12, 5),
    'refused 2 22',
  ],
  ['bytes of 2^32-1', put((bytes) => offsetOf(bytes, 4) + 18, -1), 'refused 4 22'],
  ['a flag of 2', put((bytes) => offsetOf(bytes, 5) - 4, 2), 'refused 4 22'],
  ['a second open into the same slot', duplicate(0, 1), 'refused 1 22'],
  ['a second clone', duplicate(1, 2), 'refused 2 22'],
  ['a second exec', duplicate(6, 6), 'refused 6 22'],
  ['stdio before clone', duplicate(5, 1), 'refused 1 22'],
  ['exec before clone', duplicate(6, 0), 'refused 0 22'],
  ['bytes after the plan', (bytes) => Buffer.concat([bytes, Buffer.of(0)]), 'refused 0 22'],
  ['nothing', () => Buffer.of(), 'refused 0 22'],
  ['15 bytes', (bytes) => bytes.subarray(0, 15), 'refused 0 22'],
];

// It may have to be built first.
test('R20: the chisel takes what the encoder writes and refuses what it does not, without a crash', {
  timeout: 30_000,
}, async () => {
  execFileSync('make', ['-s', '-C', CHISEL_DIR, 'asan'], { stdio: 'pipe' });
  const program = resolve(CHISEL_DIR, '../build/chisel-asan');
  const encoded = (): Buffer => Buffer.from(encodePlan(PLAN));
  assert.equal(await check(program, encoded()), 'ok 7');
  for (const [name, mutate, answer] of MUTATIONS)
    assert.equal(await check(program, mutate(encoded())), answer, name);
  // Every cut, made consistent with its header.
  for (let length = 16; length < encoded().length; length += 3) {
    const cut = encoded().subarray(0, length);
    cut.writeUInt32LE(length, 12);
    assert.match(await check(program, cut), /^refused \d 22$/, `cut at ${length}`);
  }
});

test('R20: encoder and chisel agree on arbitrary plans, and on what is left of them after a change', async () => {
  const samples = fc.sample(fc.tuple(planArbitrary, fc.nat(), fc.nat(255)), 150);
  for (const [plan, at, value] of samples) {
    const bytes = Buffer.from(encodePlan(plan));
    assert.equal(await check(CHISEL_PATH, bytes), `ok ${plan.length}`);
    bytes[at % bytes.length] = value;
    const ours = takes(bytes);
    const theirs = (await check(CHISEL_PATH, bytes)).startsWith('ok');
    // Text that is no UTF-8 is fine for the kernel, not for a planner.
    if (ours !== theirs)
      assert.ok(theirs && hasBrokenText(bytes), JSON.stringify([at % bytes.length, value]));
  }
});

function takes(bytes: Uint8Array): boolean {
  try {
    decodePlan(bytes);
    return true;
  } catch {
    return false;
  }
}

function hasBrokenText(bytes: Uint8Array): boolean {
  try {
    decodePlan(bytes);
    return false;
  } catch (error) {
    return /not UTF-8/.test(String(error));
  }
}

test('R20: a plan of more than 4 MiB is refused before it is read', async () => {
  await assert.rejects(
    check(CHISEL_PATH, new Uint8Array(4 * 1024 * 1024 + 1)),
    /cannot read a plan from stdin: File too large/,
  );
});

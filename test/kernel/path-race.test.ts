/**
 * Paths that someone exchanges while plans use them (rows R3, R6, R7 and R25
 * of the security matrix): whatever happens, nothing outside the root is
 * touched and every plan ends.
 */

import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isEngineError } from '../../src/base/error.ts';
import { O } from '../../src/kernel/plan/flags.ts';
import type { Plan, PlanOp } from '../../src/kernel/plan/op.ts';
import { compileFlipper, flip } from './flipper.ts';
import { openDir, OWN_MOUNTS, PlanFixture, tmpfsMount } from './plan-fixture.ts';

const ROUNDS = 400;
/** A slow machine does fewer. */
const ROW_MS = 3000;

/** Everything below a directory with its content. */
async function snapshot(dir: string): Promise<readonly string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const lines = entries.map(async (entry) => {
    const path = join(entry.parentPath, entry.name);
    return `${path} ${entry.isFile() ? await readFile(path, 'utf8') : 'directory'}`;
  });
  return (await Promise.all(lines)).sort();
}

/** How often each answer came. A plan may fail, for a reason that a race explains. */
async function applyRounds(fixture: PlanFixture, plan: Plan): Promise<ReadonlyMap<string, number>> {
  const answers = new Map<string, number>();
  const end = performance.now() + ROW_MS;
  for (let round = 0; round < ROUNDS && performance.now() < end; round++) {
    const answer = await fixture.chisel.apply(plan).then(
      () => 'ok',
      (error: unknown) => (isEngineError(error) ? String(error.details['errno']) : 'no errno'),
    );
    answers.set(answer, (answers.get(answer) ?? 0) + 1);
  }
  return answers;
}

const EXPLAINED: ReadonlySet<string> = new Set([
  'ok',
  'ENOENT',
  'ENOTDIR',
  'ELOOP',
  'EAGAIN',
  'EEXIST',
  'EXDEV',
]);

test('a directory exchanged with a link to the outside never lets a plan out of its root', {
  timeout: 60_000,
}, async () => {
  await using fixture = await PlanFixture.create();
  const root = await fixture.makeDir('root');
  const canary = await fixture.makeDir('canary');
  await mkdir(join(canary, 'deep'));
  await mkdir(join(canary, 'deep', 'secret'));
  await writeFile(join(canary, 'file'), 'canary');
  await writeFile(join(canary, 'deep', 'file'), 'canary');
  await mkdir(join(root, 'a', 'deep', 'secret'), { recursive: true });
  await writeFile(join(root, 'a', 'file'), 'mine');
  await symlink(canary, join(root, 'b'));
  const before = await snapshot(canary);
  const flipper = await flip(compileFlipper(fixture.dir), join(root, 'a'), join(root, 'b'));
  try {
    const own: Plan = [
      ...OWN_MOUNTS,
      openDir(0, root),
      { op: 'open', slot: 1, path: '/dev/null', flags: Number(O.O_PATH) },
    ];
    const data = Buffer.from('escaped');
    const rows: readonly (readonly PlanOp[])[] = [
      [{ op: 'mkdirs', root: 0, path: 'a/new/deeper', mode: 0o777, uid: 1, gid: 1 }],
      [{ op: 'mkdirs', root: 0, path: 'a/deep/../new2/x', mode: 0o777, uid: 1, gid: 1 }],
      [{ op: 'create-file', root: 0, path: 'a/created', mode: 0o666, data }],
      [{ op: 'create-file', root: 0, path: 'a/file', mode: 0o666, data }],
      [
        tmpfsMount(2),
        { op: 'attach', slot: 2, root: 0, path: 'a/mounted', create: 1 },
        { op: 'create-file', root: 2, path: 'in', mode: 0o666, data },
      ],
      [
        { op: 'mask', root: 0, path: 'a/deep', null: 1 },
        { op: 'mask', root: 0, path: 'a/file', null: 1 },
      ],
      [{ op: 'readonly-path', root: 0, path: 'a/deep/secret' }],
      [{ op: 'open', slot: 2, dir: 0, path: 'a/file', flags: Number(O.O_WRONLY | O.O_TRUNC) }],
    ];
    for (const ops of rows) {
      const answers = await applyRounds(fixture, [...own, ...ops]);
      for (const answer of answers.keys())
        assert.ok(EXPLAINED.has(answer), `${ops[0]?.op}: ${answer}`);
    }
  } finally {
    flipper.kill('SIGKILL');
    await new Promise((resolve) => flipper.once('exit', resolve));
  }
  assert.deepEqual(await snapshot(canary), before);
});

test('what is read through an exchanged path is the root’s own, or nothing', {
  timeout: 60_000,
}, async () => {
  await using fixture = await PlanFixture.create();
  const root = await fixture.makeDir('root');
  await writeFile(fixture.path('secret'), 'secret of the host');
  await writeFile(join(root, 'file'), 'mine');
  await symlink(fixture.path('secret'), join(root, 'link'));
  const flipper = await flip(compileFlipper(fixture.dir), join(root, 'file'), join(root, 'link'));
  const seen = new Set<string>();
  try {
    const end = performance.now() + ROW_MS;
    for (let round = 0; round < ROUNDS && performance.now() < end; round++) {
      const [result] = await fixture.apply([
        openDir(0, root),
        { op: 'read', root: 0, path: 'file', maxBytes: 100 },
      ]);
      seen.add(`${result?.errno} ${result?.bytes.toString()}`);
    }
  } finally {
    flipper.kill('SIGKILL');
    await new Promise((resolve) => flipper.once('exit', resolve));
  }
  for (const answer of seen) assert.ok(['0 mine', '2 '].includes(answer), answer);
});

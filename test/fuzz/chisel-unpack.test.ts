/**
 * Operations of `chisel unpack` that nobody's encoder writes: made from real
 * streams by a seeded mutator, run under ASan and UBSan beside a tree that must
 * not change. `CARVE_FUZZ=100` runs a hundred times as many.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../../scripts/tools.ts';
import type { WriterAttributes } from '../../src/layers/layer-writer.ts';
import { UnpackEncoder } from '../../src/layers/unpack-ops.ts';
import { FUZZ_FACTOR } from './mutate.ts';

const PLAIN: WriterAttributes = { mode: 0o644, uid: 1, gid: 2, mtimeS: 5, mtimeNs: 6, xattrs: [] };
const MARKED: WriterAttributes = {
  ...PLAIN,
  xattrs: [{ name: 'user.a', value: Buffer.from('value'), isOptional: true }],
};

function stream(write: (encoder: UnpackEncoder) => void): Buffer {
  const encoder = new UnpackEncoder({ sync: false });
  write(encoder);
  encoder.end();
  return Buffer.concat(encoder.takeBatches());
}

function file(encoder: UnpackEncoder, name: string, isDense: boolean): void {
  encoder.beginFile({ name, sizeBytes: 7, isDense, attributes: MARKED });
  encoder.fileData(Buffer.from(isDense ? 'content' : 'end'), isDense ? 0 : 4);
  encoder.endFile();
}

/** Streams with every operation. */
const SEEDS: readonly Buffer[] = [
  stream((encoder) => {
    encoder.makeDirectory('d');
    encoder.changeDirectory('d');
    file(encoder, 'whole', true);
    file(encoder, 'sparse', false);
    encoder.makeDirectory('e');
    encoder.changeDirectory('d/e');
    encoder.makeLink('link', 'd', 'whole');
    encoder.setAttributes({ ...MARKED, mode: 0o711 });
    encoder.changeDirectory('');
    encoder.unlink('nothing');
  }),
  stream((encoder) => {
    encoder.makeSymlink('l', '../canary', PLAIN);
    encoder.makeSymlink('m', 'l/file', MARKED);
    encoder.makeNode({ name: 'pipe', type: 'fifo', major: 0, minor: 0, attributes: PLAIN });
    encoder.makeNode({ name: 'null', type: 'char', major: 1, minor: 3, attributes: PLAIN });
    encoder.makeDirectory('gone');
    encoder.removeDirectory('gone');
    encoder.makeLink('h', '', 'l');
    encoder.unlink('m');
  }),
  stream((encoder) => {
    encoder.limitBelow(1);
    encoder.copyFromBelow('copy', 'dir/file');
    encoder.copyFromBelow('copied-link', 'link');
    encoder.makeDirectory('dir');
    encoder.changeDirectory('dir');
    encoder.inheritAttributes('dir', PLAIN);
    encoder.changeDirectory('');
    encoder.inheritAttributes('', PLAIN);
  }),
  // Ways out, which no encoder writes.
  stream((encoder) => {
    encoder.changeDirectory('../canary');
    encoder.unlink('file');
    file(encoder, 'evil', true);
  }),
  stream((encoder) => {
    encoder.makeSymlink('l', '../canary', PLAIN);
    encoder.changeDirectory('l');
    file(encoder, 'evil', true);
    encoder.setAttributes(MARKED);
  }),
  stream((encoder) => {
    encoder.makeLink('h', '../canary', 'file');
    file(encoder, 'h', false);
  }),
  stream((encoder) => {
    encoder.makeDirectory('d');
    encoder.changeDirectory('d/../../canary');
    encoder.setAttributes(MARKED);
  }),
];

test('F1 F2: no stream of operations makes chisel unpack crash or touch what is beside it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'carve-fuzz-'));
  const place = join(folder, 'place');
  mkdirSync(place);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256m', 'tmpfs', place]);
  try {
    execFileSync('make', ['-s', '-C', join(ROOT, 'chisel'), 'fuzz-run'], { stdio: 'pipe' });
    const paths = SEEDS.map((bytes, i) => {
      const path = join(folder, `seed-${i}`);
      writeFileSync(path, bytes);
      return path;
    });
    const count = String(10_000 * FUZZ_FACTOR);
    const program = join(ROOT, 'build/chisel-fuzz-run');
    const seed = process.env['CARVE_FUZZ_SEED'] ?? '1';
    const env = { ...process.env, FUZZ_DIR: place, ASAN_OPTIONS: 'detect_leaks=0' };
    const output = execFileSync(program, [count, seed, ...paths], { env, encoding: 'utf8' });
    assert.equal(output, `${count} inputs\n`);
  } finally {
    execFileSync('umount', ['-l', place]);
    rmSync(folder, { recursive: true, force: true });
  }
});

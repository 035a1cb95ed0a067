import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { HostPath } from '../base/brand.ts';
import { isEngineError } from '../base/error.ts';
import { placeChisel } from './chisel-file.ts';

let folder: HostPath;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'carve-chisel-file-')) as HostPath;
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

test('placeChisel() answers with a file that can be executed and refuses one that cannot', () => {
  const path = join(folder, 'beside');
  assert.throws(
    () => placeChisel({ kind: 'file', path }, folder),
    (error) => isEngineError(error) && error.kind === 'unavailable' && error.message.includes(path),
  );
  writeFileSync(path, 'x', { mode: 0o755 });
  assert.equal(placeChisel({ kind: 'file', path }, folder), path);
});

test('placeChisel() writes embedded bytes for their owner alone, and leaves no part behind', () => {
  const path = join(folder, 'embedded');
  writeFileSync(path, 'bytes');
  const placed = placeChisel({ kind: 'embedded', path }, folder);
  assert.equal(readFileSync(placed, 'utf8'), 'bytes');
  assert.equal(statSync(placed).mode & 0o777, 0o700);
  assert.deepEqual(readdirSync(folder).sort(), ['chisel', 'embedded']);
});

test('placeChisel() keeps a file with the same bytes and replaces any other', () => {
  const path = join(folder, 'embedded');
  writeFileSync(path, 'one');
  const placed = placeChisel({ kind: 'embedded', path }, folder);
  const { ino } = statSync(placed);
  assert.equal(statSync(placeChisel({ kind: 'embedded', path }, folder)).ino, ino);
  writeFileSync(path, 'two');
  placeChisel({ kind: 'embedded', path }, folder);
  assert.equal(readFileSync(placed, 'utf8'), 'two');
  chmodSync(placed, 0o600);
  placeChisel({ kind: 'embedded', path }, folder);
  assert.equal(statSync(placed).mode & 0o777, 0o700);
});

test('placeChisel() says which file it cannot write', () => {
  const path = join(folder, 'embedded');
  writeFileSync(path, 'one');
  const missing = join(folder, 'gone') as HostPath;
  assert.throws(
    () => placeChisel({ kind: 'embedded', path }, missing),
    (error) => isEngineError(error) && error.message.includes(`${missing}/chisel`),
  );
  assert.ok(!existsSync(missing));
});

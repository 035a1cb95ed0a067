/**
 * Builds `build/chisel` when a source of it changed. The stamp beside the
 * binary holds the hash of every source and the name of the compiler.
 */

import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, isThere, ROOT, run, say, SetupError } from './host.mjs';

const FOLDER = join(ROOT, 'chisel');
const BINARY = join(ROOT, 'build', 'chisel');
const STAMP = `${BINARY}.stamp`;

/** Hash over names and contents of the sources, and which compiler will be used. */
export function sourceStamp(folder = FOLDER) {
  const hash = createHash('sha256');
  const isSource = (name) => /\.[ch]$/.test(name) || name === 'Makefile';
  for (const name of readdirSync(folder).filter(isSource).sort()) {
    hash
      .update(`${name}\0`)
      .update(readFileSync(join(folder, name)))
      .update('\0');
  }
  hash.update(findProgram('musl-gcc') === undefined ? 'gcc' : 'musl-gcc');
  return hash.digest('hex');
}

/** True when `build/chisel` was built from what `chisel/` holds now. */
export function chiselIsCurrent() {
  return isThere(BINARY) && isThere(STAMP) && readFileSync(STAMP, 'utf8') === sourceStamp();
}

/** Builds it; the Makefile knows how. */
export function buildChisel() {
  const make = findProgram('make');
  if (make === undefined)
    throw new SetupError('make is missing; install what Debian calls make, gcc and libc6-dev');
  const stamp = sourceStamp();
  say('building the chisel');
  mkdirSync(join(ROOT, 'build'), { recursive: true });
  run('Cannot build the chisel', [make, '--no-print-directory', '-s', '-C', FOLDER]);
  if (!isThere(BINARY)) throw new SetupError('make -C chisel ended well but left no build/chisel');
  writeFileSync(STAMP, stamp);
}

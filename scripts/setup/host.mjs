/**
 * What the set-up knows of the machine: programs, rights, architecture. Plain
 * JavaScript without packages, because it runs before anything is installed,
 * on Node 20 and later.
 */

import { spawnSync } from 'node:child_process';
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  readSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Root of the checkout. */
export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** A failure the reader can do something about: printed as its sentence, without a stack. */
export class SetupError extends Error {}

/** Prints one line of progress; stderr, so that `npm start -- ps -q` stays clean. */
export function say(text) {
  process.stderr.write(`setup: ${text}\n`);
}

/** True when this process may install packages. */
export function isRoot() {
  return process.getuid?.() === 0;
}

/** PATH without this checkout's own `node_modules/.bin`, and with the system directories a plain user's PATH may lack. */
export function systemPath() {
  const own = join(ROOT, 'node_modules');
  const listed = (process.env.PATH ?? '')
    .split(':')
    .filter((folder) => folder !== '' && !folder.startsWith(own));
  return [...new Set([...listed, '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'])];
}

/** Absolute path of a program, or `undefined`. */
export function findProgram(name) {
  for (const folder of systemPath()) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

/** True for an ELF program that needs no dynamic loader (no PT_INTERP among its first program headers). */
export function isStaticProgram(path) {
  const head = Buffer.alloc(4096);
  const fd = openSync(path, 'r');
  try {
    readSync(fd, head, 0, head.length, 0);
  } finally {
    closeSync(fd);
  }
  if (head.readUInt32BE(0) !== 0x7f454c46) return false;
  const start = Number(head.readBigUInt64LE(32));
  const size = head.readUInt16LE(54);
  const count = head.readUInt16LE(56);
  for (let index = 0; index < count; index++) {
    const offset = start + index * size;
    if (offset + 4 <= head.length && head.readUInt32LE(offset) === 3) return false;
  }
  return true;
}

/** Runs a program; when it fails, prints what it said and throws a {@link SetupError} that says `what`. */
export function run(what, [program, ...args], options = {}) {
  const stdio = ['ignore', 'pipe', 'pipe'];
  const result = spawnSync(program, args, { cwd: ROOT, stdio, maxBuffer: 64 << 20, ...options });
  if (result.error !== undefined) {
    throw new SetupError(`${what}: cannot run ${program}: ${result.error.message}`);
  }
  if (result.status === 0) return;
  process.stderr.write(result.stdout);
  process.stderr.write(result.stderr);
  const end = result.status ?? result.signal;
  throw new SetupError(`${what}: ${program} ended with ${end}; what it said is above`);
}

/** Name of the npm package that carries Bun for this machine. */
export function bunPackage() {
  if (process.platform !== 'linux')
    throw new SetupError(`carve runs on Linux; this is ${process.platform}`);
  if (process.arch === 'arm64') return '@oven/bun-linux-aarch64';
  if (process.arch !== 'x64')
    throw new SetupError(`carve runs on x86-64 and arm64; this is ${process.arch}`);
  const hasAvx2 = /\bavx2\b/.test(readFileSync('/proc/cpuinfo', 'utf8'));
  return hasAvx2 ? '@oven/bun-linux-x64' : '@oven/bun-linux-x64-baseline';
}

/** Path of the Bun program of {@link bunPackage}; it need not exist yet. */
export function bunProgram() {
  return join(ROOT, 'node_modules', bunPackage(), 'bin', 'bun');
}

/** True when the file is there. */
export function isThere(path) {
  return existsSync(path);
}

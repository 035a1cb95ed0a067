/**
 * One set-up at a time per checkout. The lock is a file that holds its owner's
 * pid; an owner that is gone (killed in the middle) does not block the next.
 */

import { closeSync, mkdirSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, say, SetupError } from './host.mjs';

const LOCK = join(ROOT, 'build', 'setup.lock');
const PATIENCE_MS = 15 * 60_000;
/** A lock file without a pid is one whose owner died between open and write. */
const EMPTY_GRACE_MS = 5_000;

function tryTake() {
  try {
    const fd = openSync(LOCK, 'wx');
    writeSync(fd, String(process.pid));
    closeSync(fd);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

function ownerIsGone() {
  try {
    const text = readFileSync(LOCK, 'utf8');
    if (text === '') return Date.now() - statSync(LOCK).mtimeMs > EMPTY_GRACE_MS;
    process.kill(Number(text), 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH' || error.code === 'ENOENT';
  }
}

/** Runs `body` while no other set-up of this checkout runs. */
export function withLock(body) {
  mkdirSync(join(ROOT, 'build'), { recursive: true });
  const start = Date.now();
  const pause = new Int32Array(new SharedArrayBuffer(4));
  let isTold = false;
  while (!tryTake()) {
    if (ownerIsGone()) {
      rmSync(LOCK, { force: true });
      continue;
    }
    if (!isTold) say('another set-up of this checkout is running; waiting for it');
    isTold = true;
    if (Date.now() - start > PATIENCE_MS)
      throw new SetupError(`Another set-up has held ${LOCK} for 15 minutes`);
    Atomics.wait(pause, 0, 0, 100);
  }
  try {
    return body();
  } finally {
    rmSync(LOCK, { force: true });
  }
}

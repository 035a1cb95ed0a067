/**
 * Room on the disk that is kept for the state: when everything else is full,
 * a stop can still be saved and a removal, which makes room, can still begin.
 *
 * **Invariant:** only transactions that record what has happened, or give room
 * back, take from it; it is filled again when something new could be stored.
 */

import { closeSync, constants, ftruncateSync, fstatSync, openSync, writeSync } from 'node:fs';
import type { HostPath } from '../../base/brand.ts';

/** Size of the file, in bytes. */
const RESERVE_BYTES = 4 * 2 ** 20;
/** Taken at a time, in bytes: others may be quicker to use it. */
const PIECE_BYTES = 64 * 2 ** 10;

/** One file of zeros. */
export class DiskReserve {
  readonly #path: HostPath;
  #isWhole = false;

  constructor(path: HostPath) {
    this.#path = path;
  }

  /** Fill it up, as far as there is room. Never throws: without it the engine works as well, until the disk is full. */
  fill(): void {
    if (this.#isWhole) return;
    try {
      this.#withFile((fd) => {
        const zeros = new Uint8Array(PIECE_BYTES);
        for (let at = fstatSync(fd).size; at < RESERVE_BYTES; at += PIECE_BYTES)
          writeSync(fd, zeros, 0, PIECE_BYTES, at);
      });
      this.#isWhole = true;
    } catch {
      // Full: what was written stays.
    }
  }

  /** Give a piece back to the file system. Returns whether there was one. */
  give(): boolean {
    this.#isWhole = false;
    try {
      return this.#withFile((fd) => {
        const sizeBytes = fstatSync(fd).size;
        if (sizeBytes === 0) return false;
        ftruncateSync(fd, Math.max(0, sizeBytes - PIECE_BYTES));
        return true;
      });
    } catch {
      return false;
    }
  }

  #withFile<T>(use: (fd: number) => T): T {
    const fd = openSync(
      this.#path,
      constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW,
      0o600,
    );
    try {
      return use(fd);
    } finally {
      closeSync(fd);
    }
  }
}

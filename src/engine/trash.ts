/**
 * Directories that are no longer needed: renamed away at once, deleted in the
 * background.
 *
 * **Invariant:** after `discard` returns the old path is free; what a crash
 * leaves in the trash is deleted when it is opened again.
 */

import { mkdirSync, readdirSync, renameSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostPath } from '../base/brand.ts';
import { afterAnswer } from '../base/after-answer.ts';
import { deferred } from '../base/deferred.ts';
import { messageOf } from '../base/error.ts';
import type { Log } from '../base/log.ts';

/** The trash of one engine. */
export class Trash {
  readonly #directory: string;
  readonly #log: Log;
  readonly #deleting = new Set<Promise<void>>();
  readonly #closing = deferred<void>();
  #isClosing = false;
  #count = 0;

  /** `directory` is on the file system of what will be discarded. */
  constructor(directory: HostPath, log: Log) {
    this.#directory = directory;
    this.#log = log;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(directory)) this.#delete(join(directory, name));
  }

  /** Free `path`; its content is deleted once `after` has settled. A missing path is success. */
  discard(path: HostPath, after?: Promise<unknown>): void {
    this.#count += 1;
    const place = join(this.#directory, `${process.pid}-${this.#count}-${process.hrtime.bigint()}`);
    try {
      renameSync(path, place);
    } catch (error) {
      if (isMissing(error)) return;
      throw error;
    }
    this.#delete(place, after);
  }

  /** Waits for deletions under way; what still waits for its users is deleted at the next opening. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#closing.resolve();
    await Promise.all(this.#deleting);
  }

  #delete(place: string, after?: Promise<unknown>): void {
    const work = (async () => {
      if (after !== undefined)
        await Promise.race([after.catch(() => undefined), this.#closing.promise]);
      // Still in use: left for the next opening.
      if (after !== undefined && this.#isClosing) return;
      await afterAnswer();
      try {
        await rm(place, { recursive: true, force: true });
      } catch (error) {
        this.#log.warn('cannot delete from the trash; tried again at the next start', {
          place,
          error: messageOf(error),
        });
      }
    })();
    this.#deleting.add(work);
    void work.then(() => this.#deleting.delete(work));
  }
}

function isMissing(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT';
}

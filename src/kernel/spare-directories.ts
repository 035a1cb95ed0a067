/**
 * Directories made ahead of time. Making an inode can cost a read from the
 * disk (0.2–0.4 ms on ext4 where a rename costs 0.02 ms): so it happens while
 * nobody waits.
 *
 * **Invariants**
 * - What `take` hands out is complete; a half-made one is never handed out, also
 *   not after a crash.
 * - There are at most `count` of them.
 */

import { mkdirSync, readdirSync, renameSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAnswer } from '../base/after-answer.ts';
import type { HostPath } from '../base/brand.ts';

/** How they are made. */
export interface SpareOptions {
  /** Where they wait; on the file system of their future places. Made when it is not there. */
  readonly place: HostPath;
  /** How many are kept ready. */
  readonly count: number;
  /** Makes the directory `path` and what belongs into it. */
  readonly make: (path: string) => Promise<void>;
}

const READY = /^ready-/;

/** A stock of directories. */
export class SpareDirectories {
  readonly #options: SpareOptions;
  readonly #ready: string[] = [];
  #nextNumber = 0;
  #work: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: SpareOptions) {
    this.#options = options;
    mkdirSync(options.place, { recursive: true, mode: 0o700 });
    const halfMade: string[] = [];
    for (const name of readdirSync(options.place)) {
      const path = join(options.place, name);
      if (READY.test(name) && this.#ready.length < options.count) this.#ready.push(path);
      else halfMade.push(path);
    }
    this.#work = clear(halfMade).finally(() => {
      this.#work = undefined;
    });
  }

  /** Move one to `target`, which does not exist. `false` when there is none: the caller makes its own. Errors: of rename(2). */
  take(target: string): boolean {
    const spare = this.#ready.pop();
    this.#refill();
    if (spare === undefined) return false;
    renameSync(spare, target);
    return true;
  }

  /** Resolves when the stock is full. */
  async filled(): Promise<void> {
    this.#refill();
    await this.#work;
  }

  /** Those that are ready stay for the next opening. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#work;
  }

  #refill(): void {
    this.#work ??= this.#fill().finally(() => {
      this.#work = undefined;
    });
  }

  /** Making one ahead may fail: whoever needs it tries again and tells why. */
  async #fill(): Promise<void> {
    await afterAnswer();
    while (!this.#isClosed && this.#ready.length < this.#options.count) {
      const name = `${process.pid}-${this.#nextNumber++}`;
      const part = join(this.#options.place, `new-${name}`);
      const whole = join(this.#options.place, `ready-${name}`);
      try {
        await this.#options.make(part);
        await rename(part, whole);
      } catch {
        await clear([part]);
        return;
      }
      this.#ready.push(whole);
    }
  }
}

async function clear(paths: readonly string[]): Promise<void> {
  await Promise.all(
    paths.map(async (path) => rm(path, { recursive: true, force: true }).catch(() => undefined)),
  );
}

/**
 * A plan while it is written: its operations so far and the descriptor slots
 * that are free.
 *
 * **Invariant:** a slot is written only while it is empty. Slots that a mount
 * used are given back; one is closed and used again only when no fresh one is
 * left, so that an ordinary plan has no `close`.
 */

import { EngineError } from '../../base/error.ts';
import type { PlanOp } from '../../kernel/plan/op.ts';
import { PROC_SLOT } from '../../kernel/plan/slots.ts';

/** Slots with a meaning that several concerns share. */
export const SLOT = {
  /** The container's root mount. */
  root: 0,
  /** A procfs of the container's pid namespace, not attached while it is written to. */
  proc: PROC_SLOT,
  /** Our own tmpfs on /dev. */
  dev: 2,
  /** The null device, verified. */
  null: 3,
  /** Our own devpts. */
  devpts: 4,
  /** The peer of the console. */
  console: 5,
  /** The control group directory of version 2. */
  cgroup: 6,
} as const;

/** Slots that the network planner's ops may use. */
export const NETWORK_SLOTS: readonly number[] = [28, 29, 30, 31];

const FIRST_FREE = 7;
const FREE_END = 28;
const encoder = new TextEncoder();

/** Where {@link PlanBuilder.write} writes. */
export interface WriteOptions {
  /** Slot of the directory; absent: the path is one of the host. */
  readonly dir?: number;
  /** A missing file is no failure. */
  readonly skipMissing?: boolean;
}

/** Collects operations and hands out slots. */
export class PlanBuilder {
  readonly #ops: PlanOp[] = [];
  readonly #released: number[] = [];
  #fresh = FIRST_FREE;

  /** The operations in order. */
  get ops(): readonly PlanOp[] {
    return this.#ops;
  }

  push(...ops: readonly PlanOp[]): void {
    this.#ops.push(...ops);
  }

  /** An empty slot. Errors: `unsupported` when every one is in use. */
  take(): number {
    if (this.#fresh < FREE_END) return this.#fresh++;
    const slot = this.#released.shift();
    if (slot === undefined) {
      throw new EngineError(
        'unsupported',
        `Cannot plan this container: more than ${FREE_END - FIRST_FREE} mounts must be prepared at once`,
      );
    }
    this.#ops.push({ op: 'close', slot });
    return slot;
  }

  /** Nobody reads this slot any more. */
  release(slot: number): void {
    this.#released.push(slot);
  }

  /** Write text to a host path, or to `path` below `dir`. */
  write(path: string, value: string, options: WriteOptions = {}): void {
    this.#ops.push({
      op: 'write',
      dir: options.dir,
      path,
      data: encoder.encode(value),
      skipMissing: options.skipMissing === true ? 1 : 0,
    });
  }

  /** Write text to a file of the process' own directory of the procfs in `proc`. */
  writeSelf(proc: number, path: string, value: string): void {
    this.#ops.push({ op: 'write-self', proc, path, data: encoder.encode(value), skipMissing: 0 });
  }
}

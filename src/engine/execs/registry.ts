/**
 * Execs of all containers, in memory: they end with the engine's knowledge of
 * them, not with the engine's process (the monitor runs them).
 *
 * Source: Engine API `Exec`; finished ones are kept for inspection.
 */

import type { Clock } from '../../base/clock.ts';
import { EngineError } from '../../base/error.ts';
import type { RunningExec } from '../../runtime/runtime.ts';
import type { ExecConfig } from '../../spec/docker/container.ts';

/** Milliseconds a finished exec, or one never started, can still be inspected. */
export const KEEP_MS: number = 10 * 60 * 1000;

/** One exec. */
export interface Exec {
  /** 64 hex digits. */
  readonly id: string;
  readonly containerId: string;
  /** Which run of the container it belongs to: its start time in nanoseconds since the epoch. */
  readonly runStartedAtNs: bigint;
  /** Number for the monitor. */
  readonly number: number;
  readonly config: ExecConfig;
  readonly argv: readonly string[];
  phase: 'created' | 'running' | 'ended';
  running: RunningExec | undefined;
  /** 0..255; `undefined` until it has ended. */
  exitCode: number | undefined;
  /** Monotonic milliseconds when it was made or ended. */
  sinceMs: number;
}

/** All execs of one engine. */
export class ExecRegistry {
  readonly #clock: Clock;
  readonly #byId = new Map<string, Exec>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(exec: Omit<Exec, 'phase' | 'running' | 'exitCode' | 'sinceMs'>): Exec {
    this.#sweep();
    const entry: Exec = {
      ...exec,
      phase: 'created',
      running: undefined,
      exitCode: undefined,
      sinceMs: this.#clock.monotonicMs(),
    };
    this.#byId.set(entry.id, entry);
    return entry;
  }

  /** Errors: `not-found` with `No such exec instance: ID`. */
  get(id: string): Exec {
    const exec = this.#byId.get(id);
    if (exec !== undefined) return exec;
    throw new EngineError('not-found', `No such exec instance: ${id}`);
  }

  /** Its process has ended, or could not run. */
  end(exec: Exec, exitCode: number): void {
    if (exec.phase === 'ended') return;
    exec.phase = 'ended';
    exec.exitCode = exitCode;
    exec.sinceMs = this.#clock.monotonicMs();
  }

  /** The container's process is gone, and all execs with it. */
  endAll(containerId: string): void {
    for (const exec of this.#byId.values()) {
      if (exec.containerId === containerId && exec.phase !== 'ended') this.end(exec, 137);
    }
  }

  /** Ids of those that run. */
  runningIn(containerId: string): readonly string[] {
    const ids: string[] = [];
    for (const exec of this.#byId.values()) {
      if (exec.containerId === containerId && exec.phase === 'running') ids.push(exec.id);
    }
    return ids;
  }

  /** The container is removed. */
  forget(containerId: string): void {
    for (const exec of this.#byId.values()) {
      if (exec.containerId === containerId) this.#byId.delete(exec.id);
    }
  }

  /** Drops what nobody can want any more; oldest come first in a Map. */
  #sweep(): void {
    const limitMs = this.#clock.monotonicMs() - KEEP_MS;
    for (const exec of this.#byId.values()) {
      if (exec.sinceMs >= limitMs) break;
      if (exec.phase !== 'running') this.#byId.delete(exec.id);
    }
  }
}

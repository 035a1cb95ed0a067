/**
 * One container while the engine runs: its record, its process, and those who
 * wait for it. The operations (`start.ts`, `stop.ts`, …) act on it.
 *
 * **Invariants**
 * - `record.state` changes only through `save`, which has it in the database
 *   before anyone is told, and `saveSoon` for starts and exits, whose truth is
 *   with the monitor.
 * - Transitions (start, exit, remove, pause, update, rename) run under `lock`;
 *   waiting for a process never does.
 */

import { deferred } from '../../base/deferred.ts';
import type { Deferred } from '../../base/deferred.ts';
import type { ContainerId } from '../../base/brand.ts';
import { Mutex } from '../../base/mutex.ts';
import type { Endpoint } from '../../network/endpoint.ts';
import type { RunningContainer } from '../../runtime/runtime.ts';
import type { Health } from '../../spec/docker/inspect.ts';
import type { Spec } from '../../spec/oci/runtime.ts';
import type { ContainerTable } from '../state/container-table.ts';
import type { WaitResult } from '../engine.ts';
import type { Attachments } from './attachments.ts';
import { isAlive } from './life.ts';
import type { ContainerRecord, LifeState } from './record.ts';
import type { RestartSchedule } from './restart-policy.ts';
import type { ResolvedUser } from './spec/input.ts';

/** A process under a monitor, and the policy it runs under. */
export interface LiveProcess {
  readonly runtime: RunningContainer;
  /** What it was started with; execs are held to it. */
  readonly spec: Spec;
}

/** What a first start needs, made when the request was checked. */
export interface RehearsedLaunch {
  readonly spec: Spec;
  readonly user: ResolvedUser;
}

/** The probes of a container that runs. */
export interface HealthMonitor {
  /** No probe begins any more; one that runs is killed. */
  stop(): void;
  /** Status, streak and the last runs, in Docker's words. */
  describe(): Health;
}

/** One container of a running engine. */
export class Container {
  readonly #table: ContainerTable;
  readonly #seq: number;
  #record: ContainerRecord;
  #nextExit: Deferred<WaitResult> = deferred();
  readonly #removal: Deferred<WaitResult> = deferred();

  /** Held by transitions. */
  readonly lock: Mutex = new Mutex();
  /** Clients that see its output. */
  readonly attachments: Attachments;
  /** Set while its process lives. */
  live: LiveProcess | undefined;
  /** Set while it waits for a restart by policy, and between quick restarts. */
  restart: RestartSchedule | undefined;
  /** Set while its process lives and it has a probe. */
  health: HealthMonitor | undefined;
  /** Its places on networks, while its process lives. */
  endpoints: readonly Endpoint[] = [];
  /** Set between create and the first start. */
  rehearsed: RehearsedLaunch | undefined;
  /** A removal is under way: nothing else may begin. */
  isRemoving = false;
  /** A user restarts it: its exit neither removes it nor asks the policy. */
  isHeld = false;
  /** Number of the next exec of the current monitor. */
  nextExecNumber = 1;

  constructor(options: {
    readonly table: ContainerTable;
    readonly seq: number;
    readonly record: ContainerRecord;
    readonly attachments: Attachments;
  }) {
    this.#table = options.table;
    this.#seq = options.seq;
    this.#record = options.record;
    this.attachments = options.attachments;
  }

  get id(): ContainerId {
    return this.#record.id;
  }

  get name(): string {
    return this.#record.name;
  }

  get record(): ContainerRecord {
    return this.#record;
  }

  get state(): LifeState {
    return this.#record.state;
  }

  /** True while it has a process. */
  get isAlive(): boolean {
    return isAlive(this.#record.state);
  }

  /** The new life state, durable when this returns. */
  save(state: LifeState): void {
    this.#table.saveState(this.#seq, state);
    this.#record = { ...this.#record, state };
  }

  /**
   * The new life state, in the database soon: for what the monitor or its exit
   * record would tell the next engine anyway (docs/decisions/0022).
   */
  saveSoon(state: LifeState): void {
    this.#record = { ...this.#record, state };
    this.#table.saveStateSoon(this.#seq, state);
  }

  /** A new name or request, durable when this returns. */
  saveRequest(record: ContainerRecord): void {
    this.#table.saveRequest(this.#seq, record);
    this.#record = { ...record, state: this.#record.state };
  }

  /** Its row is gone. */
  deleteRow(): void {
    this.#table.delete(this.#seq);
  }

  /** Resolves at the next exit of its process. */
  get nextExit(): Promise<WaitResult> {
    return this.#nextExit.promise;
  }

  /** Resolves when it has been removed, with its last exit code. */
  get removal(): Promise<WaitResult> {
    return this.#removal.promise;
  }

  /** Wakes those who wait for an exit. */
  announceExit(): void {
    const waiters = this.#nextExit;
    this.#nextExit = deferred();
    waiters.resolve({ statusCode: this.state.exitCode });
  }

  /** Wakes those who wait for the removal; an exit will not come any more either. */
  announceRemoval(error?: string): void {
    const result: WaitResult = {
      statusCode: this.state.exitCode,
      ...(error === undefined ? {} : { error }),
    };
    this.#removal.resolve(result);
    this.#nextExit.resolve(result);
  }
}

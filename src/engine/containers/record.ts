/**
 * What the engine knows of one container: its request (merged, complete,
 * never changed but by `rename` and `update`) and its life state (changed by
 * every transition, see `life.ts`). Frozen data; a change makes a new record.
 */

import type { ContainerId } from '../../base/brand.ts';
import type { LogSettings, ProcessIdentity } from '../../runtime/runtime.ts';
import type { ContainerConfig, EndpointSettings, HostConfig } from '../../spec/docker/container.ts';
import type { HealthStatus } from '../../spec/docker/inspect.ts';
import type { ContainerMount } from './mount.ts';
import type { ResolvedUser } from './spec/input.ts';

/** Where a container is in its life. */
export type LifePhase = 'created' | 'running' | 'paused' | 'restarting' | 'exited' | 'dead';

/** The changing half of a container. */
export interface LifeState {
  readonly phase: LifePhase;
  /** The container's process; `undefined` unless running or paused. */
  readonly process: ProcessIdentity | undefined;
  /** Nanoseconds since the epoch of the last start; 0: never. */
  readonly startedAtNs: bigint;
  /** Nanoseconds since the epoch of the last exit; 0: never. */
  readonly finishedAtNs: bigint;
  /** Of the last run: 0..255. */
  readonly exitCode: number;
  /** Why the last start failed; empty otherwise. */
  readonly error: string;
  readonly isOomKilled: boolean;
  /** Count of restarts by policy since the last start by a user. */
  readonly restartCount: number;
  /** A user stopped it: `unless-stopped` leaves it alone at the next start of the engine. */
  readonly isStoppedByUser: boolean;
  /** `none` without a probe. */
  readonly health: HealthStatus;
  /** Whom the last run's process was started as; `undefined` before the first. */
  readonly user: ResolvedUser | undefined;
}

/** One container. */
export interface ContainerRecord {
  readonly id: ContainerId;
  /** Without the leading slash; unique. */
  readonly name: string;
  /** Nanoseconds since the epoch. */
  readonly createdAtNs: bigint;
  /** `sha256:…` of the image it was made from. */
  readonly imageId: string;
  /** Merged with the image's; `Image` is the reference the client gave. */
  readonly config: ContainerConfig;
  /** Complete: every field has its effective value. */
  readonly hostConfig: HostConfig;
  readonly endpoints: Readonly<Record<string, EndpointSettings | null>>;
  /** Mounts with their sources resolved, in the order they are made. */
  readonly mounts: readonly ContainerMount[];
  readonly log: LogSettings;
  readonly state: LifeState;
}

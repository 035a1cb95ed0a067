/**
 * The transitions of a container's life, pure: state and fact in, state out.
 *
 * created ─start→ running ⇄ paused ─exit→ exited ─start→ running …
 * running ─exit, policy says so→ restarting ─start→ running
 *
 * Source: Engine API `ContainerState`; docs of Docker's restart policies.
 */

import type { ExitRecord, ProcessIdentity } from '../../runtime/runtime.ts';
import type { ContainerState, ContainerStatus, Health } from '../../spec/docker/inspect.ts';
import { formatTimeNs } from '../../spec/time.ts';
import type { LifeState } from './record.ts';
import type { ResolvedUser } from './spec/input.ts';

/** A container that never ran. */
export const CREATED: LifeState = {
  phase: 'created',
  process: undefined,
  startedAtNs: 0n,
  finishedAtNs: 0n,
  exitCode: 0,
  error: '',
  isOomKilled: false,
  restartCount: 0,
  isStoppedByUser: false,
  health: 'none',
  user: undefined,
};

/** Why a start happened. */
export type StartReason = 'user' | 'policy';

/** Its process runs. */
export function started(
  state: LifeState,
  run: { readonly process: ProcessIdentity; readonly startedAtNs: bigint },
  options: {
    readonly reason: StartReason;
    readonly hasProbe: boolean;
    readonly user: ResolvedUser | undefined;
  },
): LifeState {
  return {
    ...state,
    phase: 'running',
    process: run.process,
    startedAtNs: run.startedAtNs,
    exitCode: 0,
    error: '',
    isOomKilled: false,
    restartCount: options.reason === 'user' ? 0 : state.restartCount,
    isStoppedByUser: false,
    health: options.hasProbe ? 'starting' : 'none',
    user: options.user,
  };
}

/** The start did not come to a process. A container that ran before stays exited. */
export function startFailed(state: LifeState, exitCode: number, error: string): LifeState {
  return {
    ...state,
    phase: state.startedAtNs === 0n ? 'created' : 'exited',
    process: undefined,
    exitCode,
    error,
  };
}

/** Its process is gone; `willRestart`: the policy starts it again after a delay. */
export function exited(state: LifeState, record: ExitRecord, willRestart: boolean): LifeState {
  return {
    ...state,
    phase: willRestart ? 'restarting' : 'exited',
    process: undefined,
    startedAtNs: record.startedAtNs === 0n ? state.startedAtNs : record.startedAtNs,
    finishedAtNs: record.exitedAtNs,
    exitCode: record.code,
    isOomKilled: record.isOomKilled,
    restartCount: state.restartCount + (willRestart ? 1 : 0),
    health: state.health === 'none' ? 'none' : 'unhealthy',
  };
}

/** The wait for a restart was broken off. */
export function restartCancelled(state: LifeState): LifeState {
  return { ...state, phase: 'exited' };
}

/** True while it has a process. */
export function isAlive(state: LifeState): boolean {
  return state.phase === 'running' || state.phase === 'paused';
}

/** Docker's word, with the transient `removing`. */
export function statusOf(state: LifeState, isRemoving: boolean): ContainerStatus {
  if (isRemoving && !isAlive(state)) return 'removing';
  return state.phase;
}

/** Docker's `State` object. */
export function describeState(
  state: LifeState,
  options: { readonly isRemoving: boolean; readonly health: Health | undefined },
): ContainerState {
  const status = statusOf(state, options.isRemoving);
  return {
    Status: status,
    Running: isAlive(state) || state.phase === 'restarting',
    Paused: state.phase === 'paused',
    Restarting: state.phase === 'restarting',
    OOMKilled: state.isOomKilled,
    Dead: state.phase === 'dead',
    Pid: state.process?.pid ?? 0,
    ExitCode: state.exitCode,
    Error: state.error,
    StartedAt: formatTimeNs(state.startedAtNs),
    FinishedAt: formatTimeNs(state.finishedAtNs),
    ...(options.health === undefined ? {} : { Health: options.health }),
  };
}

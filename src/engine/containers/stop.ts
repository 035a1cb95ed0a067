/**
 * `stop` and `kill`: signals, and the wait for their effect.
 * Source: Engine API; engine-api facts 5.1.
 */

import { within } from '../../base/clock.ts';
import { EngineError, isEngineError } from '../../base/error.ts';
import { parseSignal } from '../../spec/signal.ts';
import type { EngineParts } from '../parts.ts';
import { announce } from './announce.ts';
import type { Container, LiveProcess } from './container.ts';
import { cancelRestart } from './schedule-restart.ts';

/** Seconds before SIGKILL when nobody says otherwise. */
const DEFAULT_TIMEOUT_S = 10;
/** Milliseconds a SIGKILL may take before the operation gives up. */
const KILL_WAIT_MS = 10_000;
const SIGKILL = 9;

/** How to stop. */
export interface StopOptions {
  /** Default: the container's, else SIGTERM. */
  readonly signalName?: string;
  /** Negative: wait for ever; `undefined`: the container's own, else 10. */
  readonly timeoutSeconds?: number;
}

/** `false` when it was not running. Errors: `invalid` signal, `timeout` when SIGKILL has no effect. */
export async function stopContainer(
  parts: EngineParts,
  ref: string,
  options: StopOptions = {},
): Promise<boolean> {
  const container = parts.containers.get(ref);
  const number = parseSignal(options.signalName ?? stopSignalOf(container));
  const { live, wasWaiting } = await container.lock.run(() => {
    markStoppedByUser(container);
    return { wasWaiting: cancelRestart(container), live: container.live };
  });
  if (live === undefined) return wasWaiting;
  parts.failpoints.hit('stop.marked');
  await terminate(parts, container, { live, number, options });
  parts.failpoints.hit('stop.gone');
  announce(parts, container, 'stop');
  return true;
}

/** The signal that asks it to stop. */
export function stopSignalOf(container: Container): string {
  const name = container.record.config.StopSignal ?? '';
  return name === '' ? 'SIGTERM' : name;
}

function markStoppedByUser(container: Container): void {
  if (container.state.isStoppedByUser) return;
  if (container.isAlive || container.state.phase === 'restarting') {
    container.save({ ...container.state, isStoppedByUser: true });
  }
}

/** Ask it to exit, and kill it when it does not in time. Errors: `timeout`. */
export async function terminate(
  parts: EngineParts,
  container: Container,
  how: { readonly live: LiveProcess; readonly number: number; readonly options: StopOptions },
): Promise<void> {
  const { live, number, options } = how;
  const timeoutS =
    options.timeoutSeconds ?? container.record.config.StopTimeout ?? DEFAULT_TIMEOUT_S;
  const gone = goneOf(container, live);
  await sendSignal(parts, container, { live, number });
  parts.failpoints.hit('stop.signalled');
  // A frozen process takes its signal only when thawed.
  await thaw(container, live);
  if (await waitGone(parts, gone, timeoutS)) return;
  await killHard(parts, container, live);
}

/** Resolves when the exit of `live` has been handled. */
async function goneOf(container: Container, live: LiveProcess): Promise<true> {
  while (container.live === live) await container.nextExit;
  return true;
}

/** True when it is gone in time. The client that asked may leave: the stop goes on. */
async function waitGone(
  parts: EngineParts,
  gone: Promise<true>,
  timeoutS: number,
): Promise<boolean> {
  if (timeoutS < 0) return gone;
  return (await within(parts.clock, timeoutS * 1000, gone)) === true;
}

async function thaw(container: Container, live: LiveProcess): Promise<void> {
  if (container.state.phase !== 'paused') return;
  await live.runtime.resume();
  await container.lock.run(() => {
    if (container.live === live && container.state.phase === 'paused') {
      container.save({ ...container.state, phase: 'running' });
    }
  });
}

/** SIGKILL and wait. Errors: `timeout`. */
export async function killHard(
  parts: EngineParts,
  container: Container,
  live: LiveProcess,
): Promise<void> {
  const gone = goneOf(container, live);
  await sendSignal(parts, container, { live, number: SIGKILL });
  parts.failpoints.hit('kill.sent');
  await thaw(container, live);
  if ((await within(parts.clock, KILL_WAIT_MS, gone)) === true) return;
  throw new EngineError(
    'timeout',
    `Cannot kill container ${container.name}: it did not exit within ${KILL_WAIT_MS / 1000} s of SIGKILL`,
    {
      hint: 'Its process may be stuck in the kernel (state D); see /proc/PID/stack',
      details: { pid: container.state.process?.pid },
    },
  );
}

/** Under the lock, so that the event comes before those of the exit it causes. */
async function sendSignal(
  parts: EngineParts,
  container: Container,
  what: { readonly live: LiveProcess; readonly number: number },
): Promise<void> {
  await container.lock.run(async () => {
    // Gone in the meantime: its exit is on the way or has been handled.
    if (container.live !== what.live) return;
    try {
      await what.live.runtime.signal(what.number);
    } catch (error) {
      if (!isEngineError(error) || error.kind !== 'wrong-state') throw error;
      return;
    }
    announce(parts, container, 'kill', { signal: String(what.number) });
  });
}

/** `kill`: send one signal; SIGKILL also waits for the exit. Errors: `conflict` when not running, `invalid` signal. */
export async function killContainer(
  parts: EngineParts,
  ref: string,
  signalName: string,
): Promise<void> {
  const container = parts.containers.get(ref);
  const number = parseSignal(signalName === '' ? 'SIGKILL' : signalName);
  const live = await container.lock.run(() => {
    if (container.live === undefined) {
      throw new EngineError(
        'conflict',
        `cannot kill container: ${ref}: container ${container.id} is not running`,
      );
    }
    // A user who sends what `stop` would send wants it stopped: the policy stands back.
    const stops = number === SIGKILL || number === parseSignal(stopSignalOf(container));
    if (stops) markStoppedByUser(container);
    return container.live;
  });
  if (number === SIGKILL) return killHard(parts, container, live);
  await sendSignal(parts, container, { live, number });
}

/**
 * Signals that reach this program, passed on to the container. They wait until
 * the container runs, so that none is lost between create and start.
 */

import type { Io } from '../io.ts';

/**
 * What is passed on: signals people and supervisors send. Those that stop a
 * program in its terminal keep their meaning for the program that gets them.
 */
const proxied: readonly NodeJS.Signals[] = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGABRT',
  'SIGUSR1',
  'SIGUSR2',
  'SIGALRM',
  'SIGTERM',
  'SIGCONT',
];

/** Signals on their way. */
export interface SignalProxy {
  /** The container runs: what waited is sent. */
  started(): void;
  /** Signals have their usual meaning again. */
  stop(): void;
}

/** Passes signals on with `send`, which may fail: a container that just ended gets no signal. */
export function proxySignals(io: Io, send: (name: string) => Promise<void>): SignalProxy {
  const waiting: string[] = [];
  let isStarted = false;
  const pass = (name: string): void => {
    if (isStarted) send(name).catch(() => undefined);
    else waiting.push(name);
  };
  const undo = proxied.map((name) => io.onSignal(name, pass));
  return {
    started: () => {
      isStarted = true;
      for (const name of waiting.splice(0)) pass(name);
    },
    stop: () => {
      for (const step of undo) step();
    },
  };
}

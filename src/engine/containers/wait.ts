/** `wait`. Source: Engine API `POST /containers/{id}/wait`; engine-api facts 3.5. */

import { EngineError } from '../../base/error.ts';
import { throwIfAborted } from '../../base/clock.ts';
import type { WaitCondition, WaitResult } from '../engine.ts';
import type { EngineParts } from '../parts.ts';
import type { Container } from './container.ts';

/** Errors: `not-found` at once; the result rejects with `cancelled` when `signal` aborts. */
export function waitContainer(
  parts: EngineParts,
  ref: string,
  how: { readonly condition: WaitCondition; readonly signal?: AbortSignal },
): { readonly result: Promise<WaitResult> } {
  const container = parts.containers.get(ref);
  return { result: orAborted(conditionOf(container, how.condition), how.signal) };
}

function conditionOf(container: Container, condition: WaitCondition): Promise<WaitResult> {
  switch (condition) {
    case 'not-running':
      return untilNotRunning(container);
    case 'next-exit':
      return container.nextExit;
    case 'removed':
      return container.removal;
  }
}

async function untilNotRunning(container: Container): Promise<WaitResult> {
  if (!container.isAlive && container.state.phase !== 'restarting') {
    return { statusCode: container.state.exitCode };
  }
  return container.nextExit;
}

async function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  throwIfAborted(signal);
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(new EngineError('cancelled', 'The wait was cancelled'));
    signal.addEventListener('abort', onAbort, { once: true });
    promise.finally(() => signal.removeEventListener('abort', onAbort)).then(resolve, reject);
  });
}

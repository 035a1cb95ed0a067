/**
 * A source that can be cancelled while it waits: a network that has gone quiet
 * must not keep a cancelled run alive.
 */
import { EngineError } from '../base/error.ts';

/**
 * The same chunks; fails with `cancelled` as soon as `signal` aborts. The source is closed without waiting for it.
 *
 * **Invariant:** no chunk is held after it was given. (A race with one promise
 * that outlives all turns would keep the outcome of every turn with it.)
 */
export async function* interruptible(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  let giveUp: (error: EngineError) => void = () => undefined;
  const onAbort = (): void => {
    giveUp(cancelled());
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    for (;;) {
      const { promise, resolve, reject } = Promise.withResolvers<IteratorResult<Uint8Array>>();
      giveUp = reject;
      if (signal.aborted) onAbort();
      iterator.next().then(resolve, reject);
      const next = await promise;
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}

function cancelled(): EngineError {
  return new EngineError('cancelled', 'Cannot read layer: it was cancelled');
}

/** `promise`, or `cancelled` as soon as `signal` aborts. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => {
    reject(new EngineError('cancelled', 'Cannot unpack layer: it was cancelled'));
  };
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

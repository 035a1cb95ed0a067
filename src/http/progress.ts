/**
 * Streams of JSON objects: progress of image operations, and lines.
 * Source: engine-api facts 5.6 (CRLF between objects; errors before the first
 * object are a status, later ones `errorDetail` and the older `error`).
 */

import type { Progress } from '../engine/engine.ts';
import { encodeJson } from './json.ts';
import { jsonType, type StreamReply } from './reply.ts';

/** Progress as it comes. Rejects when the operation fails before its first step. */
export async function progressReply(steps: AsyncIterable<Progress>): Promise<StreamReply> {
  return {
    kind: 'stream',
    contentType: jsonType,
    pieces: mapPieces(await afterFirst(steps), (step) => `${encodeJson(step)}\r\n`),
    lateError: (message) => `${encodeJson({ errorDetail: { message }, error: message })}\r\n`,
  };
}

/** The same elements, once the first is there: an early failure is an ordinary error. */
export async function afterFirst<T>(source: AsyncIterable<T>): Promise<AsyncIterable<T>> {
  const iterator = source[Symbol.asyncIterator]();
  const first = iterator.next();
  await first;
  return resumed(iterator, first);
}

/**
 * The same elements, once the source had a moment to fail: for a source whose
 * first element may be hours away and whose client wants the head now.
 */
export async function afterStart<T>(source: AsyncIterable<T>): Promise<AsyncIterable<T>> {
  const iterator = source[Symbol.asyncIterator]();
  const first = iterator.next();
  // Its failure is seen here or by the reader; never by nobody.
  first.catch(() => undefined);
  await Promise.race([first, new Promise((resolve) => setImmediate(resolve))]);
  return resumed(iterator, first);
}

/** Each element as a piece of an answer. */
export async function* mapPieces<T, P extends string | Uint8Array>(
  source: AsyncIterable<T>,
  format: (element: T) => P,
): AsyncGenerator<P> {
  for await (const element of source) yield format(element);
}

async function* resumed<T>(
  iterator: AsyncIterator<T>,
  first: Promise<IteratorResult<T>>,
): AsyncGenerator<T> {
  try {
    let result = await first;
    while (result.done !== true) {
      yield result.value;
      result = await iterator.next();
    }
  } finally {
    await iterator.return?.();
  }
}

/**
 * Work that nobody waits for, begun after the answers that are on their way.
 * A thread of the pool that wakes up before an answer is written can take the
 * processor from it.
 */

/** Resolves in a later turn of the event loop. */
export function afterAnswer(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

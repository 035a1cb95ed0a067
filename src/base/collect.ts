/**
 * Asks the collector for a turn while streams run. Of the chunks that a small collection finds in use
 * some grow old with each, and would wait for a whole one, which a heap of few objects rarely has.
 */

/** Bytes of all streams of this thread between two turns. */
const TURN_BYTES = 32 * 1024 * 1024;

/** What the runtime offers for it; Node.js nothing. */
const runtime = globalThis as { readonly Bun?: { gc(isSync: boolean): void } };

let usedBytes = 0;

/** A chunk of so many bytes was used up. May stop the thread for some milliseconds. */
export function countUsedChunk(bytes: number): void {
  usedBytes += bytes;
  if (usedBytes < TURN_BYTES) return;
  usedBytes = 0;
  // One that runs beside the thread comes too late on a busy machine.
  runtime.Bun?.gc(true);
}

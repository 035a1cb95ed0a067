/**
 * Asks the collector for a turn while streams run. Of the chunks that a small collection finds in use
 * some grow old with each, and would wait for a whole one, which a heap of few objects rarely has.
 *
 * **Invariant:** only a thread whose heap is carve's own is stopped for it: whoever embeds the engine
 * may have a heap in which a whole collection takes long.
 */

/** Bytes of all streams of this thread between two turns. */
const TURN_BYTES = 32 * 1024 * 1024;

let usedBytes = 0;
let collect: (() => void) | undefined;

/** From now on this thread takes turns, where the runtime can be asked for one. */
export function collectBetweenChunks(): void {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a global that only one runtime has, described by what is used
  const runtime = (globalThis as { readonly Bun?: { gc(isSync: boolean): void } }).Bun;
  // One that runs beside the thread comes too late on a busy machine.
  collect = runtime === undefined ? undefined : () => runtime.gc(true);
}

/** A chunk of so many bytes was used up. May stop the thread for some milliseconds. */
export function countUsedChunk(bytes: number): void {
  usedBytes += bytes;
  if (usedBytes < TURN_BYTES) return;
  usedBytes = 0;
  collect?.();
}

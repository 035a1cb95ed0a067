/** The size of a container's terminal, told to the engine. */

import type { TerminalSize } from '../io.ts';

/** Attempts while the process is not there yet. */
const attemptsMax = 10;
/** Each pause is so much longer than the last, in milliseconds. */
const pauseStepMs = 10;

/** Sets the size; tries again while the process is starting, and gives up silently: a size is a courtesy. */
export async function resizeWithRetry(
  resize: (size: TerminalSize) => Promise<void>,
  size: TerminalSize,
): Promise<void> {
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    try {
      await resize(size);
      return;
    } catch {
      await pause(attempt * pauseStepMs);
    }
  }
}

/** Keeps no process alive. */
async function pause(durationMs: number): Promise<void> {
  await new Promise<void>((resolve) => {
    setTimeout(resolve, durationMs).unref();
  });
}

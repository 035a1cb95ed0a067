/**
 * The user's terminal while a container has it: raw, so that every key goes
 * through, and restored on every way out: the end, an error, a signal, a crash.
 */

import type { Io } from '../io.ts';

/** Signals that end the program by default; the terminal is restored before they do. */
const endingSignals: readonly (readonly [NodeJS.Signals, number])[] = [
  ['SIGHUP', 1],
  ['SIGINT', 2],
  ['SIGTERM', 15],
];

/** A terminal in raw mode. */
export interface RawTerminal {
  /** Back to how it was; more than once does nothing. */
  restore(): void;
}

/** Makes the terminal of `io` raw until {@link RawTerminal.restore}. */
export function enterRawMode(io: Io): RawTerminal {
  io.stdin.setRaw(true);
  let isRaw = true;
  const undo: (() => void)[] = [];
  const restore = (): void => {
    if (!isRaw) return;
    isRaw = false;
    for (const step of undo) step();
    io.stdin.setRaw(false);
  };
  undo.push(io.onExit(restore));
  for (const [name, number] of endingSignals) {
    undo.push(
      io.onSignal(name, () => {
        restore();
        io.exit(128 + number);
      }),
    );
  }
  return { restore };
}

/** Calls `onResize` now and with each change of the terminal's size. The result stops it. */
export function watchSize(
  io: Io,
  onResize: (size: { readonly rows: number; readonly columns: number }) => void,
): () => void {
  const report = (): void => {
    const { size } = io.stdout;
    if (size !== undefined && size.rows > 0 && size.columns > 0) onResize(size);
  };
  report();
  return io.onSignal('SIGWINCH', report);
}

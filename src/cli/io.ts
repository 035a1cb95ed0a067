/**
 * What a command line touches of its surroundings. Injected, so that a test
 * runs a command as a function; `process-io.ts` is the real one.
 */

/** Rows and columns of a terminal. */
export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** Where text or bytes go. */
export interface Output {
  /** Decided once, when first asked. */
  readonly isTerminal: boolean;
  /** Now; `undefined` when it is no terminal. */
  readonly size: TerminalSize | undefined;
  /** Settles when it is out: await it for back pressure. Throws `cancelled` once nobody reads any more. */
  write(data: string | Uint8Array): Promise<void>;
}

/** Where input comes from. */
export interface Input {
  readonly isTerminal: boolean;
  /** Bytes as they come, to the end of the input. Iterate once; leaving the loop stops reading. */
  chunks(): AsyncIterable<Uint8Array>;
  /** Terminal only: raw gives every key as it is, without echo. */
  setRaw(isRaw: boolean): void;
}

/** The surroundings of one command line. */
export interface Io {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute. */
  readonly cwd: string;
  /** The words that start carve itself, for the daemon it starts. */
  readonly self: readonly string[];
  /** True for uid 0. */
  readonly isRoot: boolean;
  /** Calls `listener` at each `name` instead of the signal's default; the result undoes that. */
  onSignal(name: NodeJS.Signals, listener: (name: NodeJS.Signals) => void): () => void;
  /** Calls `listener` when the program ends, by whatever way leaves it a moment; the result undoes that. */
  onExit(listener: () => void): () => void;
  /** Ends the program now. */
  exit(code: number): void;
  /** Milliseconds since the epoch. */
  now(): number;
}

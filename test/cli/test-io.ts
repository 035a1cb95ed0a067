/** The surroundings of a command line, in memory. */

import type { Input, Io, Output, TerminalSize } from '../../src/cli/io.ts';

/** What a test gives and reads. */
export interface TestIo extends Io {
  /** All that was written so far. */
  out(): string;
  err(): string;
  /** Sends a signal to the command. */
  signal(name: NodeJS.Signals): void;
  /** The terminal was made raw, and back: true and false in order. */
  readonly rawChanges: readonly boolean[];
  /** Types into standard input. */
  type(text: string): void;
  /** Ends standard input. */
  endInput(): void;
  /** Settles when `out()` matches. */
  untilOut(pattern: RegExp): Promise<void>;
}

/** What surrounds it; nothing by default. */
export interface TestIoOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stdin?: string;
  /** Standard input and output are a terminal of this size. */
  readonly terminal?: TerminalSize;
  readonly isRoot?: boolean;
  readonly now?: number;
}

/** Surroundings for one command line. */
export function testIo(options: TestIoOptions = {}): TestIo {
  const stdout = new MemoryOutput(options.terminal);
  const stderr = new MemoryOutput(options.terminal);
  const stdin = new MemoryInput(options.terminal !== undefined);
  if (options.stdin !== undefined) {
    stdin.push(options.stdin);
    stdin.end();
  }
  const listeners = new Map<string, Set<(name: NodeJS.Signals) => void>>();
  return {
    stdin,
    stdout,
    stderr,
    env: options.env ?? {},
    cwd: options.cwd ?? '/',
    self: ['/nonexistent/carve'],
    isRoot: options.isRoot ?? true,
    onSignal: (name, listener) => {
      const set = listeners.get(name) ?? new Set();
      listeners.set(name, set.add(listener));
      return () => set.delete(listener);
    },
    onExit: () => () => undefined,
    exit: (code) => {
      throw new Error(`exit ${String(code)}`);
    },
    now: () => options.now ?? Date.now(),
    out: () => stdout.text,
    err: () => stderr.text,
    signal: (name) => {
      for (const listener of listeners.get(name) ?? []) listener(name);
    },
    rawChanges: stdin.rawChanges,
    type: (text) => {
      stdin.push(text);
    },
    endInput: () => {
      stdin.end();
    },
    untilOut: (pattern) => stdout.until(pattern),
  };
}

class MemoryOutput implements Output {
  readonly size: TerminalSize | undefined;
  #chunks: Buffer[] = [];
  #waiting: (() => void)[] = [];

  constructor(size: TerminalSize | undefined) {
    this.size = size;
  }

  get isTerminal(): boolean {
    return this.size !== undefined;
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString('utf8');
  }

  write(data: string | Uint8Array): Promise<void> {
    this.#chunks.push(Buffer.from(data));
    for (const wake of this.#waiting.splice(0)) wake();
    return Promise.resolve();
  }

  async until(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.text))
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

class MemoryInput implements Input {
  readonly isTerminal: boolean;
  readonly rawChanges: boolean[] = [];
  #chunks: Buffer[] = [];
  #isEnded = false;
  #wake: (() => void) | undefined;

  constructor(isTerminal: boolean) {
    this.isTerminal = isTerminal;
  }

  push(text: string): void {
    this.#chunks.push(Buffer.from(text, 'latin1'));
    this.#wake?.();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake?.();
  }

  setRaw(isRaw: boolean): void {
    this.rawChanges.push(isRaw);
  }

  async *chunks(): AsyncGenerator<Uint8Array, void, void> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) yield chunk;
      else if (this.#isEnded) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}

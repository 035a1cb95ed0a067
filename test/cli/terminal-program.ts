/** A program on a terminal, driven by a test; `terminal-driver.py` holds the terminal. */

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Every key goes through and every byte comes out, the usual way, or something between that nobody wants. */
export type TerminalMode = 'raw' | 'cooked' | 'half';

/** How a program left its terminal. */
export interface TerminalExit {
  /** The exit code, negative for a signal. */
  readonly code: number;
  readonly mode: TerminalMode;
}

/** A running program. */
export interface TerminalProgram extends AsyncDisposable {
  /** All it wrote to its terminal so far. */
  output(): string;
  send(text: string): void;
  resize(rows: number, columns: number): void;
  /** Sends a signal by number. */
  signal(number: number): void;
  /** How the terminal is set now. */
  mode(): Promise<TerminalMode>;
  /** Settles when the output matches. */
  until(pattern: RegExp): Promise<void>;
  /** Settles when it has ended. */
  readonly exited: Promise<TerminalExit>;
}

/** Starts a program on a terminal of 24 rows and 80 columns. */
export function startOnTerminal(
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): TerminalProgram {
  const driver = spawn(
    'python3',
    [fileURLToPath(new URL('terminal-driver.py', import.meta.url)), ...words],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    },
  );
  let output = '';
  const waiting: (() => void)[] = [];
  const modes: ((mode: TerminalMode) => void)[] = [];
  const exited = Promise.withResolvers<TerminalExit>();
  exited.promise.catch(() => undefined);
  let isOver = false;
  createInterface({ input: driver.stdout }).on('line', (line) => {
    const [word, value = '', more] = line.split(' ');
    if (word === 'out') output += Buffer.from(value, 'hex').toString('utf8');
    else if (word === 'mode') modes.shift()?.(modeOf(value));
    else if (word === 'exit') exited.resolve({ code: Number(value), mode: modeOf(more) });
    for (const wake of waiting.splice(0)) wake();
  });
  driver.once('close', () => {
    isOver = true;
    exited.reject(new Error('the terminal driver ended'));
    for (const wake of waiting.splice(0)) wake();
  });
  const tell = (line: string): void => {
    driver.stdin.write(`${line}\n`);
  };
  return {
    output: () => output,
    send: (text) => {
      tell(`send ${Buffer.from(text, 'latin1').toString('hex')}`);
    },
    resize: (rows, columns) => {
      tell(`resize ${String(rows)} ${String(columns)}`);
    },
    signal: (number) => {
      tell(`signal ${String(number)}`);
    },
    mode: () => {
      tell('mode');
      return new Promise((resolve) => modes.push(resolve));
    },
    until: async (pattern) => {
      while (!pattern.test(output)) {
        if (isOver) throw new Error(`the program ended before ${String(pattern)}: ${output}`);
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
    exited: exited.promise,
    [Symbol.asyncDispose]: async () => {
      driver.stdin.end();
      if (driver.exitCode === null) driver.kill('SIGKILL');
      await new Promise((resolve) =>
        driver.exitCode === null && driver.signalCode === null
          ? driver.once('exit', resolve)
          : resolve(undefined),
      );
    },
  };
}

function modeOf(text: string | undefined): TerminalMode {
  return text === 'raw' || text === 'cooked' ? text : 'half';
}

/**
 * The surroundings of this process. Streams are opened when first used:
 * `process.stdout` alone costs 8 ms of start-up, `process.stdin` more, and
 * most commands write a line and are done. So output goes by `fs.write`.
 */

import { fstatSync, write } from 'node:fs';
import { EngineError } from '../base/error.ts';
import type { Input, Io, Output, TerminalSize } from './io.ts';
import { runOnTerminal } from './spawn.ts';

/** Pause before a write that would have blocked is tried again, in milliseconds. */
const retryDelayMs = 2;

/** The {@link Io} of this process. `self`: the words that start carve itself. */
export function processIo(self: readonly string[]): Io {
  return {
    stdin: new ProcessInput(),
    stdout: new FileOutput(1, () => process.stdout),
    stderr: new FileOutput(2, () => process.stderr),
    env: process.env,
    cwd: process.cwd(),
    self,
    isRoot: process.geteuid?.() === 0,
    onSignal: (name, listener) => {
      process.on(name, listener);
      return () => {
        process.removeListener(name, listener);
      };
    },
    onExit: (listener) => {
      process.on('exit', listener);
      return () => {
        process.removeListener('exit', listener);
      };
    },
    exit: (code) => {
      process.exit(code);
    },
    now: () => Date.now(),
  };
}

/** True for a terminal; asks `node:tty`, which is slow to load, for character devices only. */
function isTerminal(fd: number): boolean {
  try {
    if (!fstatSync(fd).isCharacterDevice()) return false;
  } catch {
    // A closed descriptor is no terminal.
    return false;
  }
  return process.getBuiltinModule('node:tty').isatty(fd);
}

/** A descriptor written to in order. */
class FileOutput implements Output {
  readonly #fd: number;
  readonly #stream: () => NodeJS.WriteStream;
  #isTerminal: boolean | undefined;
  /** Settles when all writes so far are out. */
  #tail: Promise<void> = Promise.resolve();

  constructor(fd: number, stream: () => NodeJS.WriteStream) {
    this.#fd = fd;
    this.#stream = stream;
  }

  get isTerminal(): boolean {
    this.#isTerminal ??= isTerminal(this.#fd);
    return this.#isTerminal;
  }

  get size(): TerminalSize | undefined {
    if (!this.isTerminal) return undefined;
    const [columns, rows] = this.#stream().getWindowSize();
    return { rows, columns };
  }

  write(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    if (bytes.length === 0) return this.#tail;
    const done = this.#tail.then(() => writeAll(this.#fd, bytes));
    // Whoever awaits the write sees its failure; the next write fails by itself.
    this.#tail = done.catch(() => undefined);
    return done;
  }
}

async function writeAll(fd: number, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += await writeSome(fd, bytes.subarray(at));
}

function writeSome(fd: number, bytes: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, (error, count) => {
      if (error === null) resolve(count);
      else if (error.code === 'EAGAIN') setTimeout(resolve, retryDelayMs, 0);
      else reject(outputError(error));
    });
  });
}

function outputError(error: NodeJS.ErrnoException): EngineError {
  if (error.code === 'EPIPE') {
    return new EngineError('cancelled', 'Nobody reads the output any more', {
      details: { source: 'output' },
      cause: error,
    });
  }
  return new EngineError('internal', `Cannot write the output: ${error.message}`, {
    details: { source: 'output' },
    cause: error,
  });
}

class ProcessInput implements Input {
  #isTerminal: boolean | undefined;

  get isTerminal(): boolean {
    this.#isTerminal ??= isTerminal(0);
    return this.#isTerminal;
  }

  setRaw(isRaw: boolean): void {
    if (!this.isTerminal) return;
    process.stdin.setRawMode(isRaw);
    // Both runtimes leave the terminal adding a return to each line feed, which a
    // container's console has done already and a screen editor must not have.
    // Going back restores everything.
    if (isRaw) runOnTerminal(['stty', '-opost']);
  }

  async *chunks(): AsyncGenerator<Uint8Array, void, void> {
    try {
      for await (const chunk of process.stdin.iterator({
        destroyOnReturn: false,
      }) as AsyncIterable<unknown>) {
        if (chunk instanceof Uint8Array) yield chunk;
      }
    } catch (error) {
      // A terminal that hung up reads as an error: there is no more input.
      if (!(error instanceof Error) || !('code' in error) || error.code !== 'EIO') throw error;
    } finally {
      process.stdin.pause();
    }
  }
}

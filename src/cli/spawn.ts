/**
 * Programs the CLI starts: carve's own daemon, and the tools that make base
 * images. Never through a shell; arguments are passed as they are.
 */

import type * as childProcess from 'node:child_process';
import { EngineError } from '../base/error.ts';

/** Loaded when something is started: most commands start nothing. */
const programs = (): typeof childProcess => process.getBuiltinModule('node:child_process');

/** A program on its own: in its own session, its output in a file. */
export interface DetachedProgram {
  /** The exit code, or 128+n for signal n; `undefined` while it runs. */
  exitCode(): number | undefined;
}

/** Starts a program that outlives this one. `logFd` gets its output and may be closed afterwards. Throws `unavailable`. */
export async function spawnDetached(
  words: readonly [string, ...string[]],
  options: { readonly logFd: number; readonly env: Readonly<Record<string, string | undefined>> },
): Promise<DetachedProgram> {
  const [program, ...args] = words;
  const child = programs().spawn(program, args, {
    cwd: '/',
    env: { ...options.env },
    detached: true,
    stdio: ['ignore', options.logFd, options.logFd],
  });
  let exitCode: number | undefined;
  child.once('exit', (code) => {
    exitCode = code ?? 128;
  });
  await started(child, program);
  child.unref();
  return { exitCode: () => exitCode };
}

/** A program whose output is read. */
export interface PipedProgram {
  /** Its standard output. */
  readonly output: AsyncIterable<Uint8Array>;
  /** Settles when it has ended: the exit code, or 128 when a signal ended it. */
  readonly exited: Promise<number>;
  /** Ends it and everything it started. */
  kill(signal: NodeJS.Signals): void;
}

/** Bytes of a program's output that wait to be read before it must wait itself. */
const outputBufferBytes = 1024 * 1024;

/** How to run a program whose output is read. */
export interface PipeOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Gets what it writes to standard error, line by line, without the line's end. */
  readonly onErrorLine: (line: string) => void;
}

/** Starts a program in a process group of its own and hands over its output. Throws `not-found`, `unavailable`. */
export async function spawnPiped(
  words: readonly [string, ...string[]],
  options: PipeOptions,
): Promise<PipedProgram> {
  const [program, ...args] = words;
  const child = programs().spawn(program, args, {
    env: { ...options.env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // A runtime throws away what nobody reads of a program that has ended: so it is read from the start.
  const { PassThrough } = process.getBuiltinModule('node:stream');
  const output = child.stdout.pipe(new PassThrough({ highWaterMark: outputBufferBytes }));
  const exited = new Promise<number>((resolve) => {
    child.once('close', (code) => {
      resolve(code ?? 128);
    });
  });
  await started(child, program);
  let partial = '';
  child.stderr.setEncoding('utf8');
  child.stderr.on('data', (text: string) => {
    const lines = (partial + text).split(/\r\n|[\r\n]/);
    partial = lines.pop() ?? '';
    for (const line of lines) options.onErrorLine(line);
  });
  child.stderr.on('end', () => {
    if (partial !== '') options.onErrorLine(partial);
  });
  return {
    output,
    exited,
    kill: (signal) => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, signal);
      } catch {
        // It has ended already.
      }
    },
  };
}

/**
 * Runs a program on this program's terminal, to its end. False when it could
 * not, or failed: callers use it for what they can do without.
 */
export function runOnTerminal(words: readonly [string, ...string[]]): boolean {
  const [program, ...args] = words;
  const { status } = programs().spawnSync(program, args, {
    stdio: ['inherit', 'ignore', 'ignore'],
  });
  return status === 0;
}

async function started(child: childProcess.ChildProcess, program: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'ENOENT'
          ? new EngineError('not-found', `Cannot find the program ${program}`, { cause: error })
          : new EngineError('unavailable', `Cannot start ${program}: ${error.message}`, {
              cause: error,
            }),
      );
    });
  });
}

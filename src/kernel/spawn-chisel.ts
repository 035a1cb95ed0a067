/**
 * Starts one of the chisel's short-lived programs (`unpack`, `walk`) with pipes
 * for its input and output. The long-lived ones are `chisel.ts`'s matter.
 *
 * **Invariant:** the child gets an empty environment and no descriptor but 0,
 * 1 and 2; its arguments are chosen by carve, never by an image.
 */
import { spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { EngineError } from '../base/error.ts';
import type { HostPath } from '../base/brand.ts';

/** How a program ended. */
export interface ChiselExit {
  /** Exit code; `undefined` when a signal ended it. */
  readonly code: number | undefined;
  /** Name of the signal that ended it. */
  readonly signal: string | undefined;
}

/** A running program. */
export interface ChiselChild {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Settles when the process is reaped and its output was read to the end. Rejects when it could not be started. */
  readonly exited: Promise<ChiselExit>;
  /** Ends it at once; no effect on a process that is gone. */
  kill(): void;
}

/** Start `chiselPath` with `args` (`['unpack', directory, …]`). */
export function spawnChisel(chiselPath: HostPath, args: readonly string[]): ChiselChild {
  const child = spawn(chiselPath, args, { stdio: ['pipe', 'pipe', 'ignore'], env: {}, cwd: '/' });
  // A child that ends before its input does breaks the pipe; `exited` and its answer tell why.
  child.stdin.on('error', () => undefined);
  const exited = new Promise<ChiselExit>((resolve, reject) => {
    child.once('error', (cause) => {
      reject(
        new EngineError(
          'internal',
          `Cannot start ${chiselPath} ${args[0] ?? ''}: ${cause.message}`,
          { cause },
        ),
      );
    });
    child.once('close', (code, signal) => {
      resolve({ code: code ?? undefined, signal: signal ?? undefined });
    });
  });
  // The caller may look at it late; an early failure is not an unhandled one.
  exited.catch(() => undefined);
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    exited,
    kill: () => void child.kill('SIGKILL'),
  };
}

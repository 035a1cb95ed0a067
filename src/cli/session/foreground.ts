/**
 * A container in the foreground: connected before it starts, so that not a
 * byte of its output is lost, and followed to its exit code.
 *
 * Source: docker's order of calls: attach, wait, start, resize.
 */

import { EngineError } from '../../base/error.ts';
import type { WaitCondition } from '../../client/containers.ts';
import type { Context } from '../command.ts';
import type { AttachedStreams } from '../create/body.ts';
import { neutraliseCell } from '../print/safe.ts';
import { resizeWithRetry } from './resize.ts';
import { proxySignals } from './signals.ts';
import { joinStreams, type Session } from './streams.ts';
import { watchSize } from './terminal.ts';

/** What is run in the foreground. */
export interface Foreground {
  readonly id: string;
  /** How messages call it. */
  readonly name: string;
  readonly tty: boolean;
  readonly streams: AttachedStreams;
  /** Removed by the engine when it exits: its exit is its removal. */
  readonly isRemoved: boolean;
  readonly proxiesSignals: boolean;
  readonly detachKeys: string | undefined;
}

/** Starts the container and follows it; gives its exit code, 0 when the user left it. Throws when it cannot start. */
export async function runForeground(context: Context, run: Foreground): Promise<number> {
  const { client } = context;
  const abort = new AbortController();
  const proxy = run.proxiesSignals
    ? proxySignals(context.io, (name) => client.containers.kill(run.id, name))
    : undefined;
  const condition: WaitCondition = run.isRemoved ? 'removed' : 'next-exit';
  let session: Session | undefined;
  try {
    const [stream, exit] = await Promise.all([
      attachTo(context, run),
      client.containers.wait(run.id, condition, { signal: abort.signal }),
    ]);
    session =
      stream === undefined
        ? undefined
        : joinStreams(stream, context.io, {
            tty: run.tty,
            stdin: run.streams.stdin,
            detachKeys: run.detachKeys,
          });
    // Looked at later: until then a failure is not unhandled.
    session?.ended.catch(() => undefined);
    await startOrGiveUp(context, run, exit.result);
    proxy?.started();
    return await follow(context, run, { session, exit: exit.result });
  } finally {
    session?.close();
    proxy?.stop();
    abort.abort();
  }
}

async function attachTo(context: Context, run: Foreground): ReturnType<typeof openAttach> {
  const { stdin, stdout, stderr } = run.streams;
  return stdin || stdout || stderr ? await openAttach(context, run) : undefined;
}

async function openAttach(
  context: Context,
  run: Foreground,
): Promise<Awaited<ReturnType<Context['client']['containers']['attach']>> | undefined> {
  return await context.client.containers.attach(run.id, {
    ...run.streams,
    detachKeys: run.detachKeys,
  });
}

type Exit = Promise<{
  readonly StatusCode: number;
  readonly Error?: { readonly Message: string } | null;
}>;

async function startOrGiveUp(context: Context, run: Foreground, exit: Exit): Promise<void> {
  try {
    await context.client.containers.start(run.id, { detachKeys: run.detachKeys });
  } catch (error) {
    // The engine removes what could not start; the name is free once that is done.
    if (run.isRemoved) await exit.catch(() => undefined);
    throw error;
  }
}

async function follow(
  context: Context,
  run: Foreground,
  { session, exit }: { readonly session: Session | undefined; readonly exit: Exit },
): Promise<number> {
  const stopWatching = run.tty
    ? watchSize(
        context.io,
        (size) =>
          void resizeWithRetry((next) => context.client.containers.resize(run.id, next), size),
      )
    : undefined;
  try {
    const end = await session?.ended;
    if (end === 'detached') {
      await context.io.stderr.write(farewell(run.name));
      return 0;
    }
    const { StatusCode, Error: failure } = await exit;
    if (failure !== undefined && failure !== null && failure.Message !== '') {
      throw new EngineError('internal', failure.Message, { details: { source: 'daemon' } });
    }
    return StatusCode;
  } finally {
    stopWatching?.();
  }
}

/** What a user reads who left a container by its detach keys. */
export function farewell(name: string): string {
  const shown = neutraliseCell(name);
  return `\r\nDetached from ${shown}, which keeps running. "carve attach ${shown}" brings you back.\n`;
}

/** What a user reads who left a command in a container: nothing brings that one back. */
export function farewellToExec(name: string): string {
  return `\r\nDetached from the command, which keeps running in ${neutraliseCell(name)}.\n`;
}

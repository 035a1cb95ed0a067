/** `carve attach`. */

import { EngineError } from '../../../base/error.ts';
import type { ContainerInspect } from '../../../spec/docker/inspect.ts';
import { defineCommand, type Command, type Context } from '../../command.ts';
import { farewell } from '../../session/foreground.ts';
import { checkTerminal, detachKeysOf } from '../../session/options.ts';
import { resizeWithRetry } from '../../session/resize.ts';
import { proxySignals } from '../../session/signals.ts';
import { joinStreams } from '../../session/streams.ts';
import { watchSize } from '../../session/terminal.ts';

/** Connects this terminal to a running container; the exit code is the container's. */
export const attachCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] CONTAINER',
    flags: {
      'detach-keys': {
        kind: 'string',
        help: 'Keys that leave the container running; ctrl-p,ctrl-q unless set',
      },
      'no-stdin': { kind: 'bool', help: 'Do not connect standard input' },
      'sig-proxy': { kind: 'bool', help: 'Pass signals on to the container', default: true },
    },
    args: { min: 1, max: 1, completes: 'running-container' },
  },
  async (context, { flags, args }) => {
    const [ref = ''] = args;
    const inspected = await context.client.containers.inspect(ref);
    refuseUnlessRunning(inspected, ref);
    const tty = inspected.Config.Tty === true;
    const stdin = !flags['no-stdin'] && inspected.Config.OpenStdin === true;
    checkTerminal(context.io, { tty, stdin });
    return await followContainer(context, {
      id: inspected.Id,
      name: ref,
      tty,
      stdin,
      detachKeys: detachKeysOf(context, flags['detach-keys']),
      proxiesSignals: flags['sig-proxy'] && !tty,
    });
  },
);

function refuseUnlessRunning({ State }: ContainerInspect, ref: string): void {
  const refuse = (reason: string): never => {
    throw new EngineError('wrong-state', `Cannot attach to container ${ref}: ${reason}`);
  };
  if (!State.Running) refuse('it is not running; start it first');
  if (State.Paused) refuse('it is paused; unpause it first');
  if (State.Restarting) refuse('it is restarting; wait until it runs');
}

interface Followed {
  readonly id: string;
  readonly name: string;
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly detachKeys: string | undefined;
  readonly proxiesSignals: boolean;
}

async function followContainer({ client, io }: Context, followed: Followed): Promise<number> {
  const { id, name, tty, stdin, detachKeys } = followed;
  const abort = new AbortController();
  const exit = await client.containers.wait(id, 'not-running', { signal: abort.signal });
  const stream = await client.containers.attach(id, {
    stdin,
    stdout: true,
    stderr: true,
    detachKeys,
  });
  const proxy = followed.proxiesSignals
    ? proxySignals(io, (signal) => client.containers.kill(id, signal))
    : undefined;
  proxy?.started();
  const session = joinStreams(stream, io, { tty, stdin, detachKeys });
  const stopWatching = tty ? await redraw(client, io, id) : undefined;
  try {
    if ((await session.ended) === 'detached') {
      await io.stderr.write(farewell(name));
      return 0;
    }
    return (await exit.result).StatusCode;
  } finally {
    stopWatching?.();
    proxy?.stop();
    session.close();
    abort.abort();
  }
}

/** A program draws its screen when the size changes: so it changes twice. */
async function redraw(
  client: Context['client'],
  io: Context['io'],
  id: string,
): Promise<() => void> {
  const { size } = io.stdout;
  const resize = (next: { readonly rows: number; readonly columns: number }): Promise<void> =>
    resizeWithRetry((wanted) => client.containers.resize(id, wanted), next);
  if (size !== undefined) await resize({ rows: size.rows + 1, columns: size.columns });
  return watchSize(io, (next) => void resize(next));
}

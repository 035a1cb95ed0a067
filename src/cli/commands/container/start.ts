/** `carve start`. */

import { defineCommand, type Command, type Context } from '../../command.ts';
import { planFlags, wantedPlan } from '../../flags/plan.ts';
import { argumentError } from '../../flags/usage-error.ts';
import { forEachInOrder } from '../../for-each.ts';
import { formatPlan } from '../../print/plan.ts';
import { runForeground } from '../../session/foreground.ts';
import { checkTerminal, detachKeysOf } from '../../session/options.ts';

/** Starts stopped containers; connected to one, the exit code is the container's. */
export const startCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] CONTAINER [CONTAINER...]',
    flags: {
      attach: {
        kind: 'bool',
        short: 'a',
        help: 'Connect standard output and error, and pass signals on',
      },
      interactive: { kind: 'bool', short: 'i', help: 'Connect standard input too' },
      'detach-keys': {
        kind: 'string',
        help: 'Keys that leave the container running; ctrl-p,ctrl-q unless set',
      },
      ...planFlags,
    },
    args: { min: 1, completes: 'container' },
    examples: ['carve start web', 'carve start -ai shell'],
  },
  async (context, { flags, given, args }) => {
    const { client, io } = context;
    const plan = wantedPlan(flags, given);
    if (plan !== undefined) {
      for (const name of args) {
        await io.stdout.write(formatPlan(await client.containers.planStart(name), plan));
      }
      return 0;
    }
    if (!flags.attach && !flags.interactive) {
      return await forEachInOrder(io, args, async (name) => {
        await client.containers.start(name);
      });
    }
    const [ref = '', ...others] = args;
    if (others.length > 0)
      throw argumentError('only one container can be started and attached at once');
    return await startAttached(context, ref, {
      stdin: flags.interactive,
      detachKeys: flags['detach-keys'],
    });
  },
);

async function startAttached(
  context: Context,
  ref: string,
  { stdin, detachKeys }: { readonly stdin: boolean; readonly detachKeys: string },
): Promise<number> {
  const { Id, Config, HostConfig } = await context.client.containers.inspect(ref);
  const tty = Config.Tty === true;
  const takesInput = stdin && Config.OpenStdin === true;
  checkTerminal(context.io, { tty, stdin: takesInput });
  return await runForeground(context, {
    id: Id,
    name: ref,
    tty,
    streams: { stdin: takesInput, stdout: true, stderr: true },
    isRemoved: HostConfig.AutoRemove === true,
    proxiesSignals: !tty,
    detachKeys: detachKeysOf(context, detachKeys),
  });
}

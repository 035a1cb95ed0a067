/** `carve run`. */

import { defineCommand, type Command, type Context } from '../../command.ts';
import { attachedStreams, type AttachedStreams } from '../../create/body.ts';
import { createBody, createContainer } from '../../create/create-container.ts';
import { createFlags } from '../../create/flags.ts';
import { showRunPlan } from '../../create/show-plan.ts';
import { wantedPlan } from '../../flags/plan.ts';
import type { FlagTable } from '../../flags/table.ts';
import { usageError } from '../../flags/usage-error.ts';
import { checkTerminal, detachKeysOf } from '../../session/options.ts';
import { runForeground } from '../../session/foreground.ts';

const runFlags = {
  ...createFlags,
  detach: { kind: 'bool', short: 'd', help: 'Run in the background and print the id' },
  'detach-keys': {
    kind: 'string',
    help: 'Keys that leave the container running; ctrl-p,ctrl-q unless set',
  },
  'sig-proxy': { kind: 'bool', help: 'Pass signals on to the container', default: true },
} as const satisfies FlagTable;

/** Creates a container, starts it, and stays with it unless told otherwise. */
export const runCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
    flags: runFlags,
    args: { min: 1, completes: 'image' },
    isInterspersed: false,
    failure: 'run',
    examples: [
      'carve run -it --rm debian bash',
      'carve run -d --name web -p 8080:80 nginx',
      'carve run --rm -v ./src:/src -w /src node npm test',
    ],
  },
  async (context, { flags, given, args }) => {
    const plan = wantedPlan(flags, given);
    if (flags.detach && flags.attach.length > 0) throw usageError('Conflicting options: -a and -d');
    const streams: AttachedStreams = flags.detach
      ? { stdin: false, stdout: false, stderr: false }
      : attachedStreams(flags);
    const full = createBody(context, flags, { given, args });
    const body = flags.detach
      ? { ...full, AttachStdin: false, AttachStdout: false, AttachStderr: false, StdinOnce: false }
      : full;
    if (plan !== undefined) {
      await showRunPlan(context, flags, { body, format: plan });
      return 0;
    }
    checkTerminal(context.io, { tty: flags.tty, stdin: streams.stdin });
    const detachKeys = detachKeysOf(context, flags['detach-keys']);
    const id = await createContainer(context, flags, body);
    if (flags.detach) return await startInBackground(context, id);
    return await runForeground(context, {
      id,
      name: flags.name === '' ? id.slice(0, 12) : flags.name,
      tty: flags.tty,
      streams,
      isRemoved: flags.rm,
      proxiesSignals: flags['sig-proxy'],
      detachKeys,
    });
  },
);

async function startInBackground({ client, io }: Context, id: string): Promise<number> {
  await client.containers.start(id);
  await io.stdout.write(`${id}\n`);
  return 0;
}

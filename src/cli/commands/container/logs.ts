/** `carve logs`. */

import { defineCommand, type Command } from '../../command.ts';
import { copyFrames } from '../../session/streams.ts';
import { parseInstant } from '../../time.ts';

/** Prints the output of a container, as it was written. */
export const logsCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] CONTAINER',
    flags: {
      follow: {
        kind: 'bool',
        short: 'f',
        help: 'Go on with what comes, until the container stops',
      },
      since: {
        kind: 'string',
        help: 'Only lines since this time, e.g. 2026-11-23T16:00:00 or 10m',
      },
      until: {
        kind: 'string',
        help: 'Only lines before this time, e.g. 2026-11-23T16:00:00 or 10m',
      },
      tail: { kind: 'string', short: 'n', help: 'Only so many lines at the end', default: 'all' },
      timestamps: { kind: 'bool', short: 't', help: 'Begin each line with its time' },
      details: { kind: 'bool', help: 'Begin each line with the attributes the log driver keeps' },
    },
    args: { min: 1, max: 1, completes: 'container' },
    examples: ['carve logs -f --tail 20 web', 'carve logs --since 10m web'],
  },
  async ({ client, io }, { flags, args }) => {
    const [ref = ''] = args;
    const { isFramed, output } = await client.containers.logs(ref, {
      stdout: true,
      stderr: true,
      follow: flags.follow,
      timestamps: flags.timestamps,
      details: flags.details,
      since: flags.since === '' ? undefined : parseInstant(flags.since, io.now(), '--since'),
      until: flags.until === '' ? undefined : parseInstant(flags.until, io.now(), '--until'),
      tail: flags.tail,
    });
    if (isFramed) await copyFrames(output, io);
    else for await (const chunk of output) await io.stdout.write(chunk);
  },
);

/** `carve export`. */

import { refuseTerminal, writeArchive } from '../../archive-output.ts';
import { defineCommand, type Command } from '../../command.ts';

/** Writes the files of a container, without its volumes, as a tar archive. */
export const exportCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] CONTAINER',
    flags: {
      output: {
        kind: 'string',
        short: 'o',
        help: 'Write to this file, not to standard output',
        completes: 'file',
      },
    },
    args: { min: 1, max: 1, completes: 'container' },
  },
  async ({ client, io }, { flags, args }) => {
    const [ref = ''] = args;
    refuseTerminal(io, flags.output);
    await writeArchive(io, flags.output, await client.containers.export(ref));
  },
);

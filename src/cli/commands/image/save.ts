/** `carve save`. */

import { refuseTerminal, writeArchive } from '../../archive-output.ts';
import { defineCommand, type Command } from '../../command.ts';

/** Writes images with all their layers and names as a tar archive. */
export const saveCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] IMAGE [IMAGE...]',
    flags: {
      output: {
        kind: 'string',
        short: 'o',
        help: 'Write to this file, not to standard output',
        completes: 'file',
      },
      platform: {
        kind: 'string',
        help: 'Refuse an image for another platform than this, e.g. linux/arm64',
      },
    },
    args: { min: 1, completes: 'image' },
    examples: ['carve save -o images.tar debian nginx', 'carve save debian | gzip > debian.tar.gz'],
  },
  async ({ client, io }, { flags, args }) => {
    refuseTerminal(io, flags.output);
    await writeArchive(
      io,
      flags.output,
      await client.images.save(args, { platform: flags.platform }),
    );
  },
);

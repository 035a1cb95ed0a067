/** `carve image inspect`. */

import { defineCommand, type Command } from '../../command.ts';
import { inspectObjects } from '../../inspect-objects.ts';

/** Prints all there is to know about images. */
export const imageInspectCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] IMAGE [IMAGE...]',
    flags: {
      format: { kind: 'string', short: 'f', help: 'Write each by a template, or as json' },
      platform: {
        kind: 'string',
        help: 'Refuse an image for another platform than this, e.g. linux/arm64',
      },
    },
    args: { min: 1, completes: 'image' },
  },
  ({ client, io }, { flags, args }) =>
    inspectObjects(io, {
      names: args,
      format: flags.format,
      find: (name) => client.images.inspect(name, { platform: flags.platform }),
    }),
);

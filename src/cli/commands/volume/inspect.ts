/** `carve volume inspect`. */

import { defineCommand, type Command } from '../../command.ts';
import { inspectObjects } from '../../inspect-objects.ts';

/** Prints all there is to know about volumes. */
export const volumeInspectCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] VOLUME [VOLUME...]',
    flags: { format: { kind: 'string', short: 'f', help: 'Write each by a template, or as json' } },
    args: { min: 1, completes: 'volume' },
  },
  ({ client, io }, { flags, args }) =>
    inspectObjects(io, {
      names: args,
      format: flags.format,
      find: (name) => client.volumes.inspect(name),
    }),
);

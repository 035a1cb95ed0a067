/** `carve container inspect`. */

import { defineCommand, type Command } from '../../command.ts';
import { inspectObjects } from '../../inspect-objects.ts';

/** Prints all there is to know about containers. */
export const containerInspectCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] CONTAINER [CONTAINER...]',
    flags: {
      format: { kind: 'string', short: 'f', help: 'Write each by a template, or as json' },
      size: { kind: 'bool', short: 's', help: 'Count sizes too' },
    },
    args: { min: 1, completes: 'container' },
  },
  ({ client, io }, { flags, args }) =>
    inspectObjects(io, {
      names: args,
      format: flags.format,
      find: (name) => client.containers.inspect(name, { size: flags.size }),
    }),
);

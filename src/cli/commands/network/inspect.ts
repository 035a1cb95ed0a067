/** `carve network inspect`. */

import { defineCommand, type Command } from '../../command.ts';
import { inspectObjects } from '../../inspect-objects.ts';

/** Prints all there is to know about networks. */
export const networkInspectCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] NETWORK [NETWORK...]',
    flags: {
      format: { kind: 'string', short: 'f', help: 'Write each by a template, or as json' },
      verbose: { kind: 'bool', short: 'v', help: 'Ask the engine for all it knows' },
    },
    args: { min: 1, completes: 'network' },
  },
  ({ client, io }, { flags, args }) =>
    inspectObjects(io, {
      names: args,
      format: flags.format,
      find: (name) => client.networks.inspect(name, flags.verbose ? { verbose: true } : {}),
    }),
);

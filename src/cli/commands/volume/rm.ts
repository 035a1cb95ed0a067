/** `carve volume rm`. */

import { defineCommand, type Command } from '../../command.ts';
import { forEachName } from '../../for-each.ts';

/** Removes volumes that no container has. */
export const volumeRmCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] VOLUME [VOLUME...]',
    flags: { force: { kind: 'bool', short: 'f', help: 'What is not there is no failure' } },
    args: { min: 1, completes: 'volume' },
    examples: ['carve volume rm data', 'carve volume rm $(carve volume ls -q -f dangling=true)'],
  },
  ({ client, io }, { flags, args }) =>
    forEachName(io, args, async (name) => client.volumes.remove(name, { force: flags.force })),
);

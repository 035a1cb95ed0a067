/** `carve network rm`. */

import { isEngineError } from '../../../base/error.ts';
import { defineCommand, type Command } from '../../command.ts';
import { forEachInOrder } from '../../for-each.ts';

/** Removes networks. */
export const networkRmCommand: Command = defineCommand(
  {
    synopsis: 'NETWORK [NETWORK...]',
    flags: {
      force: { kind: 'bool', short: 'f', help: 'Do not mind a network that does not exist' },
    },
    args: { min: 1, completes: 'network' },
  },
  ({ client, io }, { flags, args }) =>
    forEachInOrder(io, args, async (name) => {
      try {
        await client.networks.remove(name);
        return name;
      } catch (error) {
        if (flags.force && isEngineError(error) && error.kind === 'not-found') return '';
        throw error;
      }
    }),
);

/** `carve rm`. */

import { isEngineError } from '../../../base/error.ts';
import { defineCommand, type Command } from '../../command.ts';
import { forEachName } from '../../for-each.ts';

/** Removes containers. */
export const rmCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] CONTAINER [CONTAINER...]',
    flags: {
      force: { kind: 'bool', short: 'f', help: 'Remove running containers too, killing them' },
      volumes: { kind: 'bool', short: 'v', help: 'Remove their anonymous volumes too' },
      link: { kind: 'bool', short: 'l', help: 'Remove this link, not the container' },
    },
    args: { min: 1, completes: 'container' },
  },
  ({ client, io }, { flags, args }) =>
    forEachName(io, args, async (text) => {
      const name = text.replace(/^\/+|\/+$/g, '');
      try {
        await client.containers.remove(name, flags);
        return name;
      } catch (error) {
        // What is gone already is as removed as it can be.
        if (flags.force && isEngineError(error) && error.kind === 'not-found') {
          await io.stderr.write(`${error.message}\n`);
          return '';
        }
        throw error;
      }
    }),
);

/** `carve wait`. */

import { EngineError } from '../../../base/error.ts';
import { defineCommand, type Command } from '../../command.ts';
import { forEachName } from '../../for-each.ts';

/** Prints the exit code of each container, in order, as soon as it and those before it have stopped. */
export const waitCommand: Command = defineCommand(
  {
    synopsis: 'CONTAINER [CONTAINER...]',
    flags: {},
    args: { min: 1, completes: 'container' },
  },
  ({ client, io }, { args }) =>
    forEachName(io, args, async (name) => {
      const { result } = await client.containers.wait(name);
      const { StatusCode, Error: failure } = await result;
      if (failure !== undefined && failure !== null)
        throw new EngineError('internal', failure.Message, { details: { source: 'daemon' } });
      return String(StatusCode);
    }),
);

/** `carve kill`. */

import { defineCommand, type Command } from '../../command.ts';
import { forEachName } from '../../for-each.ts';

/** Sends a signal to containers, SIGKILL unless told otherwise. */
export const killCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] CONTAINER [CONTAINER...]',
    flags: {
      signal: {
        kind: 'string',
        short: 's',
        help: 'Send this signal; KILL unless set',
        completes: 'signal',
      },
    },
    args: { min: 1, completes: 'running-container' },
  },
  ({ client, io }, { flags, args }) =>
    forEachName(io, args, (name) =>
      client.containers.kill(name, flags.signal === '' ? undefined : flags.signal),
    ),
);

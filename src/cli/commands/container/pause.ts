/** `carve pause` and `carve unpause`. */

import { defineCommand, type Command } from '../../command.ts';
import { forEachName } from '../../for-each.ts';

const spec = {
  synopsis: 'CONTAINER [CONTAINER...]',
  flags: {},
  args: { min: 1, completes: 'running-container' },
} as const;

/** Freezes containers. */
export const pauseCommand: Command = defineCommand(spec, ({ client, io }, { args }) =>
  forEachName(io, args, (name) => client.containers.pause(name)),
);

/** Lets frozen containers go on. */
export const unpauseCommand: Command = defineCommand(spec, ({ client, io }, { args }) =>
  forEachName(io, args, (name) => client.containers.unpause(name)),
);

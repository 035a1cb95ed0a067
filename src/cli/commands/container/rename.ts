/** `carve rename`. */

import { defineCommand, type Command } from '../../command.ts';

/** Gives a container another name. */
export const renameCommand: Command = defineCommand(
  {
    synopsis: 'CONTAINER NEW_NAME',
    flags: {},
    args: { min: 2, max: 2, completes: 'container' },
  },
  async ({ client }, { args }) => {
    const [ref = '', name = ''] = args;
    await client.containers.rename(ref, name.replace(/^\//, ''));
  },
);

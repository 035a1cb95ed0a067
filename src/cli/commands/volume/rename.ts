/** `carve volume rename`. */

import { defineCommand, type Command } from '../../command.ts';

/** Gives a volume that no container has another name. */
export const volumeRenameCommand: Command = defineCommand(
  {
    synopsis: 'VOLUME NEW-NAME',
    flags: {},
    args: { min: 2, max: 2, completes: 'volume' },
  },
  async ({ client }, { args: [name = '', newName = ''] }) => {
    await client.volumes.rename(name, newName);
  },
);

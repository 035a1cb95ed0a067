/** `carve container prune`. */

import { defineCommand, type Command } from '../../command.ts';
import { confirm } from '../../confirm.ts';
import { readFilters } from '../../filters.ts';
import { formatDeleted, formatReclaimed } from '../../print/reclaimed.ts';

/** Removes all stopped containers. */
export const containerPruneCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS]',
    flags: {
      filter: { kind: 'list', help: 'Remove only what fits, e.g. until=24h or label=KEY' },
      force: { kind: 'bool', short: 'f', help: 'Do not ask' },
    },
    args: { min: 0, max: 0 },
  },
  async ({ client, io }, { flags }) => {
    const filters = readFilters(flags.filter, '--filter');
    if (!flags.force && !(await confirm(io, 'This removes every stopped container.'))) return 1;
    const { ContainersDeleted, SpaceReclaimed } = await client.containers.prune(filters);
    await io.stdout.write(
      formatDeleted('Deleted Containers', ContainersDeleted ?? []) +
        formatReclaimed(SpaceReclaimed),
    );
    return 0;
  },
);

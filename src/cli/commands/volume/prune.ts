/** `carve volume prune`. */

import { defineCommand, type Command } from '../../command.ts';
import { confirm } from '../../confirm.ts';
import { readFilters } from '../../filters.ts';
import { formatDeleted, formatReclaimed } from '../../print/reclaimed.ts';

/** Removes volumes that no container has: the anonymous ones, or all. */
export const volumePruneCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS]',
    flags: {
      all: { kind: 'bool', short: 'a', help: 'Remove all unused volumes, named ones too' },
      filter: { kind: 'list', help: 'Remove only what fits, e.g. label=KEY' },
      force: { kind: 'bool', short: 'f', help: 'Do not ask' },
    },
    args: { min: 0, max: 0 },
  },
  async ({ client, io }, { flags }) => {
    const filters = readFilters(flags.filter, '--filter');
    const what = flags.all ? 'volume' : 'anonymous volume';
    if (!flags.force && !(await confirm(io, `This removes every ${what} that no container has.`)))
      return 1;
    const { VolumesDeleted, SpaceReclaimed } = await client.volumes.prune(
      flags.all ? { ...filters, all: ['true'] } : filters,
    );
    await io.stdout.write(
      formatDeleted('Deleted Volumes', VolumesDeleted ?? []) + formatReclaimed(SpaceReclaimed),
    );
    return 0;
  },
);

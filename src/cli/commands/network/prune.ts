/** `carve network prune`. */

import { defineCommand, type Command } from '../../command.ts';
import { confirm } from '../../confirm.ts';
import { readFilters } from '../../filters.ts';
import { formatDeleted } from '../../print/reclaimed.ts';

/** Removes all networks that no running container is on. */
export const networkPruneCommand: Command = defineCommand(
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
    const warning = 'This removes every network of yours that no running container is on.';
    if (!flags.force && !(await confirm(io, warning))) return 1;
    const { NetworksDeleted } = await client.networks.prune(filters);
    await io.stdout.write(formatDeleted('Deleted Networks', NetworksDeleted ?? []));
    return 0;
  },
);

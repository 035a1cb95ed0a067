/** `carve image prune`. */

import { defineCommand, type Command } from '../../command.ts';
import { confirm } from '../../confirm.ts';
import { readFilters } from '../../filters.ts';
import { formatDeleted, formatImageItem, formatReclaimed } from '../../print/reclaimed.ts';

/** Removes images without a name, or all that no container uses. */
export const imagePruneCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS]',
    flags: {
      all: {
        kind: 'bool',
        short: 'a',
        help: 'Remove all images that no container uses, named ones too',
      },
      filter: { kind: 'list', help: 'Remove only what fits, e.g. until=24h or label=KEY' },
      force: { kind: 'bool', short: 'f', help: 'Do not ask' },
    },
    args: { min: 0, max: 0 },
  },
  async ({ client, io }, { flags }) => {
    const filters = {
      ...readFilters(flags.filter, '--filter'),
      dangling: [flags.all ? 'false' : 'true'],
    };
    const warning = flags.all
      ? 'This removes every image that no container uses.'
      : 'This removes every image without a name.';
    if (!flags.force && !(await confirm(io, warning))) return 1;
    const { ImagesDeleted, SpaceReclaimed } = await client.images.prune(filters);
    const lines = (ImagesDeleted ?? []).map((item) => formatImageItem(item, 'lower'));
    await io.stdout.write(formatDeleted('Deleted Images', lines) + formatReclaimed(SpaceReclaimed));
    return 0;
  },
);

/** `carve system prune`. */

import { defineCommand, type Command } from '../../command.ts';
import { confirm } from '../../confirm.ts';
import { readFilters } from '../../filters.ts';
import { formatDeleted, formatImageItem, formatReclaimed } from '../../print/reclaimed.ts';

/** Removes stopped containers and unused images in one go. */
export const systemPruneCommand: Command = defineCommand(
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
    const filters = readFilters(flags.filter, '--filter');
    const what = flags.all ? 'every image that no container uses' : 'every image without a name';
    if (!flags.force && !(await confirm(io, `This removes every stopped container and ${what}.`)))
      return 1;
    const containers = await client.containers.prune(filters);
    await io.stdout.write(formatDeleted('Deleted Containers', containers.ContainersDeleted ?? []));
    const images = await client.images.prune({
      ...filters,
      dangling: [flags.all ? 'false' : 'true'],
    });
    const lines = (images.ImagesDeleted ?? []).map((item) => formatImageItem(item, 'lower'));
    await io.stdout.write(formatDeleted('Deleted Images', lines));
    await io.stdout.write(formatReclaimed(containers.SpaceReclaimed + images.SpaceReclaimed));
    return 0;
  },
);

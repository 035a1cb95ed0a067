/** `carve system prune`. */

import { defineCommand, type Command } from '../../command.ts';
import { confirm } from '../../confirm.ts';
import type { Filters } from '../../../client/types.ts';
import { readFilters } from '../../filters.ts';
import { formatDeleted, formatImageItem, formatReclaimed } from '../../print/reclaimed.ts';

/** Removes stopped containers, unused networks and unused images in one go. */
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
      volumes: { kind: 'bool', help: 'Remove anonymous volumes that no container has, too' },
    },
    args: { min: 0, max: 0 },
  },
  async ({ client, io }, { flags }) => {
    const filters = readFilters(flags.filter, '--filter');
    const image = flags.all ? 'every image that no container uses' : 'every image without a name';
    const rest = `every network that no container is on, and ${image}`;
    const what = flags.volumes ? `${rest}, and every unused anonymous volume` : rest;
    if (!flags.force && !(await confirm(io, `This removes every stopped container, ${what}.`)))
      return 1;
    const containers = await client.containers.prune(filters);
    await io.stdout.write(formatDeleted('Deleted Containers', containers.ContainersDeleted ?? []));
    const { NetworksDeleted } = await client.networks.prune(filters);
    await io.stdout.write(formatDeleted('Deleted Networks', NetworksDeleted ?? []));
    const volumes = flags.volumes
      ? await client.volumes.prune(withoutUntil(filters))
      : { VolumesDeleted: [], SpaceReclaimed: 0 };
    await io.stdout.write(formatDeleted('Deleted Volumes', volumes.VolumesDeleted ?? []));
    const images = await client.images.prune({
      ...filters,
      dangling: [flags.all ? 'false' : 'true'],
    });
    const lines = (images.ImagesDeleted ?? []).map((item) => formatImageItem(item, 'lower'));
    await io.stdout.write(formatDeleted('Deleted Images', lines));
    const spaceBytes = containers.SpaceReclaimed + volumes.SpaceReclaimed + images.SpaceReclaimed;
    await io.stdout.write(formatReclaimed(spaceBytes));
    return 0;
  },
);

/** Volumes have no such filter. */
function withoutUntil({ until: _, ...filters }: Filters): Filters {
  return filters;
}

/** `carve volume ls`. */

import type { Volume } from '../../../spec/docker/system.ts';
import { defineCommand, type Command } from '../../command.ts';
import { readFilters } from '../../filters.ts';
import { printListing } from '../../print/listing.ts';
import { formatExactSize } from '../../print/units.ts';

/** Lists volumes. */
export const volumeLsCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS]',
    flags: {
      filter: {
        kind: 'list',
        short: 'f',
        help: 'List only what fits, e.g. dangling=true, label=KEY or name=PATTERN',
      },
      format: { kind: 'string', help: 'Write each volume by a template, or as json' },
      quiet: { kind: 'bool', short: 'q', help: 'Print only names' },
    },
    args: { min: 0, max: 0 },
    examples: ['carve volume ls --filter dangling=true'],
  },
  async (context, { flags }) => {
    const { client, io } = context;
    const volumes = await client.volumes.list(readFilters(flags.filter));
    // As docker's: in the order of their names.
    const sorted = volumes.toSorted((a, b) => (a.Name < b.Name ? -1 : 1));
    if (flags.quiet && flags.format === '') {
      await io.stdout.write(sorted.map(({ Name }) => `${Name}\n`).join(''));
      return;
    }
    await printListing(io.stdout, {
      rows: sorted.map(rowOf),
      headings,
      columns: ['Driver', 'Name'],
      format: flags.format === '' ? (context.config().formatOf('volumes') ?? '') : flags.format,
    });
  },
);

const headings = {
  Availability: 'AVAILABILITY',
  Driver: 'DRIVER',
  Group: 'GROUP',
  Labels: 'LABELS',
  Links: 'LINKS',
  Mountpoint: 'MOUNTPOINT',
  Name: 'VOLUME NAME',
  Scope: 'SCOPE',
  Size: 'SIZE',
  Status: 'STATUS',
} as const;

const absent = 'N/A';

function rowOf(volume: Volume): Readonly<Record<string, unknown>> {
  const { Driver, Labels, Mountpoint, Name, Scope, UsageData } = volume;
  const labels = Labels ?? {};
  return {
    Availability: absent,
    Driver,
    Group: absent,
    Label: (key: unknown) => labels[String(key)] ?? '',
    Labels: Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(','),
    Links: UsageData === undefined ? absent : String(UsageData.RefCount),
    Mountpoint,
    Name,
    Scope,
    Size: UsageData === undefined ? absent : formatExactSize(UsageData.Size),
    Status: absent,
  };
}

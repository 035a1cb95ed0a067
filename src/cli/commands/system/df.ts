/** `carve system df`. */

import type { DiskUsage } from '../../../spec/docker/system.ts';
import { defineCommand, type Command } from '../../command.ts';
import { printListing } from '../../print/listing.ts';
import { formatExactSize } from '../../print/units.ts';

/** Shows how much disk space images, containers and volumes use, and how much nothing uses. */
export const dfCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS]',
    flags: {
      format: { kind: 'string', help: 'Write each kind by a template, or as json' },
      verbose: { kind: 'bool', short: 'v', help: 'Show every image, container and volume' },
    },
    args: { min: 0, max: 0 },
  },
  async ({ client, io }, { flags }) => {
    const usage = await client.system.diskUsage();
    if (flags.verbose) {
      const { formatVerboseUsage } = await import('./df-verbose.ts');
      await io.stdout.write(formatVerboseUsage(usage, flags.format, io.now()));
      return;
    }
    await printListing(io.stdout, {
      rows: [imagesRow(usage), containersRow(usage), volumesRow(usage), cacheRow(usage)],
      headings: {
        Type: 'TYPE',
        TotalCount: 'TOTAL',
        Active: 'ACTIVE',
        Size: 'SIZE',
        Reclaimable: 'RECLAIMABLE',
      },
      columns: ['Type', 'TotalCount', 'Active', 'Size', 'Reclaimable'],
      format: flags.format,
    });
  },
);

interface Kind {
  readonly name: string;
  /** Count of all. */
  readonly total: number;
  /** Count of those in use. */
  readonly active: number;
  readonly sizeBytes: number;
  readonly freeBytes: number;
}

function rowOf({
  name,
  total,
  active,
  sizeBytes,
  freeBytes,
}: Kind): Readonly<Record<string, string>> {
  const percent = sizeBytes > 0 ? ` (${String(Math.trunc((freeBytes / sizeBytes) * 100))}%)` : '';
  return {
    Active: String(active),
    Reclaimable: `${formatExactSize(freeBytes)}${percent}`,
    Size: formatExactSize(sizeBytes),
    TotalCount: String(total),
    Type: name,
  };
}

function imagesRow({ Images, LayersSize }: DiskUsage): Readonly<Record<string, string>> {
  // What an image has for itself stays while it is in use; docker counts what images share as free.
  const used = Images.filter(({ Containers }) => Containers !== 0);
  const usedBytes = used.reduce(
    (sum, { Size, SharedSize }) => sum + (SharedSize === -1 ? 0 : Size - SharedSize),
    0,
  );
  const active = Images.filter(({ Containers }) => Containers > 0).length;
  return rowOf({
    name: 'Images',
    total: Images.length,
    active,
    sizeBytes: LayersSize,
    freeBytes: LayersSize - usedBytes,
  });
}

function containersRow({ Containers }: DiskUsage): Readonly<Record<string, string>> {
  const active = Containers.filter(
    ({ State }) => State === 'running' || State === 'paused' || State === 'restarting',
  );
  const sum = (list: DiskUsage['Containers']): number =>
    list.reduce((bytes, { SizeRw = 0 }) => bytes + SizeRw, 0);
  const sizeBytes = sum(Containers);
  const freeBytes = sizeBytes - sum(active);
  return rowOf({
    name: 'Containers',
    total: Containers.length,
    active: active.length,
    sizeBytes,
    freeBytes,
  });
}

function volumesRow({ Volumes }: DiskUsage): Readonly<Record<string, string>> {
  const sum = (list: DiskUsage['Volumes']): number =>
    list.reduce((bytes, { UsageData }) => bytes + Math.max(0, UsageData?.Size ?? 0), 0);
  const active = Volumes.filter(({ UsageData }) => (UsageData?.RefCount ?? 0) > 0);
  const sizeBytes = sum(Volumes);
  return rowOf({
    name: 'Local Volumes',
    total: Volumes.length,
    active: active.length,
    sizeBytes,
    freeBytes: sizeBytes - sum(active),
  });
}

function cacheRow({ BuildCache }: DiskUsage): Readonly<Record<string, string>> {
  const sum = (list: DiskUsage['BuildCache']): number =>
    list.reduce((bytes, { Size, Shared }) => bytes + (Shared ? 0 : Size), 0);
  const active = BuildCache.filter(({ InUse }) => InUse);
  const sizeBytes = sum(BuildCache);
  return rowOf({
    name: 'Build Cache',
    total: BuildCache.length,
    active: active.length,
    sizeBytes,
    freeBytes: sizeBytes - sum(active),
  });
}

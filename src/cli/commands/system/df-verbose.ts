/** `carve system df -v`: every image, container, volume and piece of cache. Source: docker's `system df -v`. */

import type { DiskUsage } from '../../../spec/docker/system.ts';
import { formatListing } from '../../print/listing.ts';
import { compileTemplate } from '../../print/template/template.ts';
import { formatExactSize } from '../../print/units.ts';
import { containerRow } from '../container/ps.ts';
import { imageRows } from '../image/ls.ts';

type Row = Readonly<Record<string, unknown>>;

interface RowOptions {
  readonly isFull: boolean;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
}

/** The text: tables, or the user's template over all of them. `nowMs`: milliseconds since the epoch. */
export function formatVerboseUsage(usage: DiskUsage, format: string, nowMs: number): string {
  if (format === '' || format === 'table') return tables(usage, { isFull: false, nowMs });
  const options = { isFull: true, nowMs };
  const template = compileTemplate(format === 'json' ? '{{json .}}' : format);
  return template.format({
    Images: imagesOf(usage, options),
    Containers: containersOf(usage, options),
    Volumes: volumesOf(usage),
    BuildCache: [],
  });
}

function tables(usage: DiskUsage, options: RowOptions): string {
  const table = (rows: readonly Row[], headings: Readonly<Record<string, string>>): string =>
    formatListing({ rows, headings, columns: Object.keys(headings), format: '' });
  const cacheBytes = usage.BuildCache.reduce(
    (bytes, { Size, Shared }) => bytes + (Shared ? 0 : Size),
    0,
  );
  return [
    `Images space usage:\n\n${table(imagesOf(usage, options), imageHeadings)}`,
    `Containers space usage:\n\n${table(containersOf(usage, options), containerHeadings)}`,
    `Local Volumes space usage:\n\n${table(volumesOf(usage), volumeHeadings)}`,
    `Build cache usage: ${formatExactSize(cacheBytes)}\n\n${table([], cacheHeadings)}`,
  ].join('\n');
}

const imageHeadings = {
  Repository: 'REPOSITORY',
  Tag: 'TAG',
  ID: 'IMAGE ID',
  CreatedSince: 'CREATED',
  Size: 'SIZE',
  SharedSize: 'SHARED SIZE',
  UniqueSize: 'UNIQUE SIZE',
  Containers: 'CONTAINERS',
};

const containerHeadings = {
  ID: 'CONTAINER ID',
  Image: 'IMAGE',
  Command: 'COMMAND',
  LocalVolumes: 'LOCAL VOLUMES',
  Size: 'SIZE',
  RunningFor: 'CREATED',
  Status: 'STATUS',
  Names: 'NAMES',
};

const volumeHeadings = { Name: 'VOLUME NAME', Links: 'LINKS', Size: 'SIZE' };

const cacheHeadings = {
  ID: 'CACHE ID',
  CacheType: 'CACHE TYPE',
  Size: 'SIZE',
  CreatedSince: 'CREATED',
  LastUsedSince: 'LAST USED',
  UsageCount: 'USAGE',
  Shared: 'SHARED',
};

/** One row an image, under its first name. */
function imagesOf({ Images }: DiskUsage, options: RowOptions): readonly Row[] {
  return Images.flatMap((image) =>
    imageRows(image, { ...options, withDigests: false }).slice(0, 1),
  );
}

/** What a container wrote, without what its image has. */
function containersOf({ Containers }: DiskUsage, options: RowOptions): readonly Row[] {
  return Containers.map(({ SizeRootFs: _, ...container }) => containerRow(container, options));
}

function volumesOf({ Volumes }: DiskUsage): readonly Row[] {
  return Volumes.map(({ Name, Driver, Mountpoint, Scope, UsageData }) => {
    const { RefCount = -1, Size = -1 } = UsageData ?? {};
    return {
      Driver,
      Links: RefCount < 0 ? 'N/A' : String(RefCount),
      Mountpoint,
      Name,
      Scope,
      Size: Size < 0 ? 'N/A' : formatExactSize(Size),
    };
  });
}

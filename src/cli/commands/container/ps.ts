/** `carve ps`. */

import type { ContainerSummary } from '../../../spec/docker/inspect.ts';
import { familiarRepository, formatFamiliar, tryParseReference } from '../../../spec/reference.ts';
import { defineCommand, type Command } from '../../command.ts';
import { readFilters } from '../../filters.ts';
import { printListing, shorten, shortId } from '../../print/listing.ts';
import { formatPorts } from '../../print/ports.ts';
import { formatDuration, formatSize, formatTimestamp } from '../../print/units.ts';

/** Lists containers: running ones unless told otherwise. */
export const psCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS]',
    flags: {
      all: { kind: 'bool', short: 'a', help: 'List stopped containers too' },
      filter: {
        kind: 'list',
        short: 'f',
        help: 'List only what fits, e.g. status=exited or label=KEY=VALUE',
      },
      format: { kind: 'string', help: 'Write each container by a template, or as json' },
      last: {
        kind: 'int',
        short: 'n',
        help: 'List only so many, the last created first, stopped ones too',
        default: -1,
      },
      latest: { kind: 'bool', short: 'l', help: 'List only the last created, stopped or not' },
      'no-trunc': { kind: 'bool', help: 'Shorten nothing' },
      quiet: { kind: 'bool', short: 'q', help: 'Print only ids' },
      size: { kind: 'bool', short: 's', help: 'Show sizes' },
    },
    args: { min: 0, max: 0 },
    examples: ['carve ps -a', "carve ps --format '{{.Names}}\\t{{.Status}}'"],
  },
  async (context, { flags }) => {
    const { client, io } = context;
    const format = flags.quiet
      ? ''
      : flags.format === ''
        ? (context.config().formatOf('ps') ?? '')
        : flags.format;
    const last = flags.latest ? 1 : flags.last;
    const containers = await client.containers.list({
      all: flags.all,
      limit: last > 0 ? last : undefined,
      // Sizes are counted file by file: only when they are shown.
      size: flags.size || format.includes('.Size'),
      filters: readFilters(flags.filter),
    });
    const isFull = flags['no-trunc'];
    if (flags.quiet) {
      if (flags.format !== '')
        await io.stderr.write('WARNING: --quiet prints ids only: --format is not used\n');
      const ids = containers.map(({ Id }) => (isFull ? Id : shortId(Id)));
      await io.stdout.write(ids.map((id) => `${id}\n`).join(''));
      return;
    }
    const columns = ['ID', 'Image', 'Command', 'RunningFor', 'Status', 'Ports', 'Names'];
    await printListing(io.stdout, {
      rows: containers.map((container) => containerRow(container, { isFull, nowMs: io.now() })),
      headings,
      columns: flags.size ? [...columns, 'Size'] : columns,
      format,
    });
  },
);

const headings = {
  ID: 'CONTAINER ID',
  Image: 'IMAGE',
  Command: 'COMMAND',
  CreatedAt: 'CREATED AT',
  RunningFor: 'CREATED',
  Ports: 'PORTS',
  State: 'STATE',
  Status: 'STATUS',
  Size: 'SIZE',
  Names: 'NAMES',
  Labels: 'LABELS',
  Mounts: 'MOUNTS',
  LocalVolumes: 'LOCAL VOLUMES',
  Networks: 'NETWORKS',
} as const;

/** How a row is written. */
export interface RowOptions {
  readonly isFull: boolean;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
}

/** A container as a row; fields that cost time are worked out when asked for. */
export function containerRow(
  container: ContainerSummary,
  { isFull, nowMs }: RowOptions,
): Readonly<Record<string, unknown>> {
  const { Id, Command: command, Created, Labels, Mounts, Ports, State, Status } = container;
  return {
    get Command() {
      return JSON.stringify(isFull ? command : shorten(command, 20));
    },
    get CreatedAt() {
      return formatTimestamp(Created);
    },
    ID: isFull ? Id : shortId(Id),
    get Image() {
      return imageName(container, isFull);
    },
    Label: (name: unknown) => Labels[String(name)] ?? '',
    Labels: Object.entries(Labels)
      .map(([key, value]) => `${key}=${value}`)
      .toSorted()
      .join(','),
    LocalVolumes: String(Mounts.filter(({ Driver }) => Driver === 'local').length),
    Mounts: Mounts.map(({ Name, Source }) =>
      isFull ? (Name ?? Source) : shorten(Name ?? Source, 15),
    ).join(','),
    Names: namesOf(container.Names, isFull),
    Networks: Object.keys(container.NetworkSettings.Networks).toSorted().join(','),
    Ports: formatPorts(Ports),
    RunningFor: `${formatDuration(nowMs - Created * 1000)} ago`,
    Size: sizeOf(container),
    State,
    Status,
  };
}

function imageName({ Image, ImageID }: ContainerSummary, isFull: boolean): string {
  if (Image === '') return '<no image>';
  if (isFull) return Image;
  if (shortId(Image) === shortId(ImageID)) return shortId(Image);
  const reference = Image.includes('@') ? tryParseReference(Image) : undefined;
  if (reference === undefined) return Image;
  const { tag } = reference;
  return tag === undefined
    ? familiarRepository(reference)
    : formatFamiliar({ domain: reference.domain, path: reference.path, tag });
}

/** Without the leading slash; names that other containers gave it by links only when nothing is shortened. */
function namesOf(names: readonly string[], isFull: boolean): string {
  const bare = names.map((name) => name.replace(/^\//, ''));
  return (isFull ? bare : bare.filter((name) => !name.includes('/'))).join(',');
}

function sizeOf({ SizeRw = 0, SizeRootFs = 0 }: ContainerSummary): string {
  const own = formatSize(SizeRw);
  return SizeRootFs > 0 ? `${own} (virtual ${formatSize(SizeRootFs)})` : own;
}

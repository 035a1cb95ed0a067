/** `carve images`. */

import type { Filters } from '../../../client/types.ts';
import type { ImageSummary } from '../../../spec/docker/image.ts';
import { defineCommand, type Command } from '../../command.ts';
import { usageError } from '../../flags/usage-error.ts';
import { readFilters } from '../../filters.ts';
import { printListing, shortId } from '../../print/listing.ts';
import { formatDuration, formatExactSize, formatSize, formatTimestamp } from '../../print/units.ts';

/** Lists images, one row a name. */
export const imagesCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] [REPOSITORY[:TAG]]',
    flags: {
      all: { kind: 'bool', short: 'a', help: 'List layers of other images too' },
      digests: { kind: 'bool', help: 'Show digests' },
      filter: {
        kind: 'list',
        short: 'f',
        help: 'List only what fits, e.g. dangling=true or reference=PATTERN',
      },
      format: { kind: 'string', help: 'Write each image by a template, or as json' },
      'no-trunc': { kind: 'bool', help: 'Shorten nothing' },
      quiet: { kind: 'bool', short: 'q', help: 'Print only ids' },
      tree: {
        kind: 'bool',
        help: 'Show layers, which images share them, and what removing each image would free',
      },
    },
    args: { min: 0, max: 1, completes: 'image' },
    examples: [
      'carve images',
      "carve images --format '{{.Repository}}:{{.Tag}} {{.Size}}'",
      'carve images --tree',
    ],
  },
  async (context, { flags, args }) => {
    const { client, io } = context;
    if (flags.tree) {
      const hasChoice = args.length + flags.filter.length > 0 || flags.quiet || flags.digests;
      if (hasChoice) throw usageError('--tree shows every image: it goes with --format json only');
      const { printImageTree } = await import('./tree.ts');
      await printImageTree(client, io, flags.format);
      return;
    }
    const filters = filtersOf(flags.filter, args[0]);
    const images = await client.images.list({ all: flags.all, filters });
    const isFull = flags['no-trunc'];
    const rows = images.flatMap((image) =>
      imageRows(image, { isFull, withDigests: flags.digests, nowMs: io.now() }),
    );
    if (flags.quiet && flags.format === '') {
      await io.stdout.write(rows.map(({ ID }) => `${String(ID)}\n`).join(''));
      return;
    }
    await printListing(io.stdout, {
      rows,
      headings,
      columns: [
        'Repository',
        'Tag',
        ...(flags.digests ? ['Digest'] : []),
        'ID',
        'CreatedSince',
        'Size',
      ],
      format: flags.format === '' ? (context.config().formatOf('images') ?? '') : flags.format,
    });
  },
);

function filtersOf(texts: readonly string[], pattern: string | undefined): Filters {
  const given = readFilters(texts);
  if (pattern === undefined) return given;
  return { ...given, reference: [...(given['reference'] ?? []), pattern] };
}

const headings = {
  Repository: 'REPOSITORY',
  Tag: 'TAG',
  Digest: 'DIGEST',
  ID: 'IMAGE ID',
  CreatedAt: 'CREATED AT',
  CreatedSince: 'CREATED',
  Size: 'SIZE',
  SharedSize: 'SHARED SIZE',
  UniqueSize: 'UNIQUE SIZE',
  VirtualSize: 'SIZE',
  Containers: 'CONTAINERS',
} as const;

/** How a row is written. */
export interface RowOptions {
  /** Shorten nothing. */
  readonly isFull: boolean;
  readonly withDigests: boolean;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
}

interface Name {
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
}

const none = '<none>';

/** The rows of an image: one a name. */
export function imageRows(
  image: ImageSummary,
  options: RowOptions,
): readonly Readonly<Record<string, unknown>>[] {
  return namesOf(image, options.withDigests).map((name) => rowOf(image, name, options));
}

/** Each name an image has; one without is shown as such. */
function namesOf({ RepoTags, RepoDigests }: ImageSummary, withDigests: boolean): readonly Name[] {
  const tags = RepoTags.filter((text) => text !== '<none>:<none>').map((text) =>
    splitAt(text, text.lastIndexOf(':')),
  );
  const digests = RepoDigests.filter((text) => text !== '<none>@<none>').map((text) =>
    splitAt(text, text.indexOf('@')),
  );
  const names: Name[] = tags.map(([repository, tag]) => {
    const [, digest = none] = digests.find(([owner]) => owner === repository) ?? [];
    return { repository, tag, digest };
  });
  const untagged = digests.filter(([repository]) => !tags.some(([owner]) => owner === repository));
  const isShown = withDigests || names.length === 0;
  if (isShown)
    names.push(...untagged.map(([repository, digest]) => ({ repository, tag: none, digest })));
  return names.length === 0
    ? [{ repository: none, tag: none, digest: none }]
    : withoutDoubles(names, withDigests);
}

/** Without digests two untagged names of one repository look alike: one is enough. */
function withoutDoubles(names: readonly Name[], withDigests: boolean): readonly Name[] {
  if (withDigests) return names;
  return names.filter(
    (name, index) =>
      names.findIndex((other) => other.repository === name.repository && other.tag === name.tag) ===
      index,
  );
}

function splitAt(text: string, at: number): readonly [string, string] {
  return [text.slice(0, at), text.slice(at + 1)];
}

function rowOf(
  image: ImageSummary,
  name: Name,
  { isFull, nowMs }: RowOptions,
): Readonly<Record<string, unknown>> {
  const { Id, Created, Size, SharedSize, Containers } = image;
  return {
    Containers: Containers === -1 ? 'N/A' : String(Containers),
    get CreatedAt() {
      return formatTimestamp(Created);
    },
    CreatedSince: Created <= 0 ? 'N/A' : `${formatDuration(nowMs - Created * 1000)} ago`,
    Digest: name.digest,
    ID: isFull ? Id : shortId(Id),
    Repository: name.repository,
    SharedSize: SharedSize === -1 ? 'N/A' : formatExactSize(SharedSize),
    Size: formatSize(Size),
    Tag: name.tag,
    UniqueSize: SharedSize === -1 ? 'N/A' : formatExactSize(Size - SharedSize),
    VirtualSize: formatExactSize(Size),
  };
}

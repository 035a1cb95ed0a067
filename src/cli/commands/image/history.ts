/** `carve history`. */

import type { HistoryItem } from '../../../spec/docker/image.ts';
import { defineCommand, type Command } from '../../command.ts';
import { printListing, shorten, shortId } from '../../print/listing.ts';
import { formatDuration, formatRfc3339, formatSize } from '../../print/units.ts';

/** Shows the steps an image was made by, newest first. */
export const historyCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] IMAGE',
    flags: {
      format: { kind: 'string', help: 'Write each step by a template, or as json' },
      human: { kind: 'bool', short: 'H', help: 'Write sizes and times for people', default: true },
      'no-trunc': { kind: 'bool', help: 'Shorten nothing' },
      platform: {
        kind: 'string',
        help: 'Refuse an image for another platform than this, e.g. linux/arm64',
      },
      quiet: { kind: 'bool', short: 'q', help: 'Print only ids' },
    },
    args: { min: 1, max: 1, completes: 'image' },
  },
  async ({ client, io }, { flags, args }) => {
    const [ref = ''] = args;
    const items = await client.images.history(ref, { platform: flags.platform });
    const options = { isFull: flags['no-trunc'], isHuman: flags.human, nowMs: io.now() };
    const rows = items.map((item) => rowOf(item, options));
    if (flags.quiet && flags.format === '') {
      await io.stdout.write(rows.map(({ ID }) => `${String(ID)}\n`).join(''));
      return;
    }
    await printListing(io.stdout, {
      rows,
      headings: { ...headings, CreatedSince: flags.human ? 'CREATED' : 'CREATED AT' },
      columns: ['ID', 'CreatedSince', 'CreatedBy', 'Size', 'Comment'],
      format: flags.format,
    });
  },
);

const headings = {
  ID: 'IMAGE',
  CreatedAt: 'CREATED AT',
  CreatedSince: 'CREATED',
  CreatedBy: 'CREATED BY',
  Size: 'SIZE',
  Comment: 'COMMENT',
} as const;

interface RowOptions {
  readonly isFull: boolean;
  readonly isHuman: boolean;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
}

function rowOf(
  item: HistoryItem,
  { isFull, isHuman, nowMs }: RowOptions,
): Readonly<Record<string, unknown>> {
  const { Id, Created, CreatedBy, Size, Comment } = item;
  const by = CreatedBy.replaceAll('\t', ' ');
  const createdAt = Created <= 0 ? 'N/A' : formatRfc3339(Created);
  return {
    Comment,
    CreatedAt: createdAt,
    CreatedBy: isFull ? by : shorten(by, 45),
    CreatedSince:
      !isHuman || Created <= 0 ? createdAt : `${formatDuration(nowMs - Created * 1000)} ago`,
    ID: isFull ? Id : shortId(Id),
    Size: isHuman ? formatSize(Size) : String(Size),
  };
}

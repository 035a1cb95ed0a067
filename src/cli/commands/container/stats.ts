/** `carve stats`. */

import { setTimeout as delay } from 'node:timers/promises';
import { defineCommand, type Command, type Context } from '../../command.ts';
import { formatListing } from '../../print/listing.ts';
import { StatsBoard } from '../../stats/board.ts';

/** Between two pictures, in milliseconds. */
const pictureMs = 500;

/** Shows what containers use: all running ones, or those named. */
export const statsCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] [CONTAINER...]',
    flags: {
      all: { kind: 'bool', short: 'a', help: 'Show stopped containers too' },
      format: { kind: 'string', help: 'Write each container by a template, or as json' },
      'no-stream': { kind: 'bool', help: 'Print once and quit' },
      'no-trunc': { kind: 'bool', help: 'Shorten nothing' },
    },
    args: { min: 0, completes: 'running-container' },
  },
  async (context, { flags, args }) => {
    const abort = new AbortController();
    const board = new StatsBoard(context.client, abort.signal);
    const format = flags.format === '' ? (context.config().formatOf('stats') ?? '') : flags.format;
    const picture = (): string =>
      formatListing({ rows: board.rows(flags['no-trunc']), headings, columns, format });
    const refs = args.length > 0 ? args : await idsOf(context, flags.all);
    if (flags['no-stream']) {
      await board.sampleOnce(refs);
      await context.io.stdout.write(picture());
      return;
    }
    try {
      await Promise.all(refs.map((ref) => board.follow(ref)));
      const watching = args.length > 0 ? undefined : board.watchAll();
      await showUntilGone(context, { board, picture, watching, isNamed: args.length > 0 });
    } finally {
      abort.abort();
    }
  },
);

const headings = {
  BlockIO: 'BLOCK I/O',
  CPUPerc: 'CPU %',
  Container: 'CONTAINER',
  ID: 'CONTAINER ID',
  MemPerc: 'MEM %',
  MemUsage: 'MEM USAGE / LIMIT',
  Name: 'NAME',
  NetIO: 'NET I/O',
  PIDs: 'PIDS',
} as const;
const columns = [
  'ID',
  'Name',
  'CPUPerc',
  'MemUsage',
  'MemPerc',
  'NetIO',
  'BlockIO',
  'PIDs',
] as const;

async function idsOf({ client }: Context, isAll: boolean): Promise<readonly string[]> {
  return (await client.containers.list({ all: isAll })).map(({ Id }) => Id);
}

interface Show {
  readonly board: StatsBoard;
  readonly picture: () => string;
  /** Ends when the engine does; `undefined` for named containers. */
  readonly watching: Promise<void> | undefined;
  readonly isNamed: boolean;
}

/** Draws pictures until the engine goes, or the last named container. */
async function showUntilGone(
  { io }: Context,
  { board, picture, watching, isNamed }: Show,
): Promise<void> {
  const abort = new AbortController();
  const ended = watching?.finally(() => {
    abort.abort();
  });
  ended?.catch(() => undefined);
  while (!abort.signal.aborted && !(isNamed && board.size === 0)) {
    // The screen is drawn over, not cleared: nothing flickers.
    const text = picture();
    await io.stdout.write(
      io.stdout.isTerminal ? `\x1b[H${text.replaceAll('\n', '\x1b[K\n')}\x1b[J` : text,
    );
    await delay(pictureMs, undefined, { signal: abort.signal }).catch(() => undefined);
  }
  await ended;
}

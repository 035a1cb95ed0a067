/**
 * A tar as a sequence of entries with bodies, for archives that are read one
 * file after another (a saved image, a build context). Layers go another way:
 * `unpack-job.ts`.
 */
import type { TarEntry, TarLimits } from './tar-entry.ts';
import { TAR_LIMITS } from './tar-entry.ts';
import { TarParser } from './tar-parse.ts';

/** One entry and its content. */
export interface TarItem {
  readonly entry: TarEntry;
  /** The file's data with its holes filled; iterate at most once, before the next item is asked for. A chunk is valid until the next one is asked for. */
  readonly body: AsyncIterable<Uint8Array>;
}

type TarEvent =
  | { readonly kind: 'entry'; readonly entry: TarEntry }
  | { readonly kind: 'data'; readonly chunk: Uint8Array; readonly offsetBytes: number }
  | { readonly kind: 'end' };

/** Zeros that fill holes, one piece at a time. */
const ZEROS: Uint8Array = new Uint8Array(64 * 1024);

/** Entries in order. Errors: `corrupt`, `exhausted`, those of the source. */
export async function* readTar(
  source: AsyncIterable<Buffer>,
  limits: TarLimits = TAR_LIMITS,
): AsyncGenerator<TarItem> {
  const events = readEvents(source, limits);
  for (;;) {
    const next = await events.next();
    if (next.done === true) return;
    if (next.value.kind !== 'entry') continue;
    const { entry } = next.value;
    const rest = bodyOf(events, entry.sizeBytes);
    yield { entry, body: rest };
    // What the consumer left is skipped.
    for await (const _ of rest);
  }
}

async function* bodyOf(
  events: AsyncGenerator<TarEvent>,
  sizeBytes: number,
): AsyncGenerator<Uint8Array> {
  let done = 0;
  for (;;) {
    const next = await events.next();
    if (next.done === true || next.value.kind !== 'data') break;
    yield* zeros(next.value.offsetBytes - done);
    yield next.value.chunk;
    done = next.value.offsetBytes + next.value.chunk.length;
  }
  yield* zeros(sizeBytes - done);
}

function* zeros(bytes: number): Generator<Uint8Array> {
  for (let left = bytes; left > 0; left -= ZEROS.length)
    yield ZEROS.subarray(0, Math.min(left, ZEROS.length));
}

async function* readEvents(
  source: AsyncIterable<Buffer>,
  limits: TarLimits,
): AsyncGenerator<TarEvent> {
  let events: TarEvent[] = [];
  const parser = new TarParser(
    {
      onEntry: (entry) => events.push({ kind: 'entry', entry }),
      onData: (chunk, offsetBytes) => events.push({ kind: 'data', chunk, offsetBytes }),
      onEnd: () => events.push({ kind: 'end' }),
    },
    limits,
  );
  for await (const chunk of source) {
    parser.push(chunk);
    const ready = events;
    events = [];
    yield* ready;
  }
  parser.finish();
}

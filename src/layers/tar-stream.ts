/**
 * A tar as a sequence of entries with bodies, for archives that are read one
 * file after another (a saved image, a build context). Layers go another way:
 * `unpack-job.ts`.
 */
import { archiveTooLarge, TAR_LIMITS, type TarEntry, type TarLimits } from './tar-entry.ts';
import { TarParser } from './tar-parse.ts';

/** Bytes of a file at their place in it. */
export interface TarPiece {
  /** Valid until the next one is asked for. */
  readonly chunk: Uint8Array;
  readonly offsetBytes: number;
}

/** One entry and its content: iterate one of both at most once, before the next item is asked for. */
export interface TarItem {
  readonly entry: TarEntry;
  /** The file's data with its holes filled, within the limits. A chunk is valid until the next one is asked for. */
  readonly body: AsyncIterable<Uint8Array>;
  /** The file's data without its holes. */
  readonly pieces: AsyncIterable<TarPiece>;
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
  let holeBytes = 0;
  for (;;) {
    const next = await events.next();
    if (next.done === true) return;
    // What the consumer left of a body is skipped.
    if (next.value.kind !== 'entry') continue;
    const { entry } = next.value;
    const pieces = piecesOf(events);
    const fill = (bytes: number): Generator<Uint8Array> => {
      holeBytes += bytes;
      // Holes cost the sender nothing, the reader's disk all.
      if (holeBytes > limits.holeBytes)
        throw archiveTooLarge(`its sparse files have holes of more than ${limits.holeBytes} bytes`);
      return zeros(bytes);
    };
    yield { entry, pieces, body: bodyOf(pieces, entry.sizeBytes, fill) };
  }
}

async function* piecesOf(events: AsyncGenerator<TarEvent>): AsyncGenerator<TarPiece> {
  for (;;) {
    const next = await events.next();
    if (next.done === true || next.value.kind !== 'data') return;
    yield next.value;
  }
}

async function* bodyOf(
  pieces: AsyncGenerator<TarPiece>,
  sizeBytes: number,
  fill: (bytes: number) => Generator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let done = 0;
  for await (const { chunk, offsetBytes } of pieces) {
    yield* fill(offsetBytes - done);
    yield chunk;
    done = offsetBytes + chunk.length;
  }
  yield* fill(sizeBytes - done);
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

/**
 * From a store that reports progress by callback to a stream that a client
 * reads at its own speed.
 *
 * **Invariant:** a slow client costs a bounded number of records: a newer
 * progress of the same id replaces the one that still waits.
 */

import type { ImageProgress } from '../../images/store.ts';
import type { Progress } from '../engine.ts';

/** Records that may wait at most, whatever the client does. */
const QUEUE_MAX = 10_000;

/** A step, or a fact for programs. */
export type Reported = ImageProgress & Pick<Progress, 'aux'>;

/** Runs `work`, yields what it reports, then what it returns. Its error ends the stream. */
export async function* streamProgress(
  work: (report: (progress: Reported) => void) => Promise<readonly Progress[]>,
): AsyncGenerator<Progress, void, undefined> {
  const queue = new Map<string, Progress>();
  let wake: (() => void) | undefined;
  let count = 0;
  let outcome: { readonly last: readonly Progress[] } | { readonly error: unknown } | undefined;
  const report = (progress: Reported): void => {
    // Counters of one layer replace each other; words stay in order.
    const isCounter = progress.id !== undefined && progress.current !== undefined;
    const key = isCounter ? `${progress.id}:${progress.status ?? ''}` : `#${count++}`;
    if (queue.size < QUEUE_MAX || isCounter) queue.set(key, toProgress(progress));
    wake?.();
  };
  void work(report).then(
    (last) => {
      outcome = { last };
      wake?.();
    },
    (error: unknown) => {
      outcome = { error };
      wake?.();
    },
  );
  for (;;) {
    const batch = [...queue.values()];
    queue.clear();
    yield* batch;
    if (queue.size > 0) continue;
    const ended: typeof outcome = outcome;
    if (ended === undefined) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      wake = undefined;
      continue;
    }
    if ('error' in ended) throw ended.error;
    yield* ended.last;
    return;
  }
}

function toProgress(progress: Reported): Progress {
  if (progress.aux !== undefined) return { progressDetail: {}, aux: progress.aux };
  const { id, status, stream, current, total } = progress;
  return {
    ...(id === undefined ? {} : { id }),
    ...(status === undefined ? {} : { status }),
    ...(stream === undefined ? {} : { stream }),
    ...(current === undefined
      ? detailOf(id)
      : { progressDetail: { current, ...(total === undefined ? {} : { total }) } }),
  };
}

/** Steps of a layer always have details, as clients expect them, if only empty ones. */
function detailOf(id: string | undefined): Pick<Progress, 'progressDetail'> {
  return id !== undefined && /^[0-9a-f]{12}$/.test(id) ? { progressDetail: {} } : {};
}

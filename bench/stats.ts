/** Median, minimum and 95th percentile of samples, and the interleaved way to take them. */

/** Samples told in three numbers, in the unit of the row. */
export interface Summary {
  /** Number of samples. */
  readonly count: number;
  /** In the unit of the row. */
  readonly median: number;
  /** In the unit of the row. */
  readonly min: number;
  /** In the unit of the row; the value that 95 % of the samples do not exceed. */
  readonly p95: number;
}

/** Summary of at least one sample. */
export function summarize(samples: readonly number[]): Summary {
  if (samples.length === 0) throw new RangeError('Cannot summarize no samples');
  const sorted = [...samples].sort((a, b) => a - b);
  return {
    count: sorted.length,
    median: quantile(sorted, 0.5),
    min: sorted[0] ?? Number.NaN,
    p95: sorted[Math.ceil(sorted.length * 0.95) - 1] ?? Number.NaN,
  };
}

/** A quantile of sorted samples, by linear interpolation between the two neighbours. */
export function quantile(sorted: readonly number[], fraction: number): number {
  const at = (sorted.length - 1) * fraction;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

/** One thing to measure: `once` does it one time and answers with the sample. */
export interface Contestant {
  readonly name: string;
  once(): Promise<number>;
}

/** How often. */
export interface Repetition {
  /** Number of samples of each contestant. */
  readonly runs: number;
  /** Number of unmeasured rounds before. */
  readonly warmups: number;
}

/**
 * Takes the samples round by round, each contestant once a round, in an order
 * that turns: what the machine does meanwhile meets all of them alike.
 */
export async function interleave(
  contestants: readonly Contestant[],
  { runs, warmups }: Repetition,
): Promise<Map<string, readonly number[]>> {
  const samples = new Map<string, number[]>(contestants.map(({ name }) => [name, []]));
  for (let round = -warmups; round < runs; round++) {
    for (let turn = 0; turn < contestants.length; turn++) {
      const contestant = contestants[(turn + round + warmups) % contestants.length];
      if (contestant === undefined) continue;
      const sample = await contestant.once();
      if (round >= 0) samples.get(contestant.name)?.push(sample);
    }
  }
  return samples;
}

/** Milliseconds that `work` takes. */
export async function timeMs(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** One container writes short lines to its stdout as fast as it can; then the log is read back. */

import { type Api, createContainer } from '../api.ts';
import type { Figures, Row, RowResult } from '../row.ts';
import { summarize, timeMs } from '../stats.ts';

/** A line of the output, its newline included: 61 bytes. */
const LINE = 'x'.repeat(60);
const LINE_BYTES = 61;
const MB = 1_000_000;

/** The row. */
export const logs: Row = {
  name: 'logs',
  run: async (bench) => {
    const writtenBytes = Math.round(300 * MB * Math.min(1, Math.max(0.1, bench.effort)));
    const engines = [{ name: 'carve', api: bench.carve.api }];
    if (bench.docker !== undefined) engines.push({ name: 'docker', api: bench.docker.api });
    const measured: Measured[] = [];
    for (const { name, api } of engines) measured.push(await measure(name, api, writtenBytes));
    const megabytes = Math.round(writtenBytes / MB);
    return [
      row(`writing ${megabytes} MB of short lines to stdout, until the exit`, measured, 'write'),
      row('reading the whole log back', measured, 'read'),
      tailRow(measured),
    ];
  },
};

interface Measured {
  readonly name: string;
  /** MB per second. */
  readonly writeRate: number;
  /** MB per second. */
  readonly readRate: number;
  readonly tailsMs: readonly number[];
}

async function measure(name: string, api: Api, writtenBytes: number): Promise<Measured> {
  const script = `yes ${LINE} | head -c ${writtenBytes - (writtenBytes % LINE_BYTES)}`;
  const id = await createContainer(api, { command: ['sh', '-c', script] });
  try {
    const writeMs = await timeMs(async () => {
      await api.call('POST', `/containers/${id}/start`);
      await api.call('POST', `/containers/${id}/wait`);
    });
    let keptBytes = 0;
    const readMs = await timeMs(async () => {
      keptBytes = await api.drain(`/containers/${id}/logs?stdout=1`);
    });
    const tailsMs: number[] = [];
    for (let run = 0; run < 10; run++) {
      tailsMs.push(await timeMs(() => api.drain(`/containers/${id}/logs?stdout=1&tail=100`)));
    }
    const rate = (bytes: number, ms: number): number => bytes / MB / (ms / 1000);
    return {
      name,
      writeRate: rate(writtenBytes, writeMs),
      readRate: rate(keptBytes, readMs),
      tailsMs,
    };
  } finally {
    await api.call('DELETE', `/containers/${id}?force=1`);
  }
}

function row(title: string, measured: readonly Measured[], kind: 'write' | 'read'): RowResult {
  const figures: Figures[] = measured.map((one) => ({
    name: one.name,
    summary: summarize([kind === 'write' ? one.writeRate : one.readRate]),
  }));
  return {
    title,
    unit: 'MB/s',
    isMoreBetter: true,
    figures,
    goals: [{ against: 'docker', ratio: 8 }],
  };
}

function tailRow(measured: readonly Measured[]): RowResult {
  const figures: Figures[] = measured.map(({ name, tailsMs }) => ({
    name,
    summary: summarize(tailsMs),
  }));
  return { title: 'logs --tail 100 of it', unit: 'ms', isMoreBetter: false, figures, goals: [] };
}

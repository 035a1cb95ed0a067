/**
 * Throughput of logs, in MB/s: one process writing short lines, with nobody
 * attached and with a client; and reading them back. Not a test: the machine's
 * load is in every figure.
 *
 * Usage: `bun bench/log.ts [megabytes]`, as root.
 */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { attachMonitor } from '../src/kernel/monitor.ts';
import { readLogBatches } from '../src/runtime/log/read.ts';
import { type Monitored, MonitoredProcesses } from './monitored.ts';

const MB = 1_000_000;
const BYTES = Number(process.argv[2] ?? 300) * MB;
const LINE = `${'0123456789'.repeat(6)}\n`;
const LINES_ONE_BY_ONE = 1_000_000;

function show(what: string, bytes: number, startedAtMs: number): void {
  const seconds = (performance.now() - startedAtMs) / 1000;
  const rate = (bytes / MB / seconds).toFixed(0).padStart(6);
  const time = (seconds * 1000).toFixed(1).padStart(8);
  process.stdout.write(`${what.padEnd(52)} ${rate} MB/s ${time} ms\n`);
}

async function measureWrites(processes: MonitoredProcesses, input: string): Promise<void> {
  // One write(2) per line, as programs that log do; and blocks, as programs that copy do.
  const byLine = ['/bin/busybox', 'dd', `if=${input}`, 'bs=61', `count=${LINES_ONE_BY_ONE}`];
  const byBlock = ['/bin/busybox', 'dd', `if=${input}`, 'bs=64k'];
  for (const { what, argv, bytes, logKind } of [
    { what: 'a write per line, own log', argv: byLine, bytes: 61 * LINES_ONE_BY_ONE, logKind: 1 },
    { what: 'blocks, own log', argv: byBlock, bytes: BYTES, logKind: 1 },
    { what: 'blocks, json-file layout too', argv: byBlock, bytes: BYTES, logKind: 2 },
    { what: 'blocks, no log', argv: byBlock, bytes: BYTES, logKind: 0 },
  ]) {
    const startedAtMs = performance.now();
    await (await processes.start({ argv, logKind })).exited;
    show(`write: ${what}`, bytes, startedAtMs);
  }
}

async function measureAttached(processes: MonitoredProcesses, input: string): Promise<Monitored> {
  const startedAtMs = performance.now();
  const argv = ['/bin/busybox', 'dd', `if=${input}`, 'bs=64k'];
  const started = await processes.start({ argv, expectedClients: 1 });
  const streams = { stdout: true, stderr: true, lossless: true };
  const stream = await attachMonitor(started.runDir, streams);
  let received = 0;
  stream.on('data', (chunk: Buffer) => {
    received += chunk.byteLength;
  });
  await finished(stream, { writable: false });
  stream.destroy();
  await started.exited;
  show('write: blocks, own log, one lossless client', received, startedAtMs);
  return started;
}

async function measureRead(
  what: string,
  place: Monitored,
  query: { readonly tail?: number; readonly bulk: boolean },
): Promise<void> {
  const startedAtMs = performance.now();
  let bytes = 0;
  const whole = { stdout: true, stderr: true, follow: false, ...query };
  for await (const batch of readLogBatches(place, whole)) {
    for (const entry of batch) bytes += entry.bytes.byteLength;
  }
  show(`read: ${what}`, bytes, startedAtMs);
}

await using processes = await MonitoredProcesses.create();
const input = join(processes.dir, 'input');
await writeFile(input, LINE.repeat(Math.ceil(BYTES / LINE.length)));
await measureWrites(processes, input);
const written = await measureAttached(processes, input);
await measureRead('all, bulk', written, { bulk: true });
await measureRead('all, line by line', written, { bulk: false });
await measureRead('tail 100', written, { bulk: false, tail: 100 });
await measureRead('tail 100, again', written, { bulk: false, tail: 100 });

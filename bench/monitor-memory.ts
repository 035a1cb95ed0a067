/**
 * Memory of idle monitors: PSS of each in KiB, by /proc/PID/smaps_rollup, with
 * a number of them side by side. Not a test.
 *
 * Usage: `bun bench/monitor-memory.ts [monitors]`, as root.
 */

import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { connectMonitor } from '../src/kernel/monitor.ts';
import { MonitoredProcesses } from './monitored.ts';

const COUNT = Number(process.argv[2] ?? 20);
const FIELDS = ['Pss', 'Pss_Anon', 'Rss', 'Private_Dirty'];

async function rollupOf(pid: number | undefined): Promise<string> {
  return await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
}

/** A field of smaps_rollup in KiB. */
function fieldOf(rollup: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1]);
}

/** All monitors at once; `idleMs`: milliseconds between their start and the look. */
async function measure(what: string, script: string, idleMs: number): Promise<void> {
  const argv = ['/bin/busybox', 'sh', '-c', script];
  const started = await Promise.all(Array.from({ length: COUNT }, () => processes.start({ argv })));
  await delay(idleMs);
  const rollups = await Promise.all(
    started.map(({ process: { monitorPid } }) => rollupOf(monitorPid)),
  );
  for (const name of FIELDS) {
    const values = rollups.map((rollup) => fieldOf(rollup, name)).sort((a, b) => a - b);
    const median = values[Math.floor(COUNT / 2)];
    const row = `${what.padEnd(28)} ${name.padEnd(14)} median ${median} KiB, max ${values.at(-1)} KiB`;
    process.stdout.write(`${row}\n`);
  }
  for (const { runDir, exited } of started) {
    const control = await connectMonitor(runDir);
    await control.signal(9);
    await exited;
    control.close();
  }
}

await using processes = await MonitoredProcesses.create();
await measure('never wrote', 'exec sleep 600', 500);
await measure('wrote 10 MB, idle since 3 s', 'yes | head -c 10000000; exec sleep 600', 4500);
const host = await rollupOf(processes.chisel.hostPid);
process.stdout.write(`host                         Pss            ${fieldOf(host, 'Pss')} KiB\n`);

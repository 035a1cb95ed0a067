/**
 * `npm run bench -- --profile`: where the time of a container's life goes. The
 * daemon runs from the sources under the runtime's sampling profiler; printed
 * are the wall time of each API call and the daemon's own time by folder and
 * by function.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, TOOLS } from '../scripts/tools.ts';
import { type Api, createContainer, execTrue, importImage } from './api.ts';
import { startCarve } from './carve.ts';
import { folderOf, functionOf, type Profile, selfTimes } from './cpu-profile.ts';
import { cpuMs } from './process.ts';
import { summarize, timeMs } from './stats.ts';
import { formatNumber } from './table.ts';

const CYCLES = 300;
const WARMUPS = 50;
const SAMPLE_US = 100;
const TOP = 20;

/** Runs the lives, prints what they cost. `work` has the image as `rootfs.tar`. */
export async function profileLives(work: string): Promise<void> {
  const folder = join(work, 'profile');
  const flags = ['--cpu-prof', `--cpu-prof-dir=${folder}`, `--cpu-prof-interval=${SAMPLE_US}`];
  const program = [TOOLS.bun, ...flags, join(ROOT, 'src', 'bin.ts')];
  const carve = await startCarve(join(work, 'carve-profile'), program);
  const phases = new Map<string, number[]>();
  let daemonMs = 0;
  try {
    await importImage(carve.api, join(work, 'rootfs.tar'));
    for (let cycle = 0; cycle < WARMUPS; cycle++) await life(carve.api, new Map());
    const before = cpuMs(carve.pid);
    for (let cycle = 0; cycle < CYCLES; cycle++) await life(carve.api, phases);
    daemonMs = (cpuMs(carve.pid) - before) / CYCLES;
  } finally {
    await carve.stop();
  }
  printPhases(phases);
  console.log(`CPU time of the daemon for each life: ${formatNumber(daemonMs)} ms\n`);
  printProfile(folder);
}

/** Create, start, wait, an exec in a second container, remove; each call timed. */
async function life(api: Api, phases: Map<string, number[]>): Promise<void> {
  const timed = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    const samples = phases.get(name) ?? [];
    samples.push(await timeMs(work));
    phases.set(name, samples);
  };
  let id = '';
  await timed('create', async () => {
    id = await createContainer(api, { command: ['sleep', '1000'] });
  });
  await timed('start', () => api.call('POST', `/containers/${id}/start`));
  await timed('exec', () => execTrue(api, id));
  await timed('kill', () => api.call('POST', `/containers/${id}/kill`));
  await timed('wait', () => api.call('POST', `/containers/${id}/wait`));
  await timed('remove', () => api.call('DELETE', `/containers/${id}`));
}

function printPhases(phases: ReadonlyMap<string, readonly number[]>): void {
  console.log('wall time of each call, ms: median (min, p95)');
  for (const [name, samples] of phases) {
    const { median, min, p95 } = summarize(samples);
    const spread = `(${formatNumber(min)}, ${formatNumber(p95)})`;
    console.log(`  ${name.padEnd(8)}${formatNumber(median).padStart(8)}  ${spread}`);
  }
}

function printProfile(folder: string): void {
  const name = readdirSync(folder).find((one) => one.endsWith('.cpuprofile'));
  if (name === undefined) throw new Error('the daemon wrote no profile');
  const profile: Profile = parseProfile(readFileSync(join(folder, name), 'utf8'));
  const lives = CYCLES + WARMUPS;
  for (const [title, placeOf] of [
    ['folder', folderOf],
    ['function', functionOf],
  ] as const) {
    console.log(`own time by ${title}, µs for each life`);
    for (const { place, selfMs } of selfTimes(profile, placeOf).slice(0, TOP)) {
      console.log(`  ${formatNumber((selfMs * 1000) / lives).padStart(8)}  ${place}`);
    }
    console.log('');
  }
}

function parseProfile(text: string): Profile {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || !isProfile(value)) {
    throw new Error('the profile has another form than expected');
  }
  return value;
}

function isProfile(value: object): value is Profile {
  return 'nodes' in value && 'samples' in value && 'timeDeltas' in value;
}

/**
 * What a test run must not leave behind: processes, mounts, cgroups, network
 * namespaces, links, temporary directories. A test takes the state before and
 * asks for the difference after.
 *
 * Source: proc(5) (pid/stat, pid/ns, pid/net/dev, self/mountinfo), cgroups(7).
 */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** Each entry is one thing, told so that it can be found: `process 123 (chisel)`. */
export type SystemState = ReadonlySet<string>;

/** Reads the state of the whole machine, as far as it can be carve's. */
export function readSystemState(): SystemState {
  return new Set([
    ...readProcesses(),
    ...readMounts(),
    ...readCgroups(),
    ...namesIn('/run/netns', 'network namespace'),
    ...readLinks(),
    ...namesIn(tmpdir(), 'temporary directory').filter((name) => name.includes(' carve')),
  ]);
}

/** What is there now and was not before. */
export function leaksBetween(before: SystemState, after: SystemState): readonly string[] {
  return [...after].filter((thing) => !before.has(thing)).sort();
}

/**
 * The leaks since `before`, once they stay the same: a process that was told
 * to end gets `patienceMs` to do so. No difference is answered at once.
 */
export async function findLeaks(
  before: SystemState,
  patienceMs = 5_000,
): Promise<readonly string[]> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const leaks = leaksBetween(before, readSystemState());
    if (leaks.length === 0 || performance.now() > deadline) return leaks;
    await pause(50);
  }
}

/** What is gone in the meantime, or was never there. Anything else must not pass for «nothing is here». */
const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'ESRCH', 'EACCES', 'EINVAL', 'ENODEV']);

function unlessAbsent<T>(look: () => T, absent: T): T {
  try {
    return look();
  } catch (error) {
    if (error instanceof Error && 'code' in error && ABSENT.has(String(error.code))) return absent;
    throw error;
  }
}

function list(folder: string): readonly string[] {
  return unlessAbsent(() => readdirSync(folder), []);
}

function read(path: string): string {
  return unlessAbsent(() => readFileSync(path, 'utf8'), '');
}

function link(path: string): string {
  return unlessAbsent(() => readlinkSync(path), '');
}

function namesIn(folder: string, kind: string): readonly string[] {
  return list(folder).map((name) => `${kind} ${name}`);
}

/** Of this process' own network namespace; /sys may be another's. */
function readLinks(): readonly string[] {
  const lines = read('/proc/self/net/dev').split('\n').slice(2, -1);
  return lines.map((line) => `link ${line.slice(0, line.indexOf(':')).trim()}`);
}

/** Processes that are carve's by name, and processes of containers: those in other pid or network namespaces. */
function readProcesses(): readonly string[] {
  const ourSpaces = spacesOf('self');
  const pids = list('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  return pids.flatMap((pid) => {
    const stat = read(`/proc/${pid}/stat`);
    if (stat === '' || /\) Z/.test(stat)) return [];
    const name = /\((.*)\)/s.exec(stat)?.[1] ?? '';
    const command = read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim();
    if (!isCarve(name, command) && !isElsewhere(pid, ourSpaces)) return [];
    const shown = command === '' ? name : command;
    return [`process ${pid} started ${startTicks(stat)}: ${shown}`];
  });
}

function isCarve(name: string, command: string): boolean {
  const program = /(?:chisel|carve|src\/bin\.ts)\S*\s+(?:daemon|host|monitor)\b/;
  return /chisel|carve-monitor/.test(name) || program.test(command);
}

function spacesOf(pid: string): readonly string[] {
  return ['pid', 'net'].map((kind) => link(`/proc/${pid}/ns/${kind}`));
}

function isElsewhere(pid: string, ourSpaces: readonly string[]): boolean {
  return spacesOf(pid).some((space, index) => space !== '' && space !== ourSpaces[index]);
}

/** Field 22 of /proc/PID/stat: with the pid it names a process for ever. */
function startTicks(stat: string): string {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

function readMounts(): readonly string[] {
  const lines = read('/proc/self/mountinfo').split('\n');
  return lines
    .filter((line) => /carve/.test(line) || / - nsfs /.test(line))
    .map((line) => line.split(' '))
    .map((fields) => `mount ${fields[0]} at ${fields[4]}`);
}

/** Every cgroup below a top directory named `carve…`, in every hierarchy; the top directory itself may stay. */
function readCgroups(): readonly string[] {
  const roots = read('/proc/self/mountinfo')
    .split('\n')
    .filter((line) => / - cgroup2? /.test(line))
    .map((line) => line.split(' ')[4] ?? '');
  const tops = roots.flatMap((root) =>
    list(root)
      .filter((name) => name.startsWith('carve'))
      .map((name) => join(root, name)),
  );
  return tops.flatMap((top) => cgroupsBelow(top));
}

function cgroupsBelow(folder: string): readonly string[] {
  const entries = directoriesIn(folder).map((name) => join(folder, name));
  return entries.flatMap((path) => [`cgroup ${path}`, ...cgroupsBelow(path)]);
}

function directoriesIn(folder: string): readonly string[] {
  const entries = unlessAbsent(() => readdirSync(folder, { withFileTypes: true }), []);
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}

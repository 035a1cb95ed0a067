/** Starting, watching and weighing processes, by the files of /proc. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync, closeSync, readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** How a program is run once, for its time. */
export interface OnceOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Runs a program with its output thrown away; throws with its errors when it does not end with 0. */
export async function runOnce(argv: readonly string[], options: OnceOptions = {}): Promise<void> {
  const child = spawn(argv[0] ?? '', argv.slice(1), {
    stdio: ['ignore', 'ignore', 'pipe'],
    cwd: options.cwd ?? '/',
    env: { ...process.env, ...options.env },
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  await once(child, 'close');
  const code = child.exitCode ?? child.signalCode;
  if (code !== 0) throw new Error(`${argv.join(' ')} ended with ${code}: ${errors.trim()}`);
}

/** A daemon of the bench. `stop` ends it by SIGTERM and, if need be, by SIGKILL. */
export interface Daemon {
  /** Process id. */
  readonly pid: number;
  stop(): Promise<void>;
}

/** Starts a daemon whose output goes to `logFile` and waits until its socket answers. */
export async function startDaemon(
  argv: readonly string[],
  socket: string,
  logFile: string,
): Promise<Daemon> {
  const log = openSync(logFile, 'w');
  const child = spawn(argv[0] ?? '', argv.slice(1), { stdio: ['ignore', log, log], cwd: '/' });
  closeSync(log);
  const failure = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => {
      const said = existsSync(logFile) ? readFileSync(logFile, 'utf8').slice(-2000) : '';
      reject(new Error(`${argv.join(' ')} ended with ${code}: ${said}`));
    });
  });
  failure.catch(() => undefined);
  try {
    await Promise.race([answering(socket, 30_000), failure]);
  } catch (error) {
    await stop(child);
    throw error;
  }
  return { pid: child.pid ?? 0, stop: () => stop(child) };
}

async function answering(socket: string, patienceMs: number): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!(await connects(socket))) {
    if (performance.now() > deadline) throw new Error(`nothing answers on ${socket}`);
    await pause(20);
  }
}

function connects(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await closed;
  clearTimeout(timer);
}

/** Pids of all processes of the machine. */
export function allPids(): ReadonlySet<number> {
  return new Set(
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number),
  );
}

/** Kernel clock ticks of a second; Linux shows user space this number on every machine. */
const TICKS_PER_SECOND = 100;

/** Milliseconds of processor time that a process used so far, in user space and in the kernel. */
export function cpuMs(pid: number): number {
  const fields = read(`/proc/${pid}/stat`).split(') ')[1]?.split(' ') ?? [];
  const ticks = Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  return (ticks * 1000) / TICKS_PER_SECOND;
}

/** Proportional set size of a process in bytes: its own pages and its share of the common ones; 0 when it is gone. */
export function pssBytes(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0) * 1024;
}

/** Process id of the parent; 0 when the process is gone. */
export function parentOf(pid: number): number {
  return Number(read(`/proc/${pid}/stat`).split(') ')[1]?.split(' ')[1] ?? 0);
}

/** A process and all below it. */
export function processTree(pid: number): readonly number[] {
  const parents = new Map([...allPids()].map((one) => [one, parentOf(one)]));
  const isBelow = (one: number): boolean => {
    for (let at: number | undefined = one; at !== undefined && at > 0; at = parents.get(at)) {
      if (at === pid) return true;
    }
    return false;
  };
  return [...parents.keys()].filter(isBelow);
}

/** argv of a process as one line. */
export function commandLine(pid: number): string {
  return read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim();
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

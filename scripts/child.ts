/** Runs one program to its end and keeps what it wrote, in the order it wrote it. */

import { spawn } from 'node:child_process';
import { ROOT } from './tools.ts';

/** How a child runs. */
export interface ChildOptions {
  readonly cwd?: string;
  /** Added to our own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds until the child's process group is killed; default 120,000. */
  readonly timeoutMs?: number;
  /** Text for its stdin; none: /dev/null. */
  readonly input?: string;
  /** Kills the child's process group when it aborts. */
  readonly signal?: AbortSignal;
}

/** How a child ended. */
export interface ChildResult {
  /** Exit code, 0–255; 124 when it was killed for its time, 128+n by another signal, 127 when it never ran. */
  readonly code: number;
  /** stdout and stderr together. */
  readonly output: string;
  /** stdout alone. */
  readonly stdout: string;
  /** Wall time in milliseconds. */
  readonly durationMs: number;
}

/** Never throws: a program that cannot be started is a result too. */
export function runChild(
  argv: readonly string[],
  options: ChildOptions = {},
): Promise<ChildResult> {
  const started = performance.now();
  const timeoutMs = options.timeoutMs ?? 120_000;
  const child = spawn(argv[0] ?? '', argv.slice(1), {
    cwd: options.cwd ?? ROOT,
    env: { ...process.env, ...options.env },
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  let stdout = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    output += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stdin?.on('error', () => undefined).end(options.input);
  options.signal?.addEventListener('abort', () => killGroup(child.pid), { once: true });
  let isTimedOut = false;
  const timer = setTimeout(() => {
    isTimedOut = true;
    output += `\nkilled: not finished after ${timeoutMs / 1000} s\n`;
    killGroup(child.pid);
  }, timeoutMs);
  const release = endWithUs(() => killGroup(child.pid));
  return new Promise((resolve) => {
    const finish = (code: number): void => {
      clearTimeout(timer);
      release();
      resolve({ code, output, stdout, durationMs: performance.now() - started });
    };
    child.on('error', (error) => {
      output += `cannot run ${argv[0]}: ${error.message}\n`;
      finish(127);
    });
    child.on('close', (code, signal) => finish(isTimedOut ? 124 : (code ?? signalCode(signal))));
  });
}

function signalCode(signal: NodeJS.Signals | null): number {
  return signal === 'SIGKILL' ? 137 : 143;
}

/** A child in a process group of its own hears no Ctrl-C: it is killed when we are told to end. */
function endWithUs(kill: () => void): () => void {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const onSignal = (): void => {
    kill();
    process.exit(130);
  };
  for (const signal of signals) process.on(signal, onSignal);
  return () => {
    for (const signal of signals) process.off(signal, onSignal);
  };
}

/** The child leads its own process group, so that what it started goes with it. */
function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It ended in this moment.
  }
}

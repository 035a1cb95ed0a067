/**
 * The engine, started when none answers on its default socket. Two commands at
 * once may both start one: the daemon's own lock lets one live, and both
 * commands reach it.
 */

import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EngineError, isEngineError, messageOf } from '../base/error.ts';
import { connectCodeOf } from '../client/errors.ts';
import { formatHost, type HostAddress } from '../client/host.ts';
import { openConnection, type Connection } from '../client/http/connection.ts';
import type { DaemonDefaults } from './daemon-defaults.ts';
import type { Io } from './io.ts';
import { spawnDetached, type DetachedProgram } from './spawn.ts';

/** Longest wait for a daemon to answer, in milliseconds. */
const startDeadlineMs = 15_000;
/** Once the daemon started here is gone, longest wait for somebody else's, in milliseconds. */
const otherDeadlineMs = 3_000;
/** Between two attempts to connect, in milliseconds. */
const pauseMs = 3;

/**
 * Starts an engine because connecting failed with `error`, and connects to it.
 * Throws `error` again, with a hint, where starting one would not help.
 */
export async function startAndConnect(
  error: unknown,
  address: HostAddress,
  { io, defaults }: { readonly io: Io; readonly defaults: DaemonDefaults },
): Promise<Connection> {
  if (!isAbsent(error)) throw explainDenied(error, address);
  if (!io.isRoot) {
    throw new EngineError('unavailable', messageOf(error), {
      ...(isEngineError(error) ? { details: error.details } : {}),
      hint: 'Only root can start it: run "sudo carve daemon", or any carve command as root.',
    });
  }
  const program = await startDaemon(io, defaults);
  return await waitForDaemon(address, program, defaults);
}

/** No socket, or one whose daemon is gone. */
function isAbsent(error: unknown): boolean {
  const code = isEngineError(error) ? connectCodeOf(error) : undefined;
  return code === 'ENOENT' || code === 'ECONNREFUSED';
}

function explainDenied(error: unknown, address: HostAddress): unknown {
  const code = isEngineError(error) ? connectCodeOf(error) : undefined;
  if (code !== 'EACCES' && code !== 'EPERM') return error;
  return new EngineError('unavailable', messageOf(error), {
    details: { code, host: formatHost(address) },
    hint: 'Run the command as root, or as a member of the group that owns the socket.',
  });
}

async function startDaemon(io: Io, defaults: DaemonDefaults): Promise<DetachedProgram> {
  const [program, ...args] = io.self;
  if (program === undefined)
    throw new EngineError(
      'internal',
      'Cannot start the daemon: carve does not know its own program',
    );
  const logFd = openLog(defaults.logPath);
  try {
    return await spawnDetached([program, ...args, ...defaults.args], { logFd, env: io.env });
  } finally {
    closeSync(logFd);
  }
}

function openLog(path: string): number {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
    return openSync(path, 'a', 0o640);
  } catch (error) {
    throw new EngineError(
      'unavailable',
      `Cannot start the daemon: cannot open its log ${path}: ${messageOf(error)}`,
    );
  }
}

async function waitForDaemon(
  address: HostAddress,
  program: DetachedProgram,
  defaults: DaemonDefaults,
): Promise<Connection> {
  const startedMs = performance.now();
  let deadlineMs = startedMs + startDeadlineMs;
  let hasEnded = false;
  for (;;) {
    await delay(pauseMs);
    try {
      return await openConnection(address);
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
    if (!hasEnded && program.exitCode() !== undefined) {
      // Perhaps it met another daemon that is just starting.
      hasEnded = true;
      deadlineMs = Math.min(deadlineMs, performance.now() + otherDeadlineMs);
    }
    if (performance.now() > deadlineMs) throw notStarted(program, defaults);
  }
}

function notStarted(program: DetachedProgram, { host, logPath }: DaemonDefaults): EngineError {
  const code = program.exitCode();
  const what = code === undefined ? 'it does not answer' : `it ended with code ${String(code)}`;
  const line = lastLine(logPath);
  return new EngineError(
    'unavailable',
    `Cannot start the carve daemon at ${host}: ${what}${line === '' ? '' : `: ${line}`}`,
    {
      hint: `Its log is ${logPath}.`,
    },
  );
}

function lastLine(path: string): string {
  try {
    return readFileSync(path, 'utf8').trimEnd().split('\n').at(-1) ?? '';
  } catch {
    return '';
  }
}

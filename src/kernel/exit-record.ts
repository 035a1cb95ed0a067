/**
 * The exit record: what a monitor writes when its process is gone, as a file
 * and as the payload of an EXITED frame.
 *
 * Source: docs/chisel-protocol.md "The exit record".
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '../base/error.ts';

/** The truth about a process that is gone. */
export interface ExitRecord {
  /** 0..255; 128+n when killed by signal n. */
  readonly code: number;
  /** Number of the signal that killed it; 0: none. */
  readonly signal: number;
  /** The kernel killed for memory in its cgroup while it ran. */
  readonly isOomKilled: boolean;
  /** Nanoseconds since the epoch. */
  readonly startedAtNs: bigint;
  /** Nanoseconds since the epoch. */
  readonly exitedAtNs: bigint;
  /** Its pid on the host, free for others since. */
  readonly pid: number;
}

/** Bytes of the payload of an EXITED frame. */
export const EXIT_PAYLOAD_BYTES = 32;

const KEYS = ['code', 'signal', 'oom', 'started', 'exited', 'pid'] as const;

/** Errors: `corrupt` when the payload is too short. */
export function decodeExitRecord(payload: Uint8Array): ExitRecord {
  if (payload.byteLength < EXIT_PAYLOAD_BYTES) {
    throw new EngineError('corrupt', `Cannot read an exit record of ${payload.byteLength} bytes`);
  }
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  return {
    code: view.getInt32(0, true),
    signal: view.getInt32(4, true),
    isOomKilled: view.getUint32(8, true) !== 0,
    startedAtNs: view.getBigUint64(12, true),
    exitedAtNs: view.getBigUint64(20, true),
    pid: view.getUint32(28, true),
  };
}

/** Text of the file `exit`. Errors: `corrupt`. */
export function parseExitRecord(text: string): ExitRecord {
  const values = new Map<string, bigint>();
  for (const line of text.split('\n')) {
    const match = /^([a-z]+) (\d{1,20})$/.exec(line);
    if (match?.[1] !== undefined && match[2] !== undefined) values.set(match[1], BigInt(match[2]));
  }
  const valueOf = (key: (typeof KEYS)[number]): bigint => {
    const value = values.get(key);
    if (value === undefined)
      throw new EngineError('corrupt', `Cannot read the exit record: it has no ${key}`);
    return value;
  };
  return {
    code: Number(valueOf('code')),
    signal: Number(valueOf('signal')),
    isOomKilled: valueOf('oom') !== 0n,
    startedAtNs: valueOf('started'),
    exitedAtNs: valueOf('exited'),
    pid: Number(valueOf('pid')),
  };
}

/** The record in a monitor's state directory; `undefined` while there is none. Errors: `corrupt`. */
export async function readExitRecord(stateDir: string): Promise<ExitRecord | undefined> {
  try {
    return parseExitRecord(await readFile(join(stateDir, 'exit'), 'utf8'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** `stats`. Source: Engine API `GET /containers/{id}/stats`; engine-api facts 5.5. */

import { readFile } from 'node:fs/promises';
import { sleep } from '../../base/clock.ts';
import { isEngineError } from '../../base/error.ts';
import type { ContainerStats } from '../../spec/docker/system.ts';
import type { EngineParts } from '../parts.ts';
import type { Container } from './container.ts';
import type { UsageContext, UsageSample } from './describe-usage.ts';
import { describeUsage } from './describe-usage.ts';
import { TICKS_PER_S } from './top/process-table.ts';

/** Milliseconds between samples. */
const INTERVAL_MS = 1000;
const NS_PER_TICK = BigInt(1e9 / TICKS_PER_S);

/** How to sample. */
export interface StatsOptions {
  /** One sample a second until aborted or removed; else one. */
  readonly stream: boolean;
  /** Without `stream`: do not wait for a second reading. */
  readonly oneShot: boolean;
  readonly signal?: AbortSignal;
}

/** Errors: `not-found` at the first step. */
export async function* statsOf(
  parts: EngineParts,
  ref: string,
  options: StatsOptions,
): AsyncGenerator<ContainerStats, void, undefined> {
  const container = parts.containers.get(ref);
  let before: UsageSample | undefined;
  if (!options.stream && !options.oneShot) {
    before = await readSample(parts, container);
    if (before !== undefined) await sleep(parts.clock, INTERVAL_MS, options.signal);
  }
  for (;;) {
    const sample = await readSample(parts, container);
    yield describeUsage(contextOf(parts, container), sample, before);
    if (!options.stream) return;
    before = sample;
    if (!(await nextTick(parts, options.signal))) return;
    if (parts.containers.find(container.id) === undefined) return;
  }
}

/** `false` when the client has left. */
async function nextTick(parts: EngineParts, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    await sleep(parts.clock, INTERVAL_MS, signal);
    return true;
  } catch (error) {
    if (isEngineError(error) && error.kind === 'cancelled') return false;
    throw error;
  }
}

function contextOf(parts: EngineParts, container: Container): UsageContext {
  const mode = container.record.hostConfig.NetworkMode ?? 'none';
  return {
    id: container.id,
    name: container.name,
    cpuCount: parts.host.cpuCount,
    memoryBytes: parts.host.memoryBytes,
    hasNetwork: mode !== 'host' && mode !== 'none' && !mode.startsWith('container:'),
  };
}

/** `undefined` when it does not run. */
async function readSample(
  parts: EngineParts,
  container: Container,
): Promise<UsageSample | undefined> {
  if (container.live === undefined) return undefined;
  try {
    const [usage, systemCpuNs] = await Promise.all([
      container.live.runtime.usage(),
      readSystemCpu(),
    ]);
    return { usage, systemCpuNs, readAtNs: parts.clock.nowNs() };
  } catch (error) {
    if (isEngineError(error) && error.kind === 'not-found') return undefined;
    throw error;
  }
}

/** All CPUs, without the guest columns, which are in the user ones. Source: proc_stat(5). */
async function readSystemCpu(): Promise<bigint> {
  const text = await readFile('/proc/stat', 'utf8');
  const [, ...ticks] = (text.split('\n', 1)[0] ?? '').trim().split(/\s+/);
  return ticks.slice(0, 8).reduce((sum, tick) => sum + BigInt(tick), 0n) * NS_PER_TICK;
}

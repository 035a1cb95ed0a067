/**
 * A health probe's settings, pure: from Docker's nanoseconds and shell forms
 * to an argument list and milliseconds.
 *
 * Source: Engine API `HealthConfig`; engine-api facts 5.2.
 */

import { EngineError } from '../../base/error.ts';
import type { ContainerConfig, HealthConfig } from '../../spec/docker/container.ts';

/** A probe, ready to run. */
export interface Probe {
  readonly argv: readonly string[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly startPeriodMs: number;
  readonly startIntervalMs: number;
  /** Count of failures in a row that make it unhealthy. */
  readonly retries: number;
}

const NS_PER_MS = 1e6;
const DEFAULTS = { intervalMs: 30_000, timeoutMs: 30_000, startIntervalMs: 5_000, retries: 3 };

/** True when there is something to run. */
export function hasProbe(config: HealthConfig | null | undefined): boolean {
  const kind = config?.Test?.[0];
  return kind === 'CMD' || kind === 'CMD-SHELL';
}

/** `undefined` without a probe. */
export function probeOf(config: ContainerConfig): Probe | undefined {
  const health = config.Healthcheck;
  if (health === undefined || health === null || !hasProbe(health)) return undefined;
  const [kind, ...rest] = health.Test ?? [];
  const shell =
    config.Shell === undefined || config.Shell === null || config.Shell.length === 0
      ? ['/bin/sh', '-c']
      : config.Shell;
  return {
    argv: kind === 'CMD-SHELL' ? [...shell, ...rest] : rest,
    intervalMs: toMs(health.Interval, DEFAULTS.intervalMs),
    timeoutMs: toMs(health.Timeout, DEFAULTS.timeoutMs),
    startPeriodMs: toMs(health.StartPeriod, 0),
    startIntervalMs: toMs(health.StartInterval, DEFAULTS.startIntervalMs),
    retries:
      health.Retries === undefined || health.Retries === 0 ? DEFAULTS.retries : health.Retries,
  };
}

function toMs(ns: number | undefined, defaultMs: number): number {
  return ns === undefined || ns === 0 ? defaultMs : ns / NS_PER_MS;
}

/** Errors: `invalid` in Docker's words. */
export function checkProbe(config: HealthConfig | undefined): void {
  if (config === undefined) return;
  checkTest(config.Test ?? []);
  const { Interval, Timeout, StartPeriod, StartInterval, Retries: retries = 0 } = config;
  for (const [name, ns] of Object.entries({ Interval, Timeout, StartPeriod, StartInterval })) {
    if (ns !== undefined && ns !== 0 && ns < NS_PER_MS) {
      throw new EngineError(
        'invalid',
        `${name} in Healthcheck cannot be less than one millisecond`,
      );
    }
  }
  if (retries < 0) throw new EngineError('invalid', 'Retries in Healthcheck cannot be negative');
}

function checkTest(test: readonly string[]): void {
  const [kind] = test;
  if (kind === undefined || kind === 'NONE') return;
  if (kind !== 'CMD' && kind !== 'CMD-SHELL') {
    throw new EngineError(
      'invalid',
      `unknown healthcheck type ${JSON.stringify(kind)}: expected NONE, CMD or CMD-SHELL`,
    );
  }
  if (test.length < 2) {
    throw new EngineError('invalid', `invalid healthcheck: ${kind} needs a command`);
  }
}

/**
 * The health check of flags, as the API's value. Pure.
 *
 * Source: docker's `--health-*`, `--no-healthcheck`.
 */

import { EngineError } from '../../base/error.ts';
import type { HealthConfig } from '../../spec/docker/container.ts';
import type { FlagValues } from '../flags/table.ts';
import type { healthFlags } from './flags-program.ts';

/** The check; `undefined` when no flag asks for one. Throws `invalid`. */
export function readHealth(
  flags: FlagValues<typeof healthFlags>,
  given: ReadonlySet<string>,
): HealthConfig | undefined {
  const hasCheck = [...given].some((name) => name.startsWith('health-'));
  if (flags['no-healthcheck']) {
    if (hasCheck)
      throw new EngineError('invalid', '--no-healthcheck conflicts with --health-* options');
    return { Test: ['NONE'] };
  }
  if (!hasCheck) return undefined;
  const durations = {
    Interval: flags['health-interval'],
    Timeout: flags['health-timeout'],
    StartPeriod: flags['health-start-period'],
    StartInterval: flags['health-start-interval'],
  };
  for (const [field, valueNs] of Object.entries(durations)) {
    if (valueNs < 0)
      throw new EngineError('invalid', `the health check's ${field} cannot be negative`);
  }
  if (flags['health-retries'] < 0)
    throw new EngineError('invalid', '--health-retries cannot be negative');
  return {
    ...(flags['health-cmd'] === '' ? {} : { Test: ['CMD-SHELL', flags['health-cmd']] }),
    ...Object.fromEntries(Object.entries(durations).filter(([, valueNs]) => valueNs !== 0)),
    ...(flags['health-retries'] === 0 ? {} : { Retries: flags['health-retries'] }),
  };
}

/**
 * How a container's output is kept, from `LogConfig`, pure.
 * Source: Engine API `HostConfig.LogConfig`; engine-api facts 5.3.
 */

import { EngineError } from '../../base/error.ts';
import type { LogSettings } from '../../runtime/runtime.ts';
import type { HostConfig } from '../../spec/docker/container.ts';

/** Bytes of one segment unless asked otherwise. */
export const DEFAULT_SEGMENT_BYTES: number = 20 * 1024 * 1024;
/** Count of segments unless asked otherwise. */
export const DEFAULT_SEGMENTS = 5;
/** Name of the default driver: carve's own segments. */
export const DEFAULT_DRIVER = 'carve';

/** Largest segment in bytes, and what `max-size=-1` (no limit) means. */
const SEGMENT_MAX_BYTES = 2 ** 40;
/** Smallest segment in bytes: one record must fit. */
const SEGMENT_MIN_BYTES = 128 * 1024;
const KINDS: Readonly<Record<string, LogSettings['kind']>> = {
  '': 'carve',
  carve: 'carve',
  local: 'carve',
  'json-file': 'json-file',
  none: 'none',
};
/** Options of Docker's file drivers that change nothing here, and are accepted. */
const ACCEPTED: ReadonlySet<string> = new Set([
  'compress',
  'labels',
  'labels-regex',
  'env',
  'env-regex',
  'tag',
  'mode',
  'max-buffer-size',
]);
const UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** Errors: `invalid` for an unknown driver or option. */
export function parseLogConfig(logConfig: HostConfig['LogConfig']): LogSettings {
  const type = logConfig?.Type ?? '';
  const kind = Object.hasOwn(KINDS, type) ? KINDS[type] : undefined;
  if (kind === undefined) {
    throw new EngineError('invalid', `logger: no log driver named '${type}' is registered`, {
      hint: "Use 'carve' (the default), 'json-file', 'local' or 'none'",
    });
  }
  const options = logConfig?.Config ?? {};
  for (const key of Object.keys(options)) {
    const isKnown = key === 'max-size' || key === 'max-file' || ACCEPTED.has(key);
    if (!isKnown)
      throw new EngineError(
        'invalid',
        `unknown log opt '${key}' for ${type === '' ? DEFAULT_DRIVER : type} log driver`,
      );
  }
  return {
    kind,
    segmentBytes: parseSize(options['max-size']),
    segments: parseCount(options['max-file']),
  };
}

function parseSize(text: string | undefined): number {
  if (text === undefined) return DEFAULT_SEGMENT_BYTES;
  if (text === '-1') return SEGMENT_MAX_BYTES;
  const match = /^(\d{1,12}(?:\.\d{1,6})?) ?([kmg]?)(?:i?b)?$/i.exec(text);
  const [, number = '', unit = ''] = match ?? [];
  const bytes = match === null ? 0 : Math.floor(Number(number) * (UNITS[unit.toLowerCase()] ?? 1));
  if (bytes <= 0)
    throw new EngineError('invalid', `invalid max-size '${text}': expected a size such as 20m`);
  return Math.min(Math.max(bytes, SEGMENT_MIN_BYTES), SEGMENT_MAX_BYTES);
}

function parseCount(text: string | undefined): number {
  if (text === undefined) return DEFAULT_SEGMENTS;
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (count < 1)
    throw new EngineError('invalid', `invalid max-file '${text}': expected a count from 1 to 9999`);
  return count;
}

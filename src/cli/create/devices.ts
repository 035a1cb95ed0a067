/**
 * Devices, GPUs and limits per device, as the API's values. Pure.
 *
 * Source: docker's `--device`, `--gpus`, `--blkio-weight-device`,
 * `--device-read-bps` and their like; CDI names `vendor/class=name`.
 */

import { EngineError } from '../../base/error.ts';
import type {
  DeviceMapping,
  DeviceRequest,
  ThrottleDevice,
  WeightDevice,
} from '../../spec/docker/container.ts';
import { parseBytes } from '../flags/values.ts';
import { recordOfPairs, splitFields, splitPair } from './key-value.ts';

/** A name of the Container Device Interface. Source: CDI specification, "Device names". */
const cdiName = /^[A-Za-z][A-Za-z0-9_.-]*\/[A-Za-z][A-Za-z0-9_-]*=[A-Za-z0-9][A-Za-z0-9_.:-]*$/;

/** Mappings of `--device`, and a request for those with a CDI name. */
export function readDevices(texts: readonly string[]): {
  readonly mappings: readonly DeviceMapping[];
  readonly requests: readonly DeviceRequest[];
} {
  const names = texts.filter((text) => cdiName.test(text));
  return {
    mappings: texts.filter((text) => !cdiName.test(text)).map(parseDevice),
    requests: names.length === 0 ? [] : [{ Driver: 'cdi', DeviceIDs: names }],
  };
}

/** `HOST[:CONTAINER[:rwm]]`. Throws `invalid`. */
export function parseDevice(text: string): DeviceMapping {
  const [host = '', second, third, ...rest] = text.split(':');
  if (host === '' || rest.length > 0)
    throw new EngineError('invalid', `invalid device specification: ${text}`);
  const isMode = second !== undefined && third === undefined && isDeviceMode(second);
  const container = isMode || second === undefined ? host : second;
  const mode = isMode ? second : (third ?? 'rwm');
  if (!isDeviceMode(mode)) throw new EngineError('invalid', `invalid device mode: ${mode}`);
  if (container === '') throw new EngineError('invalid', `invalid device specification: ${text}`);
  return { PathOnHost: host, PathInContainer: container, CgroupPermissions: mode };
}

/** Each of r, w and m at most once. */
function isDeviceMode(text: string): boolean {
  return /^(?!.*(.).*\1)[rwm]{1,3}$/.test(text);
}

/** `PATH:WEIGHT`. Throws `invalid`. */
export function parseWeightDevice(text: string): WeightDevice {
  const { path, value } = splitDevicePath(text);
  const weight = /^\d{1,5}$/.test(value) ? Number(value) : Number.NaN;
  if (!(weight === 0 || (weight >= 10 && weight <= 1000))) {
    throw new EngineError('invalid', `invalid weight for device: ${text}`);
  }
  return { Path: path, Weight: weight };
}

/** `PATH:BYTES`. Throws `invalid`. */
export function parseByteRate(text: string): ThrottleDevice {
  const { path, value } = splitDevicePath(text);
  try {
    return { Path: path, Rate: parseBytes(value) };
  } catch {
    throw new EngineError(
      'invalid',
      `invalid rate for device: ${text}. The correct format is <device-path>:<number>[<unit>]`,
    );
  }
}

/** `PATH:COUNT`. Throws `invalid`. */
export function parseCountRate(text: string): ThrottleDevice {
  const { path, value } = splitDevicePath(text);
  if (!/^\d{1,15}$/.test(value)) {
    throw new EngineError(
      'invalid',
      `invalid rate for device: ${text}. The correct format is <device-path>:<number>`,
    );
  }
  return { Path: path, Rate: Number(value) };
}

function splitDevicePath(text: string): { readonly path: string; readonly value: string } {
  const colon = text.lastIndexOf(':');
  if (colon <= 0) throw new EngineError('invalid', `bad format: ${text}`);
  const path = text.slice(0, colon);
  if (!path.startsWith('/dev/'))
    throw new EngineError('invalid', `bad format for device path: ${text}`);
  return { path, value: text.slice(colon + 1) };
}

/** `all`, a count, or `device=…,capabilities=…,driver=…,count=…,options=…`. Throws `invalid`. */
export function parseGpus(text: string): DeviceRequest {
  const values = gpuValues(text);
  const devices = values.get('device')?.split(',');
  const count = values.get('count');
  const capabilities = values.get('capabilities')?.split(',') ?? [];
  const options = values.get('options');
  return {
    Driver: values.get('driver') ?? '',
    Count: count === undefined ? (devices === undefined ? 1 : 0) : gpuCount(count),
    DeviceIDs: devices ?? null,
    Capabilities: [[...capabilities, 'gpu']],
    Options: options === undefined ? {} : recordOfPairs(splitFields(options)),
  };
}

const gpuKeys: readonly string[] = ['driver', 'count', 'device', 'capabilities', 'options'];

function gpuValues(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const field of splitFields(text)) {
    const pair = splitPair(field);
    const key = pair.value === undefined ? 'count' : pair.key;
    if (!gpuKeys.includes(key))
      throw new EngineError('invalid', `unexpected key '${key}' in '${field}'`);
    if (values.has(key))
      throw new EngineError('invalid', `gpu request key '${key}' can be specified only once`);
    values.set(key, pair.value ?? pair.key);
  }
  return values;
}

function gpuCount(text: string): number {
  if (text === 'all') return -1;
  if (!/^-?\d{1,9}$/.test(text)) {
    throw new EngineError(
      'invalid',
      `invalid count (${text}): value must be either "all" or an integer`,
    );
  }
  return Number(text);
}

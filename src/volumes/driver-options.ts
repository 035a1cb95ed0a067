/**
 * What `-o type=… -o device=… -o o=… -o size=…` of the driver `local` mean, pure.
 *
 * Source: Engine API `Volume.Options`; the arguments of mount(8).
 */

import { EngineError } from '../base/error.ts';

/** What a volume's files are, instead of a directory of the engine's own. */
export interface VolumeMount {
  /** A file system's name as the kernel knows it; `bind` for a directory or file of the host. */
  readonly type: string;
  readonly device: string;
  /** Mount options, one word each, `bind` and `rbind` left out. */
  readonly options: readonly string[];
  /** Of a bind: what is mounted below comes along. */
  readonly isRecursive: boolean;
}

/** The options, read. */
export interface DriverOptions {
  /** `undefined`: a directory of the engine's own. */
  readonly mount: VolumeMount | undefined;
  /** Most bytes the volume may hold; `undefined`: no bound. */
  readonly sizeBytes: number | undefined;
}

const KNOWN: ReadonlySet<string> = new Set(['type', 'o', 'device', 'size']);
/** An option → those it cannot be without. */
const NEEDS: readonly (readonly [string, readonly string[]])[] = [
  ['device', ['type']],
  ['type', ['device']],
  ['o', ['device', 'type']],
];
/** A name the kernel may know; letters of other meaning never reach it. */
const TYPE = /^[a-zA-Z0-9_.-]{1,64}$/;
/** Bytes of one text; mount(2) takes a page of all. */
const OPTION_BYTES_MAX = 4000;
const UNITS: Readonly<Record<string, number>> = { k: 1, m: 2, g: 3, t: 4, p: 5 };

/** Errors: `invalid`, in Docker's words where it has some. */
export function parseDriverOptions(options: Readonly<Record<string, string>>): DriverOptions {
  for (const key of Object.keys(options)) {
    if (!KNOWN.has(key)) throw new EngineError('invalid', `invalid option: ${JSON.stringify(key)}`);
  }
  for (const [key, needed] of NEEDS) {
    const missing = has(options, key) ? needed.find((other) => !has(options, other)) : undefined;
    if (missing !== undefined)
      throw new EngineError('invalid', `missing required option: ${JSON.stringify(missing)}`);
  }
  const { size, type } = options;
  const mount = type === undefined ? undefined : parseMount(options, type);
  const sizeBytes = size === undefined ? undefined : parseSize(size);
  if (mount !== undefined && sizeBytes !== undefined)
    throw new EngineError(
      'invalid',
      'invalid option: "size" is the quota of a directory of the engine\'s own: give the size of a mounted file system in "o", e.g. o=size=100m',
    );
  return { mount, sizeBytes };
}

function has(options: Readonly<Record<string, string>>, key: string): boolean {
  return Object.hasOwn(options, key);
}

function parseMount(options: Readonly<Record<string, string>>, type: string): VolumeMount {
  const { device = '', o = '' } = options;
  const words = o.split(',').filter((word) => word !== '');
  if (device === '') throw new EngineError('invalid', 'missing device in volume options');
  for (const text of [device, ...words]) checkText(text);
  const binds: readonly string[] = words.filter((word) => word === 'bind' || word === 'rbind');
  if (binds.length > 0) {
    if (!device.startsWith('/'))
      throw new EngineError(
        'invalid',
        `invalid option: the device of a bind is an absolute path, not ${JSON.stringify(device)}`,
      );
    const rest = words.filter((word) => !binds.includes(word));
    return { type: 'bind', device, options: rest, isRecursive: binds.includes('rbind') };
  }
  if (!TYPE.test(type))
    throw new EngineError('invalid', `invalid option: unknown file system ${JSON.stringify(type)}`);
  return { type, device, options: words, isRecursive: false };
}

function checkText(text: string): void {
  // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
  if (/[\0\n\r]/.test(text) || Buffer.byteLength(text) > OPTION_BYTES_MAX)
    throw new EngineError('invalid', 'invalid option: it has a control character or is too long');
}

/** `10m`, `1GiB`, `4096` in bytes. Errors: `invalid`. */
function parseSize(text: string): number {
  const match = /^(\d{1,15}(?:\.\d{1,6})?) ?(?:([kmgtp])(?:i?b)?|b)?$/i.exec(text);
  const [, number = '0', unit = ''] = match ?? [];
  const power = unit === '' ? 0 : (UNITS[unit.toLowerCase()] ?? 0);
  const bytes = Math.floor(Number(number) * 1024 ** power);
  if (match === null || !Number.isSafeInteger(bytes) || bytes <= 0)
    throw new EngineError('invalid', `invalid size: ${JSON.stringify(text.slice(0, 80))}`);
  return bytes;
}

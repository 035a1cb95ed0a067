/**
 * A plan as text for people (one line per operation, flags by their kernel
 * names) and as JSON for programs. The text is what golden files hold, so it
 * is complete: two plans with the same text are the same plan but for the
 * content of long binary fields, which stand as length and checksum.
 */

import {
  CLONE,
  formatCapabilities,
  formatFlags,
  MOUNT_ATTR,
  MS,
  NETLINK_FAMILIES,
  O,
  RLIMITS,
  SECCOMP,
  UMOUNT,
} from './flags.ts';
import type { Plan, PlanOp } from './op.ts';
import type { FieldShape } from './schema.ts';
import { opFields } from './shape.ts';

/** A number of a plan as text. */
type NumberFormat = (value: bigint) => string;

const ipv4: NumberFormat = (value) =>
  [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join('.');
const octal: NumberFormat = (value) => `0${value.toString(8)}`;
const attrs: NumberFormat = (value) => formatFlags(value, MOUNT_ATTR);
const mountFlags: NumberFormat = (value) => formatFlags(value, MS);
const cloneFlags: NumberFormat = (value) => formatFlags(value, CLONE);
const limit: NumberFormat = (value) =>
  value === 0xffff_ffff_ffff_ffffn ? 'unlimited' : String(value);
const creation: NumberFormat = (value) =>
  ['no', 'directory', 'file', 'alike'][Number(value)] ?? `${value}`;
const logKind: NumberFormat = (value) => ['spool', 'segments', 'json'][Number(value)] ?? `${value}`;

/** `op.field` → how its number reads; all others are decimal. */
const NUMBER_FORMATS: Readonly<Record<string, NumberFormat>> = {
  'monitor.logKind': logKind,
  'clone.flags': cloneFlags,
  'unshare.flags': cloneFlags,
  'setns.flags': cloneFlags,
  'open.flags': (value) => formatFlags(value, O),
  'mkdir.mode': octal,
  'mkdirs.mode': octal,
  'mknod.mode': octal,
  'create-file.mode': octal,
  'umask.mask': octal,
  'propagation.flags': mountFlags,
  'fsmount.attrs': attrs,
  'overlay.attrs': attrs,
  'mount-attr.set': attrs,
  'mount-attr.clear': attrs,
  'mount-attr.propagation': mountFlags,
  'attach.create': creation,
  'umount.flags': (value) => formatFlags(value, UMOUNT),
  'rlimit.resource': (value) => RLIMITS[Number(value)] ?? String(value),
  'rlimit.soft': limit,
  'rlimit.hard': limit,
  'bounding.keep': formatCapabilities,
  'capset.effective': formatCapabilities,
  'capset.permitted': formatCapabilities,
  'capset.inheritable': formatCapabilities,
  'capset.ambient': formatCapabilities,
  'seccomp.flags': (value) => formatFlags(value, SECCOMP),
  'personality.persona': (value) => `0x${value.toString(16)}`,
  'resolver.address': ipv4,
  'netlink-open.protocol': (value) => NETLINK_FAMILIES[Number(value)] ?? String(value),
};

/** Fields that say nothing when they are zero. */
const SILENT_ZEROS: ReadonlySet<string> = new Set([
  'clone.flags',
  'setns.flags',
  'open.flags',
  'rmdir.busyMs',
  'fsmount.attrs',
  'overlay.attrs',
  'mount-attr.set',
  'mount-attr.clear',
  'mount-attr.propagation',
  'attach.create',
  'umount.flags',
  'seccomp.flags',
  'netlink.ignore',
]);

/**
 * One operation, e.g. `mount-attr #3 set=MOUNT_ATTR_RDONLY recursive`. `#N` is a
 * slot; `-> #N` the slot that the operation fills. Fields that are absent,
 * empty or a zero that means "none" are left out.
 */
export function describeOp(op: PlanOp): string {
  const words: string[] = [op.op];
  let result = '';
  for (const { name, field, value } of fieldsOf(op)) {
    if (field.result === true) result = ` -> #${Number(value)}`;
    else words.push(...describeField(`${op.op}.${name}`, field, value));
  }
  return words.join(' ') + result;
}

/** Every operation on a numbered line of its own; ends with a newline. */
export function describePlan(plan: Plan): string {
  const width = String(Math.max(plan.length - 1, 0)).length;
  return plan.map((op, at) => `${String(at).padStart(width)}  ${describeOp(op)}\n`).join('');
}

/** One operation as JSON values: see {@link planToJson}. */
export type OpJson = Readonly<Record<string, string | number | readonly string[]>>;

/**
 * The plan for `--format json`: every field under its name; flags, modes and
 * 64-bit numbers as text, bytes as base64.
 */
export function planToJson(plan: Plan): readonly OpJson[] {
  return plan.map((op) => {
    const json: Record<string, string | number | readonly string[]> = { op: op.op };
    for (const { name, field, value } of fieldsOf(op)) {
      json[name] = jsonValue(`${op.op}.${name}`, field, value);
    }
    return json;
  });
}

/** A field with its value, in wire order; absent slots are left out. */
interface FieldAndValue {
  readonly name: string;
  readonly field: FieldShape;
  readonly value: unknown;
}

function fieldsOf(op: PlanOp): readonly FieldAndValue[] {
  const values: Readonly<Record<string, unknown>> = op;
  return opFields(op.op)
    .map(([name, field]) => ({ name, field, value: values[name] }))
    .filter(({ value }) => value !== undefined);
}

function describeField(key: string, field: FieldShape, value: unknown): readonly string[] {
  const name = key.slice(key.indexOf('.') + 1);
  if (field.type === 'slot')
    return [name === 'slot' ? `#${Number(value)}` : `${name}=#${Number(value)}`];
  if (field.type === 'u32' && field.max === 1) return value === 1 ? [name] : [];
  if (isNothing(key, value)) return [];
  if (value instanceof Uint8Array) return [`${name}=${describeBytes(key, value)}`];
  if (Array.isArray(value)) return [`${name}=[${value.map(quote).join(' ')}]`];
  const number = numberText(key, value);
  return [`${name}=${number ?? quote(value)}`];
}

function isNothing(key: string, value: unknown): boolean {
  if (value === 0 || value === 0n) return SILENT_ZEROS.has(key);
  return value === '' || (Array.isArray(value) && value.length === 0);
}

/** A number as text; `undefined` for anything else. */
function numberText(key: string, value: unknown): string | undefined {
  if (typeof value !== 'number' && typeof value !== 'bigint') return undefined;
  return NUMBER_FORMATS[key]?.(BigInt(value)) ?? String(value);
}

function quote(value: unknown): string {
  const text = String(value);
  return /^[\w./:=+,@%-]+$/.test(text) ? text : JSON.stringify(text);
}

function describeBytes(key: string, bytes: Uint8Array): string {
  if (key === 'identity.groups') return `[${wordsOf(bytes).join(' ')}]`;
  if (key === 'netlink.patches') return `[${pairsOf(wordsOf(bytes)).join(' ')}]`;
  const text = printableText(bytes);
  if (text !== undefined) return JSON.stringify(text);
  if (bytes.length <= 16) return `0x${Buffer.from(bytes).toString('hex')}`;
  return `<${bytes.length} bytes ${checksum(bytes)}>`;
}

/** Little-endian u32 values. */
function wordsOf(bytes: Uint8Array): readonly number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length >> 2 }, (_, at) => view.getUint32(at * 4, true));
}

/** `offset:#slot` of patches. */
function pairsOf(words: readonly number[]): readonly string[] {
  return Array.from(
    { length: words.length >> 1 },
    (_, at) => `${words[at * 2]}:#${words[at * 2 + 1]}`,
  );
}

/** Short text without control characters but a final newline; `undefined` for other bytes. */
function printableText(bytes: Uint8Array): string | undefined {
  if (bytes.length > 256) return undefined;
  const text = Buffer.from(bytes).toString('latin1');
  return /^[\x20-\x7e]*\n?$/.test(text) ? text : undefined;
}

/** FNV-1a, 32 bits: tells two contents apart in a golden file; no protection. */
function checksum(bytes: Uint8Array): string {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}

function jsonValue(
  key: string,
  field: FieldShape,
  value: unknown,
): string | number | readonly string[] {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.map(String);
  if (typeof value === 'number' && (field.type === 'slot' || NUMBER_FORMATS[key] === undefined)) {
    return value;
  }
  return numberText(key, value) ?? String(value);
}

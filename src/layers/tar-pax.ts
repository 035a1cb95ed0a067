/**
 * Extended headers: the records of a pax `x` header and what they override.
 *
 * **Invariant:** every record is `LENGTH KEY=VALUE\n` with a true length; a
 * header that does not add up is refused as a whole, never partly used.
 * Source: POSIX.1-2017 pax "pax Extended Header"; star(5) `SCHILY.xattr`;
 * libarchive tar(5) `LIBARCHIVE.xattr`; GNU tar manual "Storing Sparse Files".
 */
import { corruptArchive, quoteName, type TarXattr } from './tar-entry.ts';
import type { TarSegment } from './tar-sparse.ts';

/** A moment since the epoch. */
export interface PaxTime {
  /** Whole seconds. */
  readonly seconds: number;
  /** Nanoseconds beyond them. */
  readonly nanoseconds: number;
}

/** Values of one extended header; absent: the plain header's hold. Strings are byte strings. */
export interface PaxOverrides {
  readonly path?: string;
  readonly linkPath?: string;
  readonly sizeBytes?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: PaxTime;
  readonly xattrs: readonly TarXattr[];
  readonly sparse?: PaxSparse;
}

/** What a pax header says about a sparse file. */
export interface PaxSparse {
  /** 1.0: the map stands before the data. */
  readonly isMapInData: boolean;
  readonly name?: string;
  /** Size of the file with its holes in bytes. */
  readonly realBytes?: number;
  readonly segments: readonly TarSegment[];
}

/** A record: its key as a byte string and its value's bytes. */
interface PaxRecord {
  readonly key: string;
  readonly value: Buffer;
}

/** Decode the content of an `x` header. Errors: `corrupt`. */
export function parsePax(content: Buffer): PaxOverrides {
  const records = splitRecords(content);
  const last = new Map<string, Buffer>();
  for (const { key, value } of records) last.set(key, value);
  const text = (key: string): string | undefined => textOf(last.get(key), key);
  const number = (key: string): number | undefined => integerOf(last.get(key), key);
  const path = text('path');
  const linkPath = text('linkpath');
  const sizeBytes = number('size');
  const uid = number('uid');
  const gid = number('gid');
  const mtime = timeOf(last.get('mtime'));
  const sparse = sparseOf(records, text, number);
  return {
    ...(path === undefined ? {} : { path }),
    ...(linkPath === undefined ? {} : { linkPath }),
    ...(sizeBytes === undefined ? {} : { sizeBytes }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
    ...(mtime === undefined ? {} : { mtime }),
    ...(sparse === undefined ? {} : { sparse }),
    xattrs: xattrsOf(last),
  };
}

/**
 * A global header may carry comments; one that would rename, resize or mark
 * later entries is refused, because readers disagree whether it applies.
 */
export function checkGlobalPax(content: Buffer): void {
  for (const { key } of splitRecords(content)) {
    if (
      key === 'path' ||
      key === 'linkpath' ||
      key === 'size' ||
      /^(?:GNU\.sparse|SCHILY\.xattr|LIBARCHIVE\.xattr)\./.test(key)
    ) {
      throw corruptArchive(`a global extended header sets ${quoteName(key)}`);
    }
  }
}

function splitRecords(content: Buffer): readonly PaxRecord[] {
  const records: PaxRecord[] = [];
  for (let at = 0; at < content.length; ) {
    const space = content.indexOf(32, at);
    const digits = space < 0 || space - at > 10 ? '' : content.toString('latin1', at, space);
    const length = /^[0-9]+$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    const equals = space < 0 ? -1 : content.indexOf(61, space);
    const isWhole = length > 0 && end <= content.length && content[end - 1] === 10;
    if (!isWhole || equals <= space + 1 || equals >= end - 1)
      throw corruptArchive('an extended header has a malformed record');
    records.push({
      key: content.toString('latin1', space + 1, equals),
      value: content.subarray(equals + 1, end - 1),
    });
    at = end;
  }
  return records;
}

/** An empty value takes the override back. */
function textOf(value: Buffer | undefined, key: string): string | undefined {
  if (value === undefined || value.length === 0) return undefined;
  if (value.includes(0)) throw corruptArchive(`the extended header field ${key} holds a NUL byte`);
  return value.toString('latin1');
}

function integerOf(value: Buffer | undefined, key: string): number | undefined {
  if (value === undefined || value.length === 0) return undefined;
  const text = value.toString('latin1');
  const number = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(number))
    throw corruptArchive(`the extended header field ${key} is not a size`);
  return number;
}

function timeOf(
  value: Buffer | undefined,
): { readonly seconds: number; readonly nanoseconds: number } | undefined {
  if (value === undefined || value.length === 0) return undefined;
  const match = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(value.toString('latin1'));
  if (match === null) throw corruptArchive('the extended header field mtime is not a time');
  const fraction = Number((match[3] ?? '').slice(0, 9).padEnd(9, '0'));
  const whole = Number(match[2]);
  if (match[1] !== '-') return { seconds: whole, nanoseconds: fraction };
  return fraction === 0
    ? { seconds: 0 - whole, nanoseconds: 0 }
    : { seconds: -whole - 1, nanoseconds: 1_000_000_000 - fraction };
}

const SCHILY = 'SCHILY.xattr.';
const LIBARCHIVE = 'LIBARCHIVE.xattr.';

/** Both notations, binary safe; where both name an attribute, star's raw bytes win. */
function xattrsOf(records: ReadonlyMap<string, Buffer>): readonly TarXattr[] {
  const found = new Map<string, Uint8Array>();
  for (const [key, value] of records) {
    if (key.startsWith(LIBARCHIVE)) {
      const name = percentDecode(key.slice(LIBARCHIVE.length));
      if (!records.has(SCHILY + name))
        found.set(name, Buffer.from(value.toString('latin1'), 'base64'));
    } else if (key.startsWith(SCHILY)) found.set(key.slice(SCHILY.length), Buffer.from(value));
  }
  return [...found].map(([name, value]) => ({ name, value }));
}

function percentDecode(text: string): string {
  return text.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

function sparseOf(
  records: readonly PaxRecord[],
  text: (key: string) => string | undefined,
  number: (key: string) => number | undefined,
): PaxSparse | undefined {
  const isMapInData = text('GNU.sparse.major') === '1' && text('GNU.sparse.minor') === '0';
  const segments = isMapInData ? [] : listedSegments(records, text('GNU.sparse.map'));
  const realBytes = number('GNU.sparse.realsize') ?? number('GNU.sparse.size');
  if (!isMapInData && segments.length === 0 && realBytes === undefined) return undefined;
  const name = text('GNU.sparse.name');
  return {
    isMapInData,
    segments,
    ...(name === undefined ? {} : { name }),
    ...(realBytes === undefined ? {} : { realBytes }),
  };
}

/** 0.1: one comma list; 0.0: pairs of records, in order. */
function listedSegments(
  records: readonly PaxRecord[],
  map: string | undefined,
): readonly TarSegment[] {
  const numbers =
    map === undefined
      ? records
          .filter(({ key }) => key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes')
          .map(({ value }) => value.toString('latin1'))
      : map.split(',');
  if (numbers.length % 2 !== 0 || numbers.some((part) => !/^[0-9]{1,15}$/.test(part))) {
    throw corruptArchive('a sparse file has a malformed map');
  }
  const segments: TarSegment[] = [];
  for (let i = 0; i < numbers.length; i += 2) {
    segments.push({ offsetBytes: Number(numbers[i]), sizeBytes: Number(numbers[i + 1]) });
  }
  return segments;
}

/**
 * One 512-byte tar header block → its fields. Knows v7, ustar, GNU and star
 * layouts; knows nothing of what follows the block.
 *
 * Source: POSIX.1-2017 pax "ustar Interchange Format"; GNU tar manual "Basic Tar Format".
 */
import { corruptArchive, quoteName } from './tar-entry.ts';

/** Bytes of a header and of the unit data is padded to. */
export const TAR_BLOCK = 512;

/** Fields of one header block as they stand in it. */
export interface TarHeader {
  /** Byte string, ustar prefix joined. */
  readonly path: string;
  readonly linkPath: string;
  /** The type flag's character; `\0` for v7 files. */
  readonly flag: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of data that follow in the archive. */
  readonly sizeBytes: number;
  /** Seconds since the epoch. */
  readonly mtimeS: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly format: 'v7' | 'ustar' | 'gnu' | 'star';
}

/** True for a block of zeros. */
export function isZeroBlock(block: Buffer): boolean {
  for (let i = 0; i < TAR_BLOCK; i += 8) {
    if (block.readUInt32LE(i) !== 0 || block.readUInt32LE(i + 4) !== 0) return false;
  }
  return true;
}

/** Decode and verify a header. Precondition: `block` has 512 bytes. Errors: `corrupt`. */
export function parseTarHeader(block: Buffer): TarHeader {
  const name = textField(block, 0, 100);
  if (!hasValidChecksum(block))
    throw corruptArchive(`the header checksum of ${quoteName(name)} is wrong`);
  const number = (at: number, length: number, what: string): number =>
    numberField(block, { at, length, what, name });
  const format = formatOf(block);
  const isPosix = format === 'ustar' || format === 'star';
  const prefix = isPosix ? textField(block, 345, format === 'star' ? 131 : 155) : '';
  const sizeBytes = number(124, 12, 'size');
  if (sizeBytes < 0) throw corruptArchive(`the size of ${quoteName(name)} is negative`);
  return {
    path: prefix === '' ? name : `${prefix}/${name}`,
    linkPath: textField(block, 157, 100),
    flag: String.fromCharCode(block[156] ?? 0),
    mode: number(100, 8, 'mode'),
    uid: number(108, 8, 'owner'),
    gid: number(116, 8, 'group'),
    sizeBytes,
    mtimeS: number(136, 12, 'time'),
    deviceMajor: format === 'v7' ? 0 : number(329, 8, 'device number'),
    deviceMinor: format === 'v7' ? 0 : number(337, 8, 'device number'),
    format,
  };
}

function formatOf(block: Buffer): TarHeader['format'] {
  const magic = block.toString('latin1', 257, 265);
  if (magic === 'ustar  \0') return 'gnu';
  if (!magic.startsWith('ustar\0')) return 'v7';
  return block.toString('latin1', 508, 512) === 'tar\0' ? 'star' : 'ustar';
}

/** Bytes up to the first NUL. */
export function textField(block: Buffer, at: number, length: number): string {
  const nul = block.indexOf(0, at);
  return block.toString('latin1', at, nul < 0 || nul > at + length ? at + length : nul);
}

/** The sum of all bytes with the checksum field as spaces; old writers summed signed characters. */
function hasValidChecksum(block: Buffer): boolean {
  let unsigned = 8 * 32;
  let signed = 8 * 32;
  for (let i = 0; i < TAR_BLOCK; i++) {
    if (i === 148) i = 156;
    const byte = block[i] ?? 0;
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  const stored = octal(block, 148, 8);
  return stored === unsigned || stored === signed;
}

/** Where a number stands, and what to call it in an error. */
export interface NumberPlace {
  /** Offset in the block. */
  readonly at: number;
  /** Bytes of the field. */
  readonly length: number;
  /** The field, e.g. `size`. */
  readonly what: string;
  /** The entry. */
  readonly name: string;
}

/** Octal text, or base 256 when the top bit of the first byte is set. Errors: `corrupt`. */
export function numberField(block: Buffer, { at, length, what, name }: NumberPlace): number {
  const isOctal = ((block[at] ?? 0) & 0x80) === 0;
  const value = isOctal ? octal(block, at, length) : base256(block, at, length);
  if (value === undefined)
    throw corruptArchive(`the ${what} of ${quoteName(name)} is not a number`);
  return value;
}

/** Leading blanks, digits, then blanks or NULs. Empty is 0. */
function octal(block: Buffer, at: number, length: number): number | undefined {
  const end = at + length;
  let i = at;
  while (i < end && (block[i] === 32 || block[i] === 0)) i++;
  let value = 0;
  for (; i < end; i++) {
    const digit = (block[i] ?? 0) - 48;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  for (; i < end; i++) if (block[i] !== 32 && block[i] !== 0) return undefined;
  return value;
}

/** Two's complement, big endian, the top bit of the first byte ignored. */
function base256(block: Buffer, at: number, length: number): number | undefined {
  const isNegative = ((block[at] ?? 0) & 0x40) !== 0;
  let value = isNegative ? -1n : 0n;
  for (let i = 0; i < length; i++) {
    const byte = block[at + i] ?? 0;
    value = (value << 8n) | BigInt(i === 0 ? (isNegative ? byte | 0x80 : byte & 0x7f) : byte);
  }
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : undefined;
}

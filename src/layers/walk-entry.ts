/** One entry frame of `chisel walk` → `WalkEntry`. Source: docs/layer-streams.md "chisel walk". */
import { EngineError } from '../base/error.ts';
import type { TarXattr } from './tar-entry.ts';
import type { WalkEntry } from './walk.ts';

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;

const TYPES: Readonly<Record<number, WalkEntry['type']>> = {
  0o100000: 'file',
  0o040000: 'directory',
  0o120000: 'symlink',
  0o020000: 'char',
  0o060000: 'block',
  0o010000: 'fifo',
  0o140000: 'socket',
};

/** Bytes before the texts. */
const FIXED_BYTES = 64;

/** Decode an entry. Errors: `internal` for a malformed frame. */
export function decodeWalkEntry(payload: Buffer): WalkEntry {
  try {
    return decode(payload);
  } catch (cause) {
    throw new EngineError('internal', 'Cannot read tree: the chisel sent a malformed entry', {
      cause,
    });
  }
}

function decode(payload: Buffer): WalkEntry {
  const mode = payload.readUInt32LE(0);
  const links = payload.readUInt32LE(48);
  const major = payload.readUInt32LE(52);
  const minor = payload.readUInt32LE(56);
  const modeBelow = payload.readUInt32LE(60);
  const path = textAt(payload, FIXED_BYTES);
  const linkPath = textAt(payload, FIXED_BYTES + 3 + path.length);
  const kind = TYPES[mode & S_IFMT];
  if (kind === undefined) throw new EngineError('internal', 'an object of an unknown type');
  const type = kind === 'char' && major === 0 && minor === 0 ? 'whiteout' : kind;
  return {
    path,
    type,
    mode: mode & 0o7777,
    uid: payload.readUInt32LE(4),
    gid: payload.readUInt32LE(8),
    mtimeNs: payload.readUInt32LE(12),
    mtimeS: Number(payload.readBigInt64LE(16)),
    sizeBytes: kind === 'file' ? Number(payload.readBigUInt64LE(24)) : 0,
    linkKey: links > 1 && kind !== 'directory' ? payload.toString('hex', 32, 48) : undefined,
    linkPath,
    deviceMajor: major,
    deviceMinor: minor,
    xattrs: xattrsAt(payload, FIXED_BYTES + 6 + path.length + linkPath.length),
    below: modeBelow === 0 ? undefined : (modeBelow & S_IFMT) === S_IFDIR ? 'directory' : 'other',
  };
}

function textAt(payload: Buffer, at: number): string {
  const length = payload.readUInt16LE(at);
  if (at + 2 + length > payload.length) throw new RangeError('a text goes beyond its frame');
  return payload.toString('latin1', at + 2, at + 2 + length);
}

function xattrsAt(payload: Buffer, start: number): readonly TarXattr[] {
  const xattrs: TarXattr[] = [];
  let at = start + 4;
  for (let left = payload.readUInt32LE(start); left > 0; left--) {
    const name = textAt(payload, at);
    at += 3 + name.length;
    const size = payload.readUInt32LE(at);
    if (at + 4 + size > payload.length) throw new RangeError('a value goes beyond its frame');
    xattrs.push({ name, value: Buffer.from(payload.subarray(at + 4, at + 4 + size)) });
    at += 4 + size;
  }
  return xattrs;
}

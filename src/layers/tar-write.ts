/**
 * Entries → tar bytes, reproducibly: the same entries give the same bytes on
 * every machine. ustar headers; a pax header only where ustar cannot say it.
 * No access or change times, no user names, no devices of the host.
 *
 * Source: POSIX.1-2017 pax; OCI image-spec 1.1.1 layer.md "Change Types".
 */
import { EngineError } from '../base/error.ts';
import { quoteName, type TarEntry, type TarType } from './tar-entry.ts';
import { TAR_BLOCK } from './tar-header.ts';

const FLAGS: Readonly<Record<TarType, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  char: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

/** The end of an archive: two blocks of zeros. */
export const TAR_END: Buffer = Buffer.alloc(2 * TAR_BLOCK);

/** Zeros that fill the last block of a file of `sizeBytes`. */
export function tarPadding(sizeBytes: number): Buffer {
  return TAR_END.subarray(0, (TAR_BLOCK - (sizeBytes % TAR_BLOCK)) % TAR_BLOCK);
}

/** An entry to write; what is not said is 0 or empty. Paths are byte strings. */
export type NewTarEntry = Pick<TarEntry, 'type' | 'path'> & Partial<TarEntry>;

/** Header blocks of an entry; a file's data and its padding follow. Directories get their trailing slash. */
export function encodeTarHeader(entry: NewTarEntry): Buffer {
  const path =
    entry.type === 'directory' && !entry.path.endsWith('/') ? `${entry.path}/` : entry.path;
  const full = complete(entry, path);
  const split = splitName(path);
  const records = paxRecords(full, split === undefined);
  const header = ustarHeader(full, split ?? { prefix: '', name: path.slice(0, 100) });
  return records.length === 0 ? header : Buffer.concat([paxHeader(path, records), header]);
}

function complete(entry: NewTarEntry, path: string): TarEntry {
  return {
    linkPath: '',
    mode: 0,
    uid: 0,
    gid: 0,
    mtimeS: 0,
    mtimeNs: 0,
    sizeBytes: 0,
    dataBytes: entry.sizeBytes ?? 0,
    deviceMajor: 0,
    deviceMinor: 0,
    xattrs: [],
    ...entry,
    path,
  };
}

interface SplitName {
  readonly prefix: string;
  readonly name: string;
}

/** ustar's two fields; `undefined` when the path does not fit them. */
function splitName(path: string): SplitName | undefined {
  if (path.length <= 100) return { prefix: '', name: path };
  if (path.length > 256) return undefined;
  // The longest prefix leaves the shortest name; a trailing slash belongs to the name.
  const slash = path.lastIndexOf('/', Math.min(155, path.length - 2));
  if (slash <= 0 || path.length - slash - 1 > 100) return undefined;
  return { prefix: path.slice(0, slash), name: path.slice(slash + 1) };
}

const SIZE_MAX = 8 ** 11 - 1;
const ID_MAX = 8 ** 7 - 1;

function paxRecords(entry: TarEntry, needsPath: boolean): readonly Buffer[] {
  const records: (readonly [string, Uint8Array])[] = [];
  const text = (key: string, value: string): void =>
    void records.push([key, Buffer.from(value, 'latin1')]);
  if (needsPath) text('path', entry.path);
  if (entry.linkPath.length > 100) text('linkpath', entry.linkPath);
  if (records.some(([, value]) => !isUtf8(value))) text('hdrcharset', 'BINARY');
  if (entry.sizeBytes > SIZE_MAX) text('size', String(entry.sizeBytes));
  if (entry.uid > ID_MAX) text('uid', String(entry.uid));
  if (entry.gid > ID_MAX) text('gid', String(entry.gid));
  if (entry.mtimeNs !== 0 || entry.mtimeS < 0 || entry.mtimeS > SIZE_MAX)
    text('mtime', formatTime(entry));
  for (const { name, value } of entry.xattrs) {
    if (name.includes('='))
      throw new EngineError(
        'unsupported',
        `Cannot write archive: an extended attribute of ${quoteName(entry.path)} has "=" in its name`,
      );
    records.push([`SCHILY.xattr.${name}`, value]);
  }
  return records
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => paxRecord(key, value));
}

function isUtf8(bytes: Uint8Array): boolean {
  return !Buffer.from(bytes).toString('utf8').includes('\ufffd');
}

/** Decimal seconds; a time before the epoch is written as POSIX wants it. */
function formatTime({ mtimeS, mtimeNs }: TarEntry): string {
  if (mtimeNs === 0) return String(mtimeS);
  const isNegative = mtimeS < 0;
  const whole = isNegative ? -(mtimeS + 1) : mtimeS;
  const fraction = isNegative ? 1_000_000_000 - mtimeNs : mtimeNs;
  return `${isNegative ? '-' : ''}${whole}.${String(fraction).padStart(9, '0').replace(/0+$/, '')}`;
}

/** `LENGTH KEY=VALUE\n`, the length counting itself. */
function paxRecord(key: string, value: Uint8Array): Buffer {
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  if (String(length).length !== String(rest).length) length = rest + String(length).length;
  return Buffer.concat([Buffer.from(`${length} ${key}=`, 'latin1'), value, Buffer.from('\n')]);
}

function paxHeader(path: string, records: readonly Buffer[]): Buffer {
  const content = Buffer.concat(records);
  const base = path.replace(/\/$/, '').slice(path.replace(/\/$/, '').lastIndexOf('/') + 1);
  const header = ustarHeader(
    { ...complete({ type: 'file', path: '' }, ''), mode: 0o644, sizeBytes: content.length },
    { prefix: '', name: `PaxHeaders.0/${base}`.slice(0, 100) },
  );
  header.write('x', 156, 'latin1');
  return Buffer.concat([sealHeader(header), content, tarPadding(content.length)]);
}

function ustarHeader(entry: TarEntry, { prefix, name }: SplitName): Buffer {
  const header = Buffer.alloc(TAR_BLOCK);
  const octal = (value: number, at: number, digits: number): void =>
    void header.write(value.toString(8).padStart(digits, '0'), at, 'latin1');
  header.write(name, 0, 'latin1');
  octal(entry.mode, 100, 7);
  octal(entry.uid > ID_MAX ? 0 : entry.uid, 108, 7);
  octal(entry.gid > ID_MAX ? 0 : entry.gid, 116, 7);
  octal(entry.type !== 'file' || entry.sizeBytes > SIZE_MAX ? 0 : entry.sizeBytes, 124, 11);
  octal(entry.mtimeS < 0 || entry.mtimeS > SIZE_MAX ? 0 : entry.mtimeS, 136, 11);
  header.write(FLAGS[entry.type], 156, 'latin1');
  header.write(entry.linkPath.slice(0, 100), 157, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  if (entry.type === 'char' || entry.type === 'block') {
    octal(entry.deviceMajor, 329, 7);
    octal(entry.deviceMinor, 337, 7);
  }
  header.write(prefix, 345, 'latin1');
  return sealHeader(header);
}

function sealHeader(header: Buffer): Buffer {
  header.fill(32, 148, 156);
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

/** A whole small archive in memory: entries with their content. */
export function encodeTar(
  entries: readonly (NewTarEntry & { readonly content?: Uint8Array | string })[],
): Buffer {
  const parts: Buffer[] = [];
  for (const { content, ...entry } of entries) {
    const data = Buffer.from(content ?? '');
    const sizeBytes = entry.type === 'file' ? data.length : 0;
    parts.push(
      encodeTarHeader({ ...entry, sizeBytes }),
      data.subarray(0, sizeBytes),
      tarPadding(sizeBytes),
    );
  }
  return Buffer.concat([...parts, TAR_END]);
}

/**
 * Tar bytes → entries, incrementally: any chunking of the same bytes gives the
 * same calls. Reads v7, ustar, pax, GNU and star archives, sparse files included.
 *
 * **Invariants**
 * - Nothing is allocated by a length from the archive before it is bounded.
 * - A header that does not add up stops the reading; nothing is guessed.
 * - After the end mark (two zero blocks) the rest is ignored; an archive may
 *   also simply end between two entries.
 *
 * Where readers differ this one does as Go's archive/tar, which the other
 * engines use, so that no other program sees another tree in the same bytes.
 * Source: POSIX.1-2017 pax; GNU tar manual; docs/security.md rows F1–F5.
 */
import {
  archiveTooLarge,
  corruptArchive,
  quoteName,
  TAR_LIMITS,
  type TarEntry,
  type TarHandler,
  type TarLimits,
  type TarType,
} from './tar-entry.ts';
import { isZeroBlock, parseTarHeader, TAR_BLOCK, type TarHeader } from './tar-header.ts';
import { checkGlobalPax, parsePax, type PaxOverrides } from './tar-pax.ts';
import {
  checkSegments,
  gnuRealSize,
  gnuSegments,
  hasMoreSegments,
  SparseMapReader,
  type TarSegment,
} from './tar-sparse.ts';

type State = 'header' | 'extension' | 'gnu-sparse' | 'pax-sparse' | 'data' | 'padding' | 'end';

const TYPES: Readonly<Record<string, TarType>> = {
  '\0': 'file',
  '0': 'file',
  '7': 'file',
  S: 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
};

const ID_MAX = 0xfffffffe;
const EMPTY: Buffer = Buffer.alloc(0);

/** An incremental tar reader. Not usable after an error. */
export class TarParser {
  readonly #handler: TarHandler;
  readonly #limits: TarLimits;
  /** Collects a header block that a chunk boundary cut. */
  readonly #block: Buffer = Buffer.alloc(TAR_BLOCK);
  #blockBytes = 0;
  #state: State = 'header';
  #entries = 0;
  #zeroBlocks = 0;
  /** Bytes of data, of an extension or of padding still to come. */
  #left = 0;
  #paddingAfter = 0;
  #extension: { readonly flag: string; readonly content: Buffer } | undefined;
  #pax: PaxOverrides | undefined;
  #longPath: string | undefined;
  #longLink: string | undefined;
  #header: TarHeader | undefined;
  #sparseMap: SparseMapReader | undefined;
  #type: TarType = 'file';
  #segments: TarSegment[] = [];
  #realBytes = 0;
  #segmentIndex = 0;
  #segmentDone = 0;

  constructor(handler: TarHandler, limits: TarLimits = TAR_LIMITS) {
    this.#handler = handler;
    this.#limits = limits;
  }

  /** True once the end mark was read: what follows means nothing. */
  get isAtEnd(): boolean {
    return this.#state === 'end';
  }

  /** Read the next bytes. Errors: `corrupt`, `exhausted`, and whatever the handler throws. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && this.#state !== 'end') {
      switch (this.#state) {
        case 'data':
          at += this.#pushData(chunk, at);
          break;
        case 'extension':
          at += this.#pushExtension(chunk, at);
          break;
        case 'padding':
          at += this.#skip(chunk.length - at);
          break;
        case 'header':
        case 'gnu-sparse':
        case 'pax-sparse':
          at += this.#pushBlock(chunk, at);
          break;
      }
    }
  }

  /** No more bytes. Errors: `corrupt` when the archive stops in the middle. */
  finish(): void {
    const isBetween = this.#state === 'header' && this.#blockBytes === 0;
    if (this.#state === 'end') return;
    if (!isBetween) throw corruptArchive('it is truncated');
    if (this.#hasPendingExtension()) throw corruptArchive('it ends after an extended header');
  }

  #hasPendingExtension(): boolean {
    return this.#pax !== undefined || this.#longPath !== undefined || this.#longLink !== undefined;
  }

  /** Take one 512-byte block, in place where the chunk holds all of it. */
  #pushBlock(chunk: Buffer, at: number): number {
    const available = chunk.length - at;
    if (this.#blockBytes === 0 && available >= TAR_BLOCK) {
      this.#onBlock(chunk.subarray(at, at + TAR_BLOCK));
      return TAR_BLOCK;
    }
    const taken = Math.min(available, TAR_BLOCK - this.#blockBytes);
    chunk.copy(this.#block, this.#blockBytes, at, at + taken);
    this.#blockBytes += taken;
    if (this.#blockBytes === TAR_BLOCK) {
      this.#blockBytes = 0;
      this.#onBlock(this.#block);
    }
    return taken;
  }

  #onBlock(block: Buffer): void {
    if (this.#state === 'gnu-sparse') this.#onSparseExtension(block);
    else if (this.#state === 'pax-sparse') this.#onSparseMap(block);
    else if (isZeroBlock(block)) this.#onZeroBlock();
    else if (this.#zeroBlocks > 0) throw corruptArchive('a header follows a lone block of zeros');
    else this.#onHeader(block);
  }

  #onZeroBlock(): void {
    if (this.#hasPendingExtension()) throw corruptArchive('it ends after an extended header');
    this.#zeroBlocks++;
    if (this.#zeroBlocks === 2) this.#state = 'end';
  }

  #onHeader(block: Buffer): void {
    const header = parseTarHeader(block);
    switch (header.flag) {
      case 'x':
      case 'g':
      case 'L':
      case 'K':
        this.#startExtension(header);
        return;
      case 'S':
        this.#startGnuSparse(header, block);
        return;
      default:
        this.#startEntry(header);
    }
  }

  // ── extended headers ─────────────────────────────────────────────────────

  #startExtension(header: TarHeader): void {
    const isName = header.flag === 'L' || header.flag === 'K';
    // A long name counts its NUL and may be padded with a few more.
    const max = isName ? this.#limits.pathBytes + TAR_BLOCK : this.#limits.paxBytes;
    if (header.sizeBytes > max)
      throw archiveTooLarge(
        `an extended header of ${header.sizeBytes} bytes is above the limit of ${max}`,
      );
    // One buffer of the bounded size: chunks may come byte by byte.
    this.#extension = { flag: header.flag, content: Buffer.alloc(header.sizeBytes) };
    this.#left = header.sizeBytes;
    this.#paddingAfter = padding(header.sizeBytes);
    this.#state = 'extension';
    if (this.#left === 0) this.#endExtension();
  }

  #pushExtension(chunk: Buffer, at: number): number {
    const taken = Math.min(this.#left, chunk.length - at);
    const content = this.#extension?.content ?? EMPTY;
    chunk.copy(content, content.length - this.#left, at, at + taken);
    this.#left -= taken;
    if (this.#left === 0) this.#endExtension();
    return taken;
  }

  #endExtension(): void {
    const { flag, content } = this.#extension ?? { flag: '', content: EMPTY };
    this.#extension = undefined;
    if (flag === 'g') checkGlobalPax(content);
    else if (flag === 'L') this.#longPath = untilNul(content);
    else if (flag === 'K') this.#longLink = untilNul(content);
    else this.#pax = parsePax(content);
    this.#startPadding();
  }

  // ── entries ──────────────────────────────────────────────────────────────

  /** The name decides with the flag what an entry is, so extensions come first. */
  #open(header: TarHeader): void {
    this.#header = header;
    this.#type = typeOf(header, this.#pathOf(header));
  }

  #pathOf(header: TarHeader): string {
    return this.#longPath ?? this.#pax?.sparse?.name ?? this.#pax?.path ?? header.path;
  }

  #startEntry(header: TarHeader): void {
    const sparse = this.#pax?.sparse;
    this.#open(header);
    const dataBytes = this.#dataBytes(header);
    if (sparse === undefined || this.#type !== 'file') {
      this.#beginData(dataBytes, dataBytes, undefined);
    } else if (sparse.isMapInData) {
      this.#sparseMap = new SparseMapReader(
        sparse.name ?? header.path,
        this.#limits.sparseSegments,
      );
      this.#state = 'pax-sparse';
      if (dataBytes === 0)
        throw corruptArchive(`the sparse map of ${quoteName(header.path)} is missing`);
    } else {
      this.#limitSegments(sparse.segments, header.path);
      this.#beginData(dataBytes, sparse.realBytes ?? 0, [...sparse.segments]);
    }
  }

  #startGnuSparse(header: TarHeader, block: Buffer): void {
    this.#open(header);
    this.#segments = [...gnuSegments(block, header.path, false)];
    this.#realBytes = gnuRealSize(block, header.path);
    if (hasMoreSegments(block, false)) this.#state = 'gnu-sparse';
    else this.#beginData(this.#dataBytes(header), this.#realBytes, this.#segments);
  }

  #onSparseExtension(block: Buffer): void {
    const header = this.#current();
    this.#segments.push(...gnuSegments(block, header.path, true));
    this.#limitSegments(this.#segments, header.path);
    if (!hasMoreSegments(block, true))
      this.#beginData(this.#dataBytes(header), this.#realBytes, this.#segments);
  }

  #onSparseMap(block: Buffer): void {
    const header = this.#current();
    const map = this.#sparseMap;
    const segments = map?.push(block);
    const dataBytes = this.#dataBytes(header) - (map?.sizeBytes ?? 0);
    if (dataBytes < 0 || (map?.sizeBytes ?? 0) > this.#limits.paxBytes)
      throw corruptArchive(`the sparse map of ${quoteName(header.path)} does not end`);
    if (segments === undefined) return;
    this.#sparseMap = undefined;
    this.#beginData(dataBytes, this.#pax?.sparse?.realBytes ?? 0, [...segments]);
  }

  #limitSegments(segments: readonly TarSegment[], name: string): void {
    if (segments.length > this.#limits.sparseSegments)
      throw archiveTooLarge(`the sparse map of ${quoteName(name)} has too many segments`);
  }

  #current(): TarHeader {
    if (this.#header === undefined) throw corruptArchive('it has no header');
    return this.#header;
  }

  /** Bytes of data that follow: links, directories and devices have none, whatever their size field says. */
  #dataBytes(header: TarHeader): number {
    return this.#type === 'file' ? (this.#pax?.sizeBytes ?? header.sizeBytes) : 0;
  }

  #beginData(dataBytes: number, realBytes: number, segments: TarSegment[] | undefined): void {
    const entry = this.#entryOf(this.#current(), realBytes, dataBytes);
    if (segments !== undefined) checkSegments(segments, { name: entry.path, realBytes, dataBytes });
    this.#segments = segments ?? [{ offsetBytes: 0, sizeBytes: dataBytes }];
    this.#segmentIndex = 0;
    this.#segmentDone = 0;
    this.#left = dataBytes;
    this.#paddingAfter = padding(dataBytes);
    this.#state = 'data';
    this.#pax = undefined;
    this.#longPath = undefined;
    this.#longLink = undefined;
    this.#handler.onEntry(entry);
    if (this.#left === 0) this.#endData();
  }

  #pushData(chunk: Buffer, at: number): number {
    let segment = this.#segments[this.#segmentIndex];
    while (segment !== undefined && this.#segmentDone === segment.sizeBytes) {
      segment = this.#segments[++this.#segmentIndex];
      this.#segmentDone = 0;
    }
    if (segment === undefined) throw corruptArchive('a sparse map does not fit its data');
    const taken = Math.min(segment.sizeBytes - this.#segmentDone, chunk.length - at);
    this.#handler.onData(chunk.subarray(at, at + taken), segment.offsetBytes + this.#segmentDone);
    this.#segmentDone += taken;
    this.#left -= taken;
    if (this.#left === 0) this.#endData();
    return taken;
  }

  #endData(): void {
    this.#handler.onEnd();
    this.#startPadding();
  }

  #startPadding(): void {
    this.#left = this.#paddingAfter;
    this.#paddingAfter = 0;
    this.#state = this.#left === 0 ? 'header' : 'padding';
  }

  #skip(available: number): number {
    const taken = Math.min(available, this.#left);
    this.#left -= taken;
    if (this.#left === 0) this.#state = 'header';
    return taken;
  }

  #entryOf(header: TarHeader, sizeBytes: number, dataBytes: number): TarEntry {
    const type = this.#type;
    const isLink = type === 'symlink' || type === 'hardlink';
    const path = this.#pathOf(header);
    const linkPath = this.#longLink ?? this.#pax?.linkPath ?? header.linkPath;
    this.#checkLimits(path, linkPath, sizeBytes);
    return {
      type,
      path,
      linkPath: isLink ? linkPath : '',
      mode: header.mode & 0o7777,
      ...overridden(header, this.#pax, path),
      sizeBytes: type === 'file' ? sizeBytes : 0,
      dataBytes,
      deviceMajor: header.deviceMajor,
      deviceMinor: header.deviceMinor,
    };
  }

  #checkLimits(path: string, linkPath: string, sizeBytes: number): void {
    const { entries, pathBytes, fileBytes } = this.#limits;
    this.#entries++;
    if (this.#entries > entries) throw archiveTooLarge(`it has more than ${entries} entries`);
    if (path.length > pathBytes || linkPath.length > pathBytes) {
      throw archiveTooLarge(
        `the name or link target of ${quoteName(path)} is longer than ${pathBytes} bytes`,
      );
    }
    if (sizeBytes > fileBytes)
      throw archiveTooLarge(`${quoteName(path)} is larger than ${fileBytes} bytes`);
  }
}

/** Fields that an extended header may override. */
function overridden(
  header: TarHeader,
  pax: PaxOverrides | undefined,
  path: string,
): Pick<TarEntry, 'uid' | 'gid' | 'mtimeS' | 'mtimeNs' | 'xattrs'> {
  const { mtime = { seconds: header.mtimeS, nanoseconds: 0 } } = pax ?? {};
  return {
    uid: checkId(pax?.uid ?? header.uid, path),
    gid: checkId(pax?.gid ?? header.gid, path),
    mtimeS: mtime.seconds,
    mtimeNs: mtime.nanoseconds,
    xattrs: pax?.xattrs ?? [],
  };
}

/** Errors: `corrupt` for a flag that names no entry. A v7 file whose name ends in a slash is a directory. */
function typeOf(header: TarHeader, path: string): TarType {
  const type = TYPES[header.flag];
  if (type === undefined)
    throw corruptArchive(
      `${quoteName(header.path)} has the unknown type ${quoteName(header.flag)}`,
    );
  return header.flag === '\0' && path.endsWith('/') ? 'directory' : type;
}

function checkId(id: number, path: string): number {
  if (id < 0 || id > ID_MAX)
    throw corruptArchive(`the owner of ${quoteName(path)} is not a user or group id`);
  return id;
}

function padding(sizeBytes: number): number {
  return (TAR_BLOCK - (sizeBytes % TAR_BLOCK)) % TAR_BLOCK;
}

function untilNul(content: Buffer): string {
  const nul = content.indexOf(0);
  return content.toString('latin1', 0, nul < 0 ? content.length : nul);
}

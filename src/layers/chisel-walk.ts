/**
 * Trees read by `chisel walk`: entries as frames, then the content of the files
 * that are asked for.
 *
 * Source: docs/layer-streams.md "chisel walk".
 */
import { getSystemErrorName } from 'node:util';
import type { HostPath } from '../base/brand.ts';
import { type ErrorKind, EngineError } from '../base/error.ts';
import { type ChiselChild, spawnChisel } from '../kernel/spawn-chisel.ts';
import { FrameReader } from './frame-reader.ts';
import { quoteName } from './tar-entry.ts';
import type { ChangeSource, TreeUsage, Walk, WalkEntry, WalkRequest } from './walk.ts';
import { decodeWalkEntry } from './walk-entry.ts';

/** Kinds of frames, as in chisel/walk.h. */
const FRAME = { entry: 1, data: 2, end: 3, failed: 4 } as const;
/** Largest frame in bytes. */
const FRAME_MAX = 2 * 1024 * 1024;
/** Objects of one tree. */
const ENTRIES_MAX = 5_000_000;

/** Starts one chisel for each tree. */
export class ChiselWalker implements ChangeSource {
  readonly #chiselPath: HostPath;

  constructor(chiselPath: HostPath) {
    this.#chiselPath = chiselPath;
  }

  async open({ directories, below, signal }: WalkRequest): Promise<Walk> {
    const child = spawnChisel(this.#chiselPath, [
      'walk',
      'list',
      String(directories.length),
      ...directories,
      ...below,
    ]);
    const walk = new ChiselWalk(child, signal);
    try {
      await walk.readEntries();
      return walk;
    } catch (error) {
      await walk.close();
      throw error;
    }
  }

  async measure(directory: string, signal?: AbortSignal): Promise<TreeUsage> {
    const child = spawnChisel(this.#chiselPath, ['walk', 'usage', '1', directory]);
    const walk = new ChiselWalk(child, signal);
    try {
      return await walk.readEntries();
    } finally {
      await walk.close();
    }
  }

  async remove(directory: string): Promise<void> {
    const child = spawnChisel(this.#chiselPath, ['walk', 'remove', directory]);
    const walk = new ChiselWalk(child, undefined);
    try {
      await walk.readEntries();
    } finally {
      await walk.close();
    }
  }
}

/** One run of `chisel walk`, or of `chisel copy list`, which speaks alike. */
export class ChiselWalk implements Walk {
  readonly #child: ChiselChild;
  readonly #frames: FrameReader;
  readonly #signal: AbortSignal | undefined;
  readonly #entries: WalkEntry[] = [];
  readonly #onAbort = (): void => {
    this.#child.kill();
  };

  constructor(child: ChiselChild, signal: AbortSignal | undefined) {
    this.#child = child;
    this.#frames = new FrameReader(child.stdout, FRAME_MAX);
    this.#signal = signal;
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (signal?.aborted === true) this.#onAbort();
  }

  get entries(): readonly WalkEntry[] {
    return this.#entries;
  }

  async readEntries(): Promise<TreeUsage> {
    for (;;) {
      const { kind, payload } = await this.#next();
      if (kind === FRAME.entry) {
        this.#entries.push(decodeWalkEntry(payload));
        if (this.#entries.length > ENTRIES_MAX)
          throw new EngineError(
            'exhausted',
            `Cannot read tree: it has more than ${ENTRIES_MAX} entries`,
          );
      } else if (kind === FRAME.end) {
        return {
          entries: Number(payload.readBigUInt64LE(0)),
          sizeBytes: Number(payload.readBigUInt64LE(8)),
        };
      } else throw unexpected();
    }
  }

  async *read(path: string, sizeBytes: number): AsyncIterable<Uint8Array> {
    if (sizeBytes === 0) return;
    const request = Buffer.alloc(4 + 8 + 2 + path.length + 1);
    request.writeUInt32LE(request.length - 4, 0);
    request.writeBigUInt64LE(BigInt(sizeBytes), 4);
    request.writeUInt16LE(path.length, 12);
    request.write(path, 14, 'latin1');
    this.#child.stdin.write(request);
    for (let left = sizeBytes; left > 0; ) {
      const { kind, payload } = await this.#next();
      if (kind !== FRAME.data || payload.length > left) throw unexpected();
      left -= payload.length;
      yield payload;
    }
  }

  async close(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#child.stdin.end();
    this.#child.kill();
    this.#child.stdout.destroy();
    await this.#child.exited.catch(() => undefined);
  }

  async #next(): Promise<{ readonly kind: number; readonly payload: Buffer }> {
    const frame = await this.#frames.next();
    if (this.#signal?.aborted === true)
      throw new EngineError('cancelled', 'Cannot read tree: it was cancelled');
    if (frame === undefined) {
      await this.#child.exited;
      throw new EngineError('internal', 'Cannot read tree: the chisel ended early');
    }
    if (frame.kind === FRAME.failed) throw failureOf(frame.payload);
    return frame;
  }
}

function unexpected(): EngineError {
  return new EngineError('internal', 'Cannot read tree: the chisel sent an unexpected frame');
}

function failureOf(payload: Buffer): EngineError {
  const errno = getSystemErrorName(-payload.readUInt32LE(0));
  const callEnd = 6 + payload.readUInt16LE(4);
  const call = payload.toString('latin1', 6, callEnd);
  const path = payload.toString(
    'latin1',
    callEnd + 3,
    callEnd + 3 + payload.readUInt16LE(callEnd + 1),
  );
  const what = `Cannot read tree: ${path === '' ? 'its root' : quoteName(path)}:`;
  const options = { cause: { errno, call }, details: { errno, call } };
  // A link that is none any more, a directory that became one: somebody wrote meanwhile.
  if (CHANGED.has(errno) || (errno === 'EINVAL' && call === 'readlinkat'))
    return new EngineError('conflict', `${what} it changed while it was read`, options);
  return new EngineError(KINDS[errno] ?? 'internal', `${what} ${errno} (${call})`, options);
}

const CHANGED: ReadonlySet<string> = new Set(['ENOTDIR', 'ELOOP']);
const KINDS: Readonly<Record<string, ErrorKind>> = {
  ENOENT: 'not-found',
  EACCES: 'denied',
  EPERM: 'denied',
  ENAMETOOLONG: 'invalid',
};

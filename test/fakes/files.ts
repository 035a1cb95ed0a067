/** Container files without a file system: what is at a path, and what was written where. */

import { EngineError } from '../../src/base/error.ts';
import type {
  ContainerFiles,
  FilePlace,
  FoundFile,
  WriteFilesRequest,
} from '../../src/layers/container-files.ts';
import type { Walk, WalkEntry } from '../../src/layers/walk.ts';

/** The contract over a map. */
export class FakeFiles implements ContainerFiles {
  /** By path. */
  readonly found = new Map<string, FoundFile>();
  readonly places: FilePlace[] = [];
  readonly writes: (WriteFilesRequest & { readonly bytes: Buffer })[] = [];
  /** Thrown by the next write. */
  failure: EngineError | undefined;
  /** Awaited before each write. */
  beforeWrite: () => Promise<void> = async () => Promise.resolve();

  async stat(place: FilePlace, path: string): Promise<FoundFile> {
    this.places.push(place);
    const found = this.found.get(path);
    if (found !== undefined) return found;
    throw copyFailure('path', 'ENOENT');
  }

  async read(place: FilePlace, path: string): Promise<Walk> {
    const { entry } = await this.stat(place, path);
    return {
      entries: [entry],
      read: async function* (_path: string, sizeBytes: number) {
        yield Buffer.alloc(sizeBytes, 'x');
      },
      close: async () => Promise.resolve(),
    };
  }

  async write(request: WriteFilesRequest, archive: AsyncIterable<Uint8Array>): Promise<void> {
    await this.beforeWrite();
    if (this.failure !== undefined) throw this.failure;
    const chunks: Uint8Array[] = [];
    for await (const chunk of archive) chunks.push(chunk);
    this.writes.push({ ...request, bytes: Buffer.concat(chunks) });
  }
}

/** What the chisel's refusal becomes. */
export function copyFailure(call: string, errno: string, path = ''): EngineError {
  return new EngineError('internal', `Cannot unpack layer: "${path}": ${errno}`, {
    details: { call, errno, path },
  });
}

/** A regular file of `x`es; `facts` say what else it is. */
export function fakeFile(path: string, facts: Partial<WalkEntry> = {}): WalkEntry {
  return {
    path,
    type: 'file',
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtimeS: 1_700_000_000,
    mtimeNs: 5,
    sizeBytes: 3,
    linkKey: undefined,
    linkPath: '',
    deviceMajor: 0,
    deviceMinor: 0,
    xattrs: [],
    below: undefined,
    ...facts,
  };
}

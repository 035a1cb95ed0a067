/** Container files by `chisel copy`. Source: docs/copy-streams.md. */
import type { HostPath } from '../base/brand.ts';
import { EngineError } from '../base/error.ts';
import { spawnChisel } from '../kernel/spawn-chisel.ts';
import { ChiselWalk } from './chisel-walk.ts';
import type { ContainerFiles, FilePlace, FoundFile, WriteFilesRequest } from './container-files.ts';
import { extractArchive } from './extract.ts';
import { interruptible } from './interruptible.ts';
import { UnpackChild } from './unpack-child.ts';
import type { Walk } from './walk.ts';

/** Starts a chisel for each call. */
export class ChiselFiles implements ContainerFiles {
  readonly #chiselPath: HostPath;

  constructor(chiselPath: HostPath) {
    this.#chiselPath = chiselPath;
  }

  async stat(place: FilePlace, path: string, signal?: AbortSignal): Promise<FoundFile> {
    const walk = await this.#walk('stat', { place, path, signal });
    await walk.close();
    const [entry] = walk.entries;
    if (entry === undefined)
      throw new EngineError('internal', `Cannot look at ${path}: the chisel said nothing`);
    const target = entry.type === 'symlink' ? await this.#resolve(place, path) : undefined;
    return { entry, target };
  }

  async read(place: FilePlace, path: string, signal?: AbortSignal): Promise<Walk> {
    return this.#walk('list', { place, path, signal });
  }

  async write(request: WriteFilesRequest, archive: AsyncIterable<Uint8Array>): Promise<void> {
    const { place, path, keepKinds, owner, signal } = request;
    const flags = keepKinds ? 'k' : '';
    const args = ['copy', 'in', ...wordsOf(place), checked(path), flags];
    const child = new UnpackChild(this.#chiselPath, args);
    const onAbort = (): void => void child.kill();
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      if (signal?.aborted === true) onAbort();
      const source = signal === undefined ? archive : interruptible(archive, signal);
      await extractArchive(source, { child, owner });
    } catch (error) {
      await child.kill();
      if (signal?.aborted === true)
        throw new EngineError('cancelled', `Cannot copy to ${path}: it was cancelled`);
      throw error;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  async #walk(
    verb: 'stat' | 'list',
    what: {
      readonly place: FilePlace;
      readonly path: string;
      readonly signal: AbortSignal | undefined;
    },
  ): Promise<ChiselWalk> {
    const args = ['copy', verb, ...wordsOf(what.place), checked(what.path)];
    const walk = new ChiselWalk(spawnChisel(this.#chiselPath, args), what.signal);
    try {
      await walk.readEntries();
      return walk;
    } catch (error) {
      await walk.close();
      throw error;
    }
  }

  /** Where a link leads, below the place. */
  async #resolve(place: FilePlace, path: string): Promise<string | undefined> {
    const args = ['copy', 'resolve', ...wordsOf(place), checked(path)];
    const child = spawnChisel(this.#chiselPath, args);
    child.stdin.end();
    const chunks: Buffer[] = [];
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) chunks.push(chunk);
    await child.exited;
    const target = Buffer.concat(chunks).toString('utf8');
    if (!target.startsWith(place.below)) return undefined;
    const inside = target.slice(place.below.length);
    return target === '' ? undefined : inside === '' ? '/' : inside;
  }
}

function wordsOf({ pid, startTicks, below }: FilePlace): readonly string[] {
  return [String(pid), String(startTicks), below];
}

/** Arguments end at a NUL. */
function checked(path: string): string {
  if (path.includes('\0')) throw new EngineError('invalid', 'A path cannot hold a NUL');
  return path;
}

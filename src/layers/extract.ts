/**
 * An archive → operations in a directory that is in use: objects replace what
 * has their name, directories are kept and get the archive's attributes.
 *
 * **Invariant:** a path is only ever components below the target; what a link
 * in the container makes of them stays in the container.
 * Source: Docker Engine API 1.51, PutContainerArchive; docs/copy-streams.md.
 */
import { EngineError } from '../base/error.ts';
import { checkDevice, checkPathLength, checkSymlink } from './check-entry.ts';
import { decompress } from './decompress.ts';
import { blameInput } from './input-error.ts';
import { splitLayerPath } from './layer-path.ts';
import type { WriterAttributes } from './layer-writer.ts';
import { quoteName, type TarEntry } from './tar-entry.ts';
import { readTar, type TarItem } from './tar-stream.ts';
import { attributesOf } from './tree-attributes.ts';
import type { UnpackChild } from './unpack-child.ts';
import { UnpackEncoder } from './unpack-ops.ts';

/** Where the operations go. */
export interface ExtractOptions {
  readonly child: Pick<UnpackChild, 'write' | 'finish'>;
  /** Owner of everything; `undefined`: what the archive says. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
}

/** Extract all of it. Errors: `corrupt`, `invalid`, `exhausted` for the archive; those of the chisel. */
export async function extractArchive(
  archive: AsyncIterable<Uint8Array>,
  options: ExtractOptions,
): Promise<void> {
  try {
    await extract(archive, options);
  } catch (error) {
    throw blameInput(error);
  }
}

async function extract(
  archive: AsyncIterable<Uint8Array>,
  { child, owner }: ExtractOptions,
): Promise<void> {
  const extraction = new Extraction(owner);
  const { encoder } = extraction;
  const flush = async (): Promise<void> => {
    for (const batch of encoder.takeBatches()) {
      await child.write(batch, () => {
        encoder.recycle(batch);
      });
    }
  };
  for await (const item of readTar(decompress(archive))) {
    for await (const _ of extraction.add(item)) await flush();
    await flush();
  }
  extraction.end();
  await flush();
  await child.finish();
}

/** What was done so far. */
class Extraction {
  readonly encoder: UnpackEncoder = new UnpackEncoder({ sync: false });
  readonly #owner: ExtractOptions['owner'];
  /** Of the target, where the chisel is. */
  #directory = '';
  /** Directories of the archive: what is made in one changes its time. */
  readonly #directories = new Map<string, WriterAttributes>();

  constructor(owner: ExtractOptions['owner']) {
    this.#owner = owner;
  }

  /** Adds an entry; yields now and then, when there may be enough to send. */
  async *add({ entry, pieces }: TarItem): AsyncGenerator<void> {
    const components = splitLayerPath(entry.path, refuse);
    checkPathLength(entry.path.length, entry, refuse);
    const attributes = this.#attributesOf(entry);
    if (entry.type === 'directory') {
      this.#addDirectory(components, attributes);
      return;
    }
    const name = components.at(-1);
    if (name === undefined)
      throw refuse(entry.path, 'is no directory, but names the target itself');
    this.#directories.delete(components.join('/'));
    this.#enter(components.slice(0, -1).join('/'));
    if (entry.type !== 'file') {
      this.#addSpecial(entry, name, attributes);
      return;
    }
    const { sizeBytes, dataBytes } = entry;
    this.encoder.beginFile({ name, sizeBytes, isDense: dataBytes === sizeBytes, attributes });
    for await (const { chunk, offsetBytes } of pieces) {
      this.encoder.fileData(chunk, offsetBytes);
      yield;
    }
    this.encoder.endFile();
  }

  /** Everything was added. */
  end(): void {
    for (const [path, attributes] of [...this.#directories].toReversed()) {
      this.#enter(path);
      this.encoder.setAttributes(attributes);
    }
    this.encoder.end();
  }

  #addDirectory(components: readonly string[], attributes: WriterAttributes): void {
    const path = components.join('/');
    const name = components.at(-1);
    if (name !== undefined) {
      this.#enter(components.slice(0, -1).join('/'));
      this.encoder.makeDirectory(name);
    }
    this.#enter(path);
    // Now for who may look into it, at the end for its time.
    this.encoder.setAttributes(attributes);
    this.#directories.delete(path);
    this.#directories.set(path, attributes);
  }

  #addSpecial(entry: TarEntry, name: string, attributes: WriterAttributes): void {
    const { type, linkPath, deviceMajor: major, deviceMinor: minor } = entry;
    switch (type) {
      case 'symlink':
        checkSymlink(entry, refuse);
        this.encoder.makeSymlink(name, linkPath, attributes);
        return;
      case 'hardlink': {
        const target = splitLayerPath(linkPath, refuse);
        const targetName = target.at(-1);
        if (targetName === undefined) throw refuse(entry.path, 'is a hard link to a directory');
        this.encoder.makeLink(name, target.slice(0, -1).join('/'), targetName);
        return;
      }
      case 'char':
      case 'block':
      case 'fifo':
        checkDevice(entry, refuse);
        this.encoder.makeNode({ name, type, major, minor, attributes });
        return;
      case 'file':
      case 'directory':
    }
  }

  #enter(path: string): void {
    if (path === this.#directory) return;
    this.encoder.changeDirectory(path);
    this.#directory = path;
  }

  #attributesOf(entry: TarEntry): WriterAttributes {
    const attributes = attributesOf(entry);
    return this.#owner === undefined ? attributes : { ...attributes, ...this.#owner };
  }
}

function refuse(path: string, why: string): EngineError {
  return new EngineError('invalid', `Cannot extract archive: ${quoteName(path)} ${why}`);
}

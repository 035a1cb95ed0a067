/**
 * Manifest lists that are not pushed yet, kept beside the configuration file
 * as docker keeps them: a directory a list, a file a manifest.
 *
 * **Invariant:** a file name has no slash in it, and a file is whole or absent.
 * Source: docker's `manifest` commands (names of directories and files).
 */

import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EngineError, messageOf } from '../../base/error.ts';
import {
  formatReference,
  parseReference,
  withDefaultTag,
  type Reference,
} from '../../spec/reference.ts';
import type { ClientConfig } from '../config/config.ts';
import { decodeManifest, encodeManifest, type LocalManifest } from './local-manifest.ts';

/** The lists of one user. */
export class ManifestLists {
  readonly #root: string;

  constructor(config: ClientConfig) {
    if (config.path === '')
      throw new EngineError(
        'unavailable',
        'Cannot keep manifest lists: there is no home directory; set DOCKER_CONFIG',
      );
    this.#root = join(dirname(config.path), 'manifests');
  }

  /** Manifests of a list in the order of their names; `undefined` when there is no such list. */
  async read(list: Reference): Promise<readonly LocalManifest[] | undefined> {
    const names = await this.#names(list);
    if (names === undefined) return undefined;
    return await Promise.all(names.map(async (name) => await this.#file(this.#place(list, name))));
  }

  /** One manifest of a list; `undefined` when it is not in it. */
  async find(list: Reference, image: Reference): Promise<LocalManifest | undefined> {
    const name = fileName(image);
    const names = (await this.#names(list)) ?? [];
    return names.includes(name) ? await this.#file(this.#place(list, name)) : undefined;
  }

  /** Store a manifest under the name of `image`. Errors: `unavailable`. */
  async write(list: Reference, image: Reference, manifest: LocalManifest): Promise<void> {
    const path = this.#place(list, fileName(image));
    const partial = `${dirname(path)}.${String(process.pid)}.partial`;
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o755 });
      const file = await open(partial, 'wx', 0o644);
      try {
        await file.writeFile(encodeManifest(manifest));
      } finally {
        await file.close();
      }
      await rename(partial, path);
    } catch (cause) {
      await rm(partial, { force: true });
      throw new EngineError('unavailable', `Cannot write ${path}: ${messageOf(cause)}`, { cause });
    }
  }

  /** Forget a list; `false` when there was none. */
  async remove(list: Reference): Promise<boolean> {
    if ((await this.#names(list)) === undefined) return false;
    await rm(this.#place(list), { recursive: true, force: true });
    return true;
  }

  async #names(list: Reference): Promise<readonly string[] | undefined> {
    try {
      return (await readdir(this.#place(list))).toSorted();
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw new EngineError(
        'unavailable',
        `Cannot read the manifest list ${formatReference(list)}: ${messageOf(error)}`,
      );
    }
  }

  async #file(path: string): Promise<LocalManifest> {
    const manifest = decodeManifest(await readFile(path, 'utf8'));
    if (manifest === undefined)
      throw new EngineError('invalid', `Cannot use the manifest list: ${path} is damaged`);
    return manifest;
  }

  #place(list: Reference, name = ''): string {
    return join(this.#root, fileName(list), name);
  }
}

/** A reference as the name of a file. */
export function fileName(reference: Reference): string {
  return formatReference(reference).replaceAll('/', '_').replaceAll(':', '-');
}

/** A reference with its tag. Errors: `invalid`. */
export function referenceOf(text: string): Reference {
  return withDefaultTag(parseReference(text));
}

/** Docker's words for a list or manifest that is not kept here. */
export function noSuchManifest(reference: Reference): EngineError {
  return new EngineError('not-found', `No such manifest: ${formatReference(reference)}`);
}

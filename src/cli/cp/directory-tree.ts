/**
 * Writing below one directory without ever following a link in it: every step
 * down opens the next directory by its parent's descriptor and refuses links,
 * so neither an archive nor somebody who swaps paths meanwhile leads out.
 *
 * A descriptor's entries are reached as `/proc/self/fd/N/name`, which is what
 * `openat` does.
 *
 * Source: proc(5), /proc/PID/fd; open(2), O_NOFOLLOW, O_DIRECTORY.
 */

import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  type Stats,
} from 'node:fs';
import { EngineError } from '../../base/error.ts';

/** What a file gets beside its content. */
export interface FileAttributes {
  /** Permission bits. */
  readonly mode: number;
  /** Seconds since the epoch. */
  readonly mtimeS: number;
  /** Left as they are when `undefined`. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
}

const openDirectoryFlags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const createFlags =
  constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Names are byte strings (latin1), as archives have them. */
export class DirectoryTree implements Disposable {
  /** Open directories from the root down to where the last entry was. */
  readonly #open: { readonly name: string; readonly fd: number }[];
  readonly #shown: string;
  /** Attributes of directories; set at the end, as writing into them changes their time. */
  readonly #pending: {
    readonly components: readonly string[];
    readonly attributes: FileAttributes;
  }[] = [];

  /** `path` itself is the user's own word: links in it are followed. Throws `not-found`. */
  constructor(path: string) {
    this.#shown = path;
    try {
      this.#open = [{ name: '', fd: openSync(path, constants.O_RDONLY | constants.O_DIRECTORY) }];
    } catch (error) {
      throw new EngineError('not-found', `Cannot copy to ${path}: there is no such directory`, {
        cause: error,
      });
    }
  }

  /** A new empty file, in place of any other; the caller writes and closes it. */
  createFile(components: readonly string[]): number {
    const path = this.#place(components, 'other');
    return openSync(path, createFlags, 0o600);
  }

  /** Attributes of a file that was just written. */
  finishFile(fd: number, { mode, mtimeS, owner }: FileAttributes): void {
    if (owner !== undefined) fchownSync(fd, owner.uid, owner.gid);
    fchmodSync(fd, mode & 0o7777);
    futimesSync(fd, mtimeS, mtimeS);
  }

  /** A directory, there already or new. */
  makeDirectory(components: readonly string[], attributes: FileAttributes): void {
    if (components.length > 0) {
      const path = this.#place(components, 'directory');
      if (statOf(path) === undefined) mkdirSync(path, 0o700);
      this.#pending.push({ components, attributes });
    }
  }

  makeSymlink(
    components: readonly string[],
    target: string,
    { mtimeS, owner }: FileAttributes,
  ): void {
    const path = this.#place(components, 'other');
    symlinkSync(Buffer.from(target, 'latin1'), path);
    if (owner !== undefined) lchownSync(path, owner.uid, owner.gid);
    lutimesSync(path, mtimeS, mtimeS);
  }

  /** Another name of a file of the same copy. */
  makeHardLink(components: readonly string[], target: readonly string[]): void {
    const directory = openSync(
      this.#pathIn(this.#parent(target), ''),
      constants.O_RDONLY | constants.O_DIRECTORY,
    );
    try {
      linkSync(this.#pathIn(directory, target.at(-1) ?? ''), this.#place(components, 'other'));
    } finally {
      closeSync(directory);
    }
  }

  /** Sets what waited for the end. */
  finish(): void {
    for (const { components, attributes } of this.#pending.toReversed()) {
      const fd = openSync(
        this.#pathIn(this.#parent(components), components.at(-1) ?? ''),
        openDirectoryFlags,
      );
      try {
        this.finishFile(fd, attributes);
      } finally {
        closeSync(fd);
      }
    }
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#open.splice(0)) closeSync(fd);
  }

  /** The path of a new entry; what is in its way is removed, unless it is a directory and the entry is not. */
  #place(components: readonly string[], kind: 'directory' | 'other'): Buffer {
    const name = components.at(-1);
    if (name === undefined)
      throw new EngineError('invalid', `Cannot copy to ${this.#shown}: it is a directory`);
    const path = this.#pathIn(this.#parent(components), name);
    const found = statOf(path);
    if (found === undefined) return path;
    if (kind === 'directory' && found.isDirectory()) return path;
    if (kind === 'directory') throw this.#inTheWay(components, 'a file', 'a directory');
    if (!found.isDirectory()) {
      unlinkSync(path);
      return path;
    }
    try {
      rmdirSync(path);
    } catch {
      throw this.#inTheWay(components, 'a directory', 'a file');
    }
    return path;
  }

  #inTheWay(components: readonly string[], found: string, wanted: string): EngineError {
    const shown = Buffer.from(components.join('/'), 'latin1').toString('utf8');
    return new EngineError(
      'conflict',
      `Cannot copy: ${JSON.stringify(shown)} is ${found} in ${this.#shown} and ${wanted} in the copy`,
    );
  }

  /** Descriptor of the directory an entry is in. */
  #parent(components: readonly string[]): number {
    const wanted = components.slice(0, -1);
    let depth = 0;
    while (depth < wanted.length && this.#open[depth + 1]?.name === wanted[depth]) depth++;
    for (const { fd } of this.#open.splice(depth + 1)) closeSync(fd);
    for (const name of wanted.slice(depth)) {
      const path = this.#pathIn(this.#open.at(-1)?.fd ?? -1, name);
      try {
        this.#open.push({ name, fd: openSync(path, openDirectoryFlags) });
      } catch (error) {
        throw new EngineError(
          'conflict',
          `Cannot copy into ${this.#shown}: ${JSON.stringify(name)} is not a directory there`,
          { cause: error },
        );
      }
    }
    return this.#open.at(-1)?.fd ?? -1;
  }

  #pathIn(fd: number, name: string): Buffer {
    return Buffer.from(`/proc/self/fd/${String(fd)}/${name}`, 'latin1');
  }
}

function statOf(path: Buffer): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

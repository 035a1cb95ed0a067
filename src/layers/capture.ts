/**
 * Keeps the content of the few small files a start needs (`etc/passwd`,
 * `etc/group`) while their layer goes by, so that no start opens a file in a
 * container's tree. Source: docs/security.md rows R13 and F8.
 */
import {
  CAPTURE_MAX_BYTES,
  CAPTURED_PATHS,
  type CapturedFile,
  type CapturedPath,
} from '../spec/layer.ts';
import type { TarEntry } from './tar-entry.ts';
import type { TreeDirectory, TreeNode } from './tree-node.ts';

const NAMES: ReadonlySet<string> = new Set(
  CAPTURED_PATHS.map((path) => path.slice(path.lastIndexOf('/') + 1)),
);

/** Contents by path in the layer. */
export class CaptureTable {
  readonly #texts = new Map<string, string>();
  #open: { readonly path: string; readonly content: Buffer } | undefined;

  /** A file begins at `path`: keep its data when it is wanted. */
  begin(path: string, entry: TarEntry): void {
    const isWanted = (CAPTURED_PATHS as readonly string[]).includes(path);
    const isSmall = entry.sizeBytes <= CAPTURE_MAX_BYTES && entry.dataBytes === entry.sizeBytes;
    this.#open = isWanted && isSmall ? { path, content: Buffer.alloc(entry.sizeBytes) } : undefined;
  }

  data(chunk: Uint8Array, offsetBytes: number): void {
    this.#open?.content.set(chunk, offsetBytes);
  }

  end(): void {
    if (this.#open !== undefined)
      this.#texts.set(this.#open.path, this.#open.content.toString('utf8'));
    this.#open = undefined;
  }

  /** What stood at `path` is gone. */
  forget(path: string): void {
    this.#texts.delete(path);
  }

  /** Cheap test before a path is put together. */
  static mayWant(name: string): boolean {
    return NAMES.has(name);
  }

  /** What the finished tree says about each captured path. `isBelowHidden`: the root hides the layers below. */
  results(
    root: TreeDirectory,
    isBelowHidden: boolean,
  ): Readonly<Record<CapturedPath, CapturedFile>> {
    const of = (path: CapturedPath): CapturedFile => this.#result(root, isBelowHidden, path);
    return { 'etc/passwd': of('etc/passwd'), 'etc/group': of('etc/group') };
  }

  #result(root: TreeDirectory, isBelowHidden: boolean, path: CapturedPath): CapturedFile {
    let directory = root;
    let isHidden = isBelowHidden;
    const components = path.split('/');
    for (const [index, name] of components.entries()) {
      const node: TreeNode | undefined = directory.children.get(name);
      const isLast = index === components.length - 1;
      isHidden = isHidden || directory.isOpaque || directory.whiteouts.has(name);
      if (node === undefined) return isHidden ? { kind: 'absent' } : { kind: 'unchanged' };
      if (typeof node === 'number') return isLast ? this.#file(path) : { kind: 'absent' };
      if (node === 'special' || node.kind !== 'directory' || isLast) return { kind: 'elsewhere' };
      directory = node;
    }
    return { kind: 'unchanged' };
  }

  #file(path: string): CapturedFile {
    const text = this.#texts.get(path);
    return text === undefined ? { kind: 'elsewhere' } : { kind: 'text', text };
  }
}

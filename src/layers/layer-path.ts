/**
 * Names in a layer: from the text of an archive to components that are safe to
 * use one at a time, and what a name that starts with `.wh.` means.
 *
 * **Invariant:** a returned component is never empty, `.`, `..`, longer than
 * 255 bytes, and holds no slash and no NUL.
 * Source: OCI image-spec 1.1.1 layer.md "Whiteouts"; docs/security.md rows F1, F3.
 */
import { EngineError } from '../base/error.ts';
import { quoteName } from './tar-entry.ts';

/** Longest component in bytes. Source: path_resolution(7). */
export const NAME_BYTES_MAX = 255;
/** Longest path in bytes that the kernel takes, its NUL excluded. */
export const PATH_BYTES_MAX = 4095;

/**
 * Components of an archive's path below the layer's root; empty for the root
 * itself. A leading slash means the root. Errors: `invalid`, made by `fail`.
 */
export function splitLayerPath(path: string, fail: typeof refuse = refuse): readonly string[] {
  const components: string[] = [];
  for (const component of path.split('/')) {
    if (component === '' || component === '.') continue;
    if (component === '..') throw fail(path, 'leads out of its directory with ".."');
    if (component.length > NAME_BYTES_MAX)
      throw fail(path, `has a component longer than ${NAME_BYTES_MAX} bytes`);
    if (component.includes('\0')) throw fail(path, 'holds a NUL byte');
    components.push(component);
  }
  return components;
}

/** What the last component of an entry says. */
export type EntryName =
  | { readonly kind: 'plain'; readonly name: string }
  /** Hides `name` of the layers below. */
  | { readonly kind: 'whiteout'; readonly name: string }
  /** Hides all that the layers below have in the directory. */
  | { readonly kind: 'opaque' }
  /** Bookkeeping of an old file system; means nothing here. */
  | { readonly kind: 'ignored' };

const WHITEOUT = '.wh.';
const META = '.wh..wh.';
const OPAQUE = '.wh..wh..opq';

/** Meaning of an entry by its components. Errors: `invalid`. Precondition: not the root. */
export function classifyEntry(components: readonly string[], path: string): EntryName {
  const directories = components.slice(0, -1);
  if (directories.some((component) => component.startsWith(META))) return { kind: 'ignored' };
  if (directories.some((component) => component.startsWith(WHITEOUT)))
    throw refuse(path, 'lies below a whiteout');
  const name = components.at(-1) ?? '';
  if (name === OPAQUE) return { kind: 'opaque' };
  if (name.startsWith(META)) return { kind: 'ignored' };
  if (!name.startsWith(WHITEOUT)) return { kind: 'plain', name };
  const hidden = name.slice(WHITEOUT.length);
  if (hidden === '' || hidden === '.' || hidden === '..')
    throw refuse(path, 'is a whiteout of no name');
  return { kind: 'whiteout', name: hidden };
}

/** An error about one entry: `Cannot unpack layer: "a/../b" leads …`. */
export function refuse(path: string, why: string): EngineError {
  return new EngineError('invalid', `Cannot unpack layer: ${quoteName(path)} ${why}`);
}

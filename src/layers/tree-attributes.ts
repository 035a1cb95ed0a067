/**
 * Which attributes of an archive's entry reach the disk.
 *
 * **Invariant:** only `security.capability` and `user.*` are ever set from a
 * layer; overlayfs' own attributes, `trusted.*` and labels of security modules
 * never. Source: xattr(7); docs/security.md row F4.
 */
import { refuse } from './layer-path.ts';
import type { WriterAttributes, WriterXattr } from './layer-writer.ts';
import type { TarEntry } from './tar-entry.ts';

const NAME_MAX = 255;
/** XATTR_SIZE_MAX of the kernel, in bytes. */
const VALUE_MAX = 65_536;
const COUNT_MAX = 256;

/** Attributes to write for an entry. Errors: `invalid`. */
export function attributesOf(entry: TarEntry): WriterAttributes {
  return {
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    mtimeS: entry.mtimeS,
    mtimeNs: entry.mtimeNs,
    xattrs: entry.xattrs.length === 0 ? NONE : allowedXattrs(entry),
  };
}

const NONE: readonly WriterXattr[] = [];

/** True for an attribute that layers carry. */
export function isLayerXattr(name: string): boolean {
  return (
    name === 'security.capability' ||
    (name.startsWith('user.') && !name.startsWith('user.overlay.'))
  );
}

function allowedXattrs(entry: TarEntry): readonly WriterXattr[] {
  const allowed = entry.xattrs.filter(({ name }) => isLayerXattr(name));
  if (allowed.length > COUNT_MAX)
    throw refuse(entry.path, `has more than ${COUNT_MAX} extended attributes`);
  return allowed.map(({ name, value }) => {
    if (name.length > NAME_MAX || name.includes('\0'))
      throw refuse(entry.path, 'has an extended attribute with an unusable name');
    if (value.length > VALUE_MAX)
      throw refuse(entry.path, `has an extended attribute larger than ${VALUE_MAX} bytes`);
    return { name, value, isOptional: name.startsWith('user.') };
  });
}

/**
 * Facts about an unpacked layer that travel between the folders that unpack,
 * keep and use layers and never import each other.
 *
 * Source: carve's own; docs/architecture.md "Invariants" 3 and 4.
 */
import type { Digest } from '../base/brand.ts';

/** Attributes of a layer's root directory: an overlay shows those of its topmost directory. Source: inode(7). */
export interface RootAttributes {
  /** Permission bits, 0..0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * What a layer does to one small file that a start needs:
 * leaves it, removes it, holds its text, or holds something whose content is
 * only known by resolving it in the container's root (a symbolic link, a hard
 * link, a file above {@link CAPTURE_MAX_BYTES}). Source: carve's own.
 */
export type CapturedFile =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'absent' }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'elsewhere' };

/** Files whose content is kept with the layer, so that no start opens a file in a container's tree. */
export const CAPTURED_PATHS = ['etc/passwd', 'etc/group'] as const;

/** One of {@link CAPTURED_PATHS}. */
export type CapturedPath = (typeof CAPTURED_PATHS)[number];

/** Larger files are not captured; in bytes. */
export const CAPTURE_MAX_BYTES: number = 1024 * 1024;

/** What is known about a layer once it is unpacked. Source: carve's own. */
export interface LayerFacts {
  readonly diffId: Digest;
  /** Sum of the sizes of its regular files in bytes, hard links counted once. */
  readonly sizeBytes: number;
  /** Count of its files, directories and other entries. */
  readonly entries: number;
  /** Attributes of the root directory with this layer on top: its own, else its parent's. */
  readonly root: RootAttributes;
  /** The layer replaces the whole root (an opaque root directory): the layers below it are not mounted. */
  readonly hidesBelow?: true;
  readonly captured: Readonly<Record<CapturedPath, CapturedFile>>;
}

/** The root directory of a layer that has none below it and does not describe it. */
export const DEFAULT_ROOT: RootAttributes = { mode: 0o755, uid: 0, gid: 0 };

/** The captured files of a whole image: the topmost layer that says something wins. */
export function mergeCaptured(
  layers: readonly LayerFacts[],
): Readonly<Record<CapturedPath, CapturedFile>> {
  const lastOf = (path: CapturedPath): CapturedFile =>
    layers.findLast((layer) => layer.captured[path].kind !== 'unchanged')?.captured[path] ?? {
      kind: 'absent',
    };
  return { 'etc/passwd': lastOf('etc/passwd'), 'etc/group': lastOf('etc/group') };
}

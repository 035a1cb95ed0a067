/** What a layer's tree in memory is made of. */

import type { WriterAttributes } from './layer-writer.ts';

/** A directory of the layer. */
export interface TreeDirectory {
  readonly kind: 'directory';
  /** Below the root, `''` for the root. */
  readonly path: string;
  readonly parent: TreeDirectory | undefined;
  readonly children: Map<string, TreeNode>;
  /** Names of the layers below that are hidden. */
  readonly whiteouts: Set<string>;
  /** Nothing of the layers below shows through. */
  isOpaque: boolean;
  /** `undefined`: only implied by a path; `impliedAt` then tells when. */
  attributes: WriterAttributes | undefined;
  /** Seconds since the epoch. */
  readonly impliedAtS: number;
}

/** A symbolic link of the layer. */
export interface TreeSymlink {
  readonly kind: 'symlink';
  readonly target: string;
}

/** A hard link to a file of a layer below: a copy of it, made at the end. */
export interface TreeCopy {
  readonly kind: 'copy';
  /** Below the root. */
  readonly from: string;
}

/** Anything in a directory; a number is a file of that many bytes, `special` a device or fifo. */
export type TreeNode = TreeDirectory | TreeSymlink | TreeCopy | number | 'special';

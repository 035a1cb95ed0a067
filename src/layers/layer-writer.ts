/**
 * What a layer's tree needs to be written to a directory: the narrow interface
 * between the code that decides (`tree.ts`) and the code that encodes
 * (`unpack-ops.ts`). Paths and names are byte strings.
 */

/** An extended attribute to set. */
export interface WriterXattr {
  readonly name: string;
  readonly value: Uint8Array;
  /** A file system or object that does not take it is no failure. */
  readonly isOptional: boolean;
}

/** Attributes of one object. */
export interface WriterAttributes {
  /** Permission bits, 0..0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since the epoch. */
  readonly mtimeS: number;
  readonly mtimeNs: number;
  readonly xattrs: readonly WriterXattr[];
}

/** Kinds of nodes without content. */
export type NodeType = 'char' | 'block' | 'fifo';

/** A file to write. */
export interface WriterFile {
  readonly name: string;
  readonly sizeBytes: number;
  /** All of its bytes come; else what does not come is a hole. */
  readonly isDense: boolean;
  readonly attributes: WriterAttributes;
}

/** A device or fifo to write. */
export interface WriterNode {
  readonly name: string;
  readonly type: NodeType;
  readonly major: number;
  readonly minor: number;
  readonly attributes: WriterAttributes;
}

/** Writes objects one by one; names are single components of the current directory. */
export interface LayerWriter {
  /** Make the directory at `path` (below the layer's root, `''` is the root) the current one. */
  changeDirectory(path: string): void;
  makeDirectory(name: string): void;
  /** Exactly `sizeBytes` of {@link fileData} from offset 0 on follow, then {@link endFile}; a file that is not dense may have holes. */
  beginFile(file: WriterFile): void;
  fileData(chunk: Uint8Array, offsetBytes: number): void;
  endFile(): void;
  makeSymlink(name: string, target: string, attributes: WriterAttributes): void;
  /** Hard link to `targetName` in the directory `targetDirectory`. */
  makeLink(name: string, targetDirectory: string, targetName: string): void;
  makeNode(node: WriterNode): void;
  unlink(name: string): void;
  removeDirectory(name: string): void;
  /** Attributes of the current directory. */
  setAttributes(attributes: WriterAttributes): void;
  /** The current directory gets the attributes that `path` has in the layers below; `fallback` where it is none there. The attributes' xattrs are set in both cases. */
  inheritAttributes(path: string, fallback: WriterAttributes): void;
  /** Copy the file `path` of the layers below to `name`. */
  copyFromBelow(name: string, path: string): void;
  /** Only the topmost `count` layers below are looked at from now on. */
  limitBelow(count: number): void;
}

/**
 * The tree of one layer, kept in memory while its archive goes by. It decides
 * where each entry lands and writes it at once; whiteouts and the attributes of
 * directories are written at the end.
 *
 * **Invariants**
 * - The directory starts empty, so this tree is the truth: nothing on the disk
 *   is ever looked at, and a link found there is never followed. Links of the
 *   layer itself are resolved here, inside its root.
 * - The last entry of a name wins; a directory over a directory keeps its
 *   content; whiteouts concern the layers below, wherever they stand.
 *
 * Source: OCI image-spec 1.1.1 layer.md; docs/architecture.md invariant 4.
 */
import { DEFAULT_ROOT, type RootAttributes } from '../spec/layer.ts';
import { checkDevice, checkPathLength, checkSymlink } from './check-entry.ts';
import { classifyEntry, PATH_BYTES_MAX, refuse, splitLayerPath } from './layer-path.ts';
import type { LayerWriter, WriterNode, WriterXattr } from './layer-writer.ts';
import { CaptureTable } from './capture.ts';
import { archiveTooLarge, quoteName, type TarEntry } from './tar-entry.ts';
import { attributesOf } from './tree-attributes.ts';
import type { TreeDirectory, TreeNode } from './tree-node.ts';

/** What the layers below look like; known once they are unpacked themselves. */
export interface BelowFacts {
  readonly root: RootAttributes;
  /** How many of them, from the top, are not hidden by one above. */
  readonly visibleCount: number;
}

/** How a layer is to be written. */
export interface TreeOptions {
  /** There are layers below: whiteouts and links to their files mean something. */
  readonly hasParent: boolean;
  /** Name space of overlayfs' own attributes: `user` in a user namespace. */
  readonly overlayXattrs: 'trusted' | 'user';
  /** Leave device nodes out (a user namespace cannot make them). */
  readonly skipDevices: boolean;
}

/** What is known once a tree is written. */
export interface TreeFacts {
  readonly sizeBytes: number;
  /** Count. */
  readonly entries: number;
  readonly root: RootAttributes;
  readonly hidesBelow: boolean;
}

/** Bytes of paths and link targets that are kept of one layer: 64 for each of as many entries as there may be. */
const NAMES_BYTES_MAX = 128 * 1024 * 1024;
/** Links followed while one path is resolved, as the kernel's limit. */
const SYMLINKS_MAX = 40;

/** Takes the entries of one layer in order. Not usable after an error. */
export class LayerTree {
  readonly captures: CaptureTable = new CaptureTable();
  readonly #writer: LayerWriter;
  readonly #options: TreeOptions;
  readonly #root: TreeDirectory = newDirectory('', undefined, 0);
  #current: TreeDirectory = this.#root;
  #entries = 0;
  #sizeBytes = 0;
  #namesBytes = 0;
  /** The directory of the last entry, so that a run of files in one directory resolves once. */
  #lastPath: string | undefined;
  #lastDirectory: TreeDirectory = this.#root;

  constructor(writer: LayerWriter, options: TreeOptions) {
    this.#writer = writer;
    this.#options = options;
  }

  get root(): TreeDirectory {
    return this.#root;
  }

  /** Place an entry. True when its data is wanted: hand it to the writer, then call `endFile`. Errors: `invalid`. */
  addEntry(entry: TarEntry): boolean {
    this.#countNames(entry.path.length + entry.linkPath.length);
    const components = splitLayerPath(entry.path);
    if (components.length === 0) {
      if (entry.type !== 'directory')
        throw refuse(entry.path, 'names the root, which is a directory');
      this.#root.attributes = attributesOf(entry);
      return false;
    }
    const name = classifyEntry(components, entry.path);
    if (name.kind === 'ignored') return false;
    const directory = this.#parentOf(components, entry);
    switch (name.kind) {
      case 'plain':
        return this.#place(directory, name.name, entry);
      case 'whiteout':
        checkWhiteout(entry);
        directory.whiteouts.add(name.name);
        return false;
      case 'opaque':
        checkWhiteout(entry);
        directory.isOpaque = true;
        return false;
    }
  }

  /** Write what had to wait for the whole archive and for the layers below (`undefined`: there are none). */
  finish(below: BelowFacts | undefined): TreeFacts {
    if (below !== undefined) this.#writer.limitBelow(below.visibleCount);
    const hidesBelow = this.#options.hasParent && this.#root.isOpaque;
    const root = this.#root.attributes ?? {
      ...(below?.root ?? DEFAULT_ROOT),
      mtimeS: 0,
      mtimeNs: 0,
      xattrs: [],
    };
    // One that the layer does not speak of looks in all as it does below.
    if (below === undefined || hidesBelow) this.#root.attributes = root;
    // An overlay always merges its layers' roots: an opaque root is the snapshot store's matter (`hidesBelow`).
    this.#root.isOpaque = false;
    this.#finishDirectory(this.#root, hidesBelow);
    return {
      sizeBytes: this.#sizeBytes,
      entries: this.#entries,
      root: { mode: root.mode, uid: root.uid, gid: root.gid },
      hidesBelow,
    };
  }

  // ── where an entry goes ──────────────────────────────────────────────────

  #parentOf(components: readonly string[], entry: TarEntry): TreeDirectory {
    const slash = entry.path.lastIndexOf('/');
    const last = entry.path.slice(slash + 1);
    // `a/` and `a/.` name the directory itself, not something in it.
    const path = last === '' || last === '.' ? undefined : entry.path.slice(0, slash + 1);
    if (path !== undefined && path === this.#lastPath) return this.#lastDirectory;
    const directory = this.#resolve(components.slice(0, -1), entry, true);
    if (directory === undefined) throw refuse(entry.path, 'has no directory');
    this.#lastPath = path;
    this.#lastDirectory = directory;
    return directory;
  }

  /** Walk down from the root through the layer's own links. Missing directories are made when `isCreating`. */
  #resolve(
    components: readonly string[],
    entry: TarEntry,
    isCreating: boolean,
  ): TreeDirectory | undefined {
    const pending = components.toReversed();
    let directory: TreeDirectory | undefined = this.#root;
    let links = 0;
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      const child: TreeNode | undefined = stepOf(directory, name);
      if (child === undefined) {
        if (!isCreating) return undefined;
        directory = this.#makeDirectory(directory, name, entry);
      } else if (isDirectory(child)) {
        directory = child;
      } else if (isKind(child, 'symlink')) {
        if (++links > SYMLINKS_MAX)
          throw refuse(entry.path, 'goes through too many symbolic links');
        if (child.target.startsWith('/')) directory = this.#root;
        pending.push(...child.target.split('/').toReversed());
      } else {
        const where = quoteName(joinPath(directory, name));
        throw refuse(entry.path, `lies below ${where}, which is not a directory`);
      }
    }
    return directory;
  }

  // ── what happens there ───────────────────────────────────────────────────

  #place(directory: TreeDirectory, name: string, entry: TarEntry): boolean {
    const existing = directory.children.get(name);
    if (entry.type === 'directory') {
      const target =
        existing !== undefined && isDirectory(existing)
          ? existing
          : this.#makeDirectory(directory, name, entry);
      target.attributes = attributesOf(entry);
      return false;
    }
    if (entry.type === 'hardlink') {
      this.#placeHardlink(directory, name, entry);
      return false;
    }
    if ((entry.type === 'char' || entry.type === 'block') && this.#options.skipDevices)
      return false;
    checkLength(directory, name, entry);
    this.#clear(directory, name);
    this.#enter(directory);
    const attributes = attributesOf(entry);
    if (entry.type === 'file') {
      const isDense = entry.dataBytes === entry.sizeBytes;
      this.#writer.beginFile({ name, sizeBytes: entry.sizeBytes, attributes, isDense });
      this.#add(directory, name, entry.sizeBytes);
      if (CaptureTable.mayWant(name)) this.captures.begin(joinPath(directory, name), entry);
      return true;
    }
    if (entry.type === 'symlink') {
      checkSymlink(entry);
      this.#writer.makeSymlink(name, entry.linkPath, attributes);
      this.#add(directory, name, { kind: 'symlink', target: entry.linkPath });
      return false;
    }
    checkDevice(entry);
    checkNoWhiteout(entry);
    const { type, deviceMajor: major, deviceMinor: minor } = entry;
    this.#writer.makeNode({ name, type, major, minor, attributes });
    this.#add(directory, name, 'special');
    return false;
  }

  #placeHardlink(directory: TreeDirectory, name: string, entry: TarEntry): void {
    const components = splitLayerPath(entry.linkPath);
    const targetName = components.at(-1);
    if (targetName === undefined) throw refuse(entry.path, 'is a hard link to the root');
    checkLength(directory, name, entry);
    const targetDirectory = this.#resolve(components.slice(0, -1), entry, false);
    const target = targetDirectory?.children.get(targetName);
    // A link to itself changes nothing.
    if (targetDirectory === directory && targetName === name && target !== undefined) return;
    if (targetDirectory === undefined || target === undefined) {
      this.#checkBelow(entry, components.join('/'));
      this.#copyFromBelow(directory, name, components.join('/'));
    } else if (isKind(target, 'copy')) {
      this.#copyFromBelow(directory, name, target.from);
    } else {
      if (isDirectory(target))
        throw refuse(entry.path, `is a hard link to the directory ${quoteName(entry.linkPath)}`);
      this.#clear(directory, name);
      this.#enter(directory);
      this.#writer.makeLink(name, targetDirectory.path, targetName);
      this.#add(directory, name, typeof target === 'number' ? 0 : target);
    }
  }

  #checkBelow(entry: TarEntry, from: string): void {
    if (!this.#options.hasParent)
      throw refuse(
        entry.path,
        `is a hard link to ${quoteName(entry.linkPath)}, which does not exist`,
      );
    if (from.length > PATH_BYTES_MAX)
      throw refuse(entry.path, 'has a link target that is too long');
  }

  /** The file lies in a layer below: a link across layers cannot be, its content is copied up in the end. */
  #copyFromBelow(directory: TreeDirectory, name: string, from: string): void {
    this.#clear(directory, name);
    this.#add(directory, name, { kind: 'copy', from });
  }

  #makeDirectory(parent: TreeDirectory, name: string, entry: TarEntry): TreeDirectory {
    checkLength(parent, name, entry);
    const wasThere = parent.children.has(name);
    this.#clear(parent, name);
    this.#enter(parent);
    this.#writer.makeDirectory(name);
    const directory = newDirectory(joinPath(parent, name), parent, entry.mtimeS);
    this.#countNames(directory.path.length);
    // What stood here hid a directory below; one that takes its place begins empty.
    directory.isOpaque = wasThere;
    this.#add(parent, name, directory);
    return directory;
  }

  /** Names stay in memory until the end; a layer packs thousands of times more of them than its size tells. */
  #countNames(bytes: number): void {
    this.#namesBytes += bytes;
    if (this.#namesBytes > NAMES_BYTES_MAX)
      throw archiveTooLarge(`the names in it need more than ${NAMES_BYTES_MAX} bytes`);
  }

  #add(directory: TreeDirectory, name: string, node: TreeNode): void {
    directory.children.set(name, node);
    this.#entries++;
    if (typeof node === 'number') this.#sizeBytes += node;
  }

  /** Remove what the layer put at a name before. */
  #clear(directory: TreeDirectory, name: string): void {
    const node = directory.children.get(name);
    if (node === undefined) return;
    if (isDirectory(node)) {
      for (const child of node.children.keys()) this.#clear(node, child);
      this.#enter(directory);
      this.#writer.removeDirectory(name);
      this.#lastPath = undefined;
    } else {
      if (!isKind(node, 'copy')) {
        this.#enter(directory);
        this.#writer.unlink(name);
      }
      // A replaced link may have led elsewhere.
      this.#lastPath = undefined;
    }
    directory.children.delete(name);
    this.captures.forget(joinPath(directory, name));
    this.#entries--;
    if (typeof node === 'number') this.#sizeBytes -= node;
  }

  #enter(directory: TreeDirectory): void {
    if (directory === this.#current) return;
    this.#writer.changeDirectory(directory.path);
    this.#current = directory;
  }

  // ── the end ──────────────────────────────────────────────────────────────

  /** Children first: making and removing entries changes a directory's times. `isHidden`: no layer below shows here. */
  #finishDirectory(directory: TreeDirectory, isHidden: boolean): void {
    const mayShow = this.#options.hasParent && !isHidden;
    const isDeleted = directory.parent?.whiteouts.has(nameOf(directory)) ?? false;
    const isMarked = mayShow && (directory.isOpaque || isDeleted);
    this.#finishChildren(directory, isHidden || isMarked);
    if (mayShow && !isMarked) this.#writeWhiteouts(directory);
    this.#enter(directory);
    const opaque = isMarked ? [this.#opaqueXattr()] : [];
    this.#finishAttributes(directory, opaque, mayShow && !isDeleted);
  }

  /** Its own attributes, else those it has below where it `showsBelow`. */
  #finishAttributes(
    directory: TreeDirectory,
    opaque: readonly WriterXattr[],
    showsBelow: boolean,
  ): void {
    const { attributes, impliedAtS } = directory;
    if (attributes !== undefined) {
      this.#writer.setAttributes({ ...attributes, xattrs: [...attributes.xattrs, ...opaque] });
      return;
    }
    const fallback = { ...DEFAULT_ROOT, mtimeS: impliedAtS, mtimeNs: 0, xattrs: opaque };
    if (showsBelow) this.#writer.inheritAttributes(directory.path, fallback);
    else this.#writer.setAttributes(fallback);
  }

  #finishChildren(directory: TreeDirectory, isHidden: boolean): void {
    for (const [name, child] of directory.children) {
      if (isDirectory(child)) this.#finishDirectory(child, isHidden);
      else if (isKind(child, 'copy')) {
        this.#enter(directory);
        this.#writer.copyFromBelow(name, child.from);
      }
    }
  }

  #writeWhiteouts(directory: TreeDirectory): void {
    for (const name of directory.whiteouts) {
      // What the layer has at the name hides it already.
      if (directory.children.has(name)) continue;
      this.#enter(directory);
      this.#writer.makeNode({ name, ...WHITEOUT });
    }
  }

  #opaqueXattr(): WriterXattr {
    return {
      name: `${this.#options.overlayXattrs}.overlay.opaque`,
      value: Buffer.from('y'),
      isOptional: false,
    };
  }
}

const WHITEOUT: Omit<WriterNode, 'name'> = {
  type: 'char',
  major: 0,
  minor: 0,
  attributes: { mode: 0, uid: 0, gid: 0, mtimeS: 0, mtimeNs: 0, xattrs: [] },
};

function isDirectory(node: TreeNode): node is TreeDirectory {
  return isKind(node, 'directory');
}

function isKind<Kind extends 'directory' | 'symlink' | 'copy'>(
  node: TreeNode,
  kind: Kind,
): node is Extract<TreeNode, { readonly kind: Kind }> {
  return typeof node === 'object' && node.kind === kind;
}

/** What one component of a resolved path leads to; only targets of links have `.` and `..`. */
function stepOf(directory: TreeDirectory, name: string): TreeNode | undefined {
  if (name === '' || name === '.') return directory;
  if (name === '..') return directory.parent ?? directory;
  return directory.children.get(name);
}

function newDirectory(
  path: string,
  parent: TreeDirectory | undefined,
  impliedAtS: number,
): TreeDirectory {
  return {
    kind: 'directory',
    path,
    parent,
    children: new Map(),
    whiteouts: new Set(),
    isOpaque: false,
    attributes: undefined,
    impliedAtS,
  };
}

function nameOf(directory: TreeDirectory): string {
  return directory.path.slice(directory.path.lastIndexOf('/') + 1);
}

/** Path of a name in a directory, below the root. */
export function joinPath(directory: TreeDirectory, name: string): string {
  return directory.path === '' ? name : `${directory.path}/${name}`;
}

function checkLength(directory: TreeDirectory, name: string, entry: TarEntry): void {
  checkPathLength(directory.path.length + 1 + name.length, entry);
}

function checkWhiteout(entry: TarEntry): void {
  if (entry.type !== 'file' && entry.type !== 'hardlink')
    throw refuse(entry.path, 'is a whiteout that is not a file');
}

/** overlayfs takes it for a whiteout: only carve itself writes those. */
function checkNoWhiteout({ type, path, deviceMajor, deviceMinor }: TarEntry): void {
  if (type === 'char' && deviceMajor === 0 && deviceMinor === 0)
    throw refuse(path, 'is the character device 0:0, which stands for a deleted file');
}

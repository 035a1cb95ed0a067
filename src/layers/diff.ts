/**
 * What a container did to its root → a layer: the change set in tar's order,
 * with whiteouts; and the whole of a root → a tar. Deciding is pure; sending
 * the bytes reads files one after another.
 *
 * **Invariant:** the same tree gives the same bytes: sorted, whole seconds, no
 * access times, no names of users, attributes sorted.
 * Source: OCI image-spec 1.1.1 layer.md "Change Types", "Whiteouts".
 */
import { EngineError } from '../base/error.ts';
import type { RootAttributes } from '../spec/layer.ts';
import { quoteName } from './tar-entry.ts';
import { encodeTarHeader, type NewTarEntry, TAR_END, tarPadding } from './tar-write.ts';
import { isLayerXattr } from './tree-attributes.ts';
import type { Walk, WalkEntry } from './walk.ts';

/** An entry of the tar to write and the file its data comes from. */
export interface PlannedEntry {
  readonly entry: NewTarEntry;
  /** Path of the file in the walked tree; `undefined`: the entry has no data. */
  readonly source: string | undefined;
}

/** How a tar is planned. */
export interface TarPlanOptions {
  /** Paths that are left out with all below them. */
  readonly exclude: ReadonlySet<string>;
  /** Root attributes below; a root that differs is written, else it is left out. `undefined`: always left out. */
  readonly root?: RootAttributes;
}

/** One difference, as `diff` shows it. */
export interface TreeChange {
  /** Below the root, with a leading slash. Byte string. */
  readonly path: string;
  readonly kind: 'modified' | 'added' | 'deleted';
}

const OPAQUE = '.wh..wh..opq';
const WHITEOUT = '.wh.';

/** Entries of the tar of a tree, in order. Errors: `unsupported` for a tree that another engine's mount made. */
export function planTar(
  entries: readonly WalkEntry[],
  options: TarPlanOptions,
): readonly PlannedEntry[] {
  const firstNames = new Map<string, string>();
  const planned: PlannedEntry[] = [];
  for (const entry of sorted(entries)) {
    if (entry.type === 'socket' || isExcluded(entry.path, options.exclude)) continue;
    if (entry.path === '') planned.push(...rootEntry(entry, options.root));
    else if (entry.type === 'whiteout')
      planned.push({ entry: whiteoutOf(entry.path), source: undefined });
    else planned.push(plannedOf(entry, firstNames));
    if (isOpaque(entry))
      planned.push({
        entry: { type: 'file', path: childPath(entry.path, OPAQUE) },
        source: undefined,
      });
  }
  return planned;
}

/** What `diff` shows: changes of a writable directory against the layers below. */
export function listChanges(
  entries: readonly WalkEntry[],
  exclude: ReadonlySet<string>,
): readonly TreeChange[] {
  return sorted(entries).flatMap((entry): readonly TreeChange[] => {
    if (entry.path === '' || isExcluded(entry.path, exclude)) return [];
    const path = `/${entry.path}`;
    if (entry.type === 'whiteout')
      return entry.below === undefined ? [] : [{ path, kind: 'deleted' }];
    return [{ path, kind: entry.below === undefined ? 'added' : 'modified' }];
  });
}

/** The bytes of a planned tar. Errors: those of the walk. */
export async function* writeTar(
  planned: readonly PlannedEntry[],
  walk: Walk,
): AsyncGenerator<Uint8Array> {
  for (const { entry, source } of planned) {
    yield encodeTarHeader(entry);
    const sizeBytes = entry.sizeBytes ?? 0;
    if (source === undefined || sizeBytes === 0) continue;
    yield* walk.read(source, sizeBytes);
    yield tarPadding(sizeBytes);
  }
  yield TAR_END;
}

/** By components, so that a directory stands directly before what is in it. */
function sorted(entries: readonly WalkEntry[]): readonly WalkEntry[] {
  const keyOf = (path: string): string => path.replaceAll('/', '\0');
  return entries
    .map((entry) => ({ entry, key: keyOf(entry.path) }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ entry }) => entry);
}

function isExcluded(path: string, exclude: ReadonlySet<string>): boolean {
  if (exclude.size === 0 || path === '') return false;
  for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1))
    if (exclude.has(path.slice(0, end))) return true;
  return false;
}

function rootEntry(entry: WalkEntry, root: RootAttributes | undefined): readonly PlannedEntry[] {
  if (
    root === undefined ||
    (entry.mode === root.mode && entry.uid === root.uid && entry.gid === root.gid)
  )
    return [];
  return [{ entry: { ...attributesOf(entry), type: 'directory', path: './' }, source: undefined }];
}

function plannedOf(entry: WalkEntry, firstNames: Map<string, string>): PlannedEntry {
  if (entry.type === 'whiteout' || entry.type === 'socket')
    throw new EngineError('internal', 'Cannot write an entry without a type of tar');
  refuseForeign(entry);
  const first = entry.linkKey === undefined ? undefined : firstNames.get(entry.linkKey);
  if (first !== undefined)
    return {
      entry: {
        ...attributesOf(entry),
        type: 'hardlink',
        path: entry.path,
        linkPath: first,
        xattrs: [],
      },
      source: undefined,
    };
  if (entry.linkKey !== undefined) firstNames.set(entry.linkKey, entry.path);
  const { type, path, linkPath, sizeBytes, deviceMajor, deviceMinor } = entry;
  const full: NewTarEntry = {
    ...attributesOf(entry),
    type,
    path,
    linkPath,
    sizeBytes,
    deviceMajor,
    deviceMinor,
  };
  return { entry: full, source: type === 'file' ? path : undefined };
}

/** Whole seconds: finer times would cost every file a second header. */
function attributesOf(
  entry: WalkEntry,
): Pick<NewTarEntry, 'mode' | 'uid' | 'gid' | 'mtimeS' | 'xattrs'> {
  const { mode, uid, gid, mtimeS } = entry;
  return { mode, uid, gid, mtimeS, xattrs: entry.xattrs.filter(({ name }) => isLayerXattr(name)) };
}

/** overlayfs features carve never switches on; such a tree means nothing without the mount that made it. */
function refuseForeign(entry: WalkEntry): void {
  const foreign = entry.xattrs.find(({ name }) =>
    /^(?:trusted|user)\.overlay\.(?:redirect|metacopy)$/.test(name),
  );
  if (foreign === undefined) return;
  throw new EngineError(
    'unsupported',
    `Cannot read changes: ${quoteName(entry.path)} was changed by a mount with the overlayfs feature ${foreign.name.slice(foreign.name.lastIndexOf('.') + 1)}`,
  );
}

function isOpaque(entry: WalkEntry): boolean {
  return (
    entry.type === 'directory' &&
    entry.xattrs.some(
      ({ name, value }) => /^(?:trusted|user)\.overlay\.opaque$/.test(name) && value[0] === 0x79,
    )
  );
}

function whiteoutOf(path: string): NewTarEntry {
  const slash = path.lastIndexOf('/');
  return {
    type: 'file',
    path: childPath(path.slice(0, Math.max(0, slash)), WHITEOUT + path.slice(slash + 1)),
  };
}

function childPath(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`;
}

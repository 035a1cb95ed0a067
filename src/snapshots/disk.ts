/**
 * The snapshot store on a disk.
 *
 *     layers/<n>/fs            a layer's files, in overlayfs' form
 *     layers/<n>/layer.json    its facts; without it the directory is a draft
 *     layers/<n>/synced        its files reached the disk
 *     snapshots/<key>+<n>/     `upper` and `work` over layer n; `+0`: over nothing
 *     empty/                   the lower directory of an image without layers
 *     spare/                   writable directories made ahead, without a key yet
 *     trash/<n>                being deleted
 *
 * **Invariants**
 * - Names are the truth: a layer appears when its record gets its name, a
 *   snapshot by mkdir, both vanish by one rename; a crash at any step leaves one
 *   state or the other.
 * - Layer directories have short numbers, so that many of them fit in the
 *   options of one mount.
 * - A layer that was not synced before the machine went down is not trusted
 *   afterwards: its blob is there to unpack it again.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { open, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAnswer } from '../base/after-answer.ts';
import type { ChainId, HostPath } from '../base/brand.ts';
import { EngineError } from '../base/error.ts';
import { hostPath } from '../base/host-path.ts';
import { diskError, errnoOf } from '../kernel/disk-error.ts';
import { SpareDirectories } from '../kernel/spare-directories.ts';
import { DEFAULT_ROOT, type RootAttributes } from '../spec/layer.ts';
import { LayerTable } from './layer-table.ts';
import { decodeLayerRecord, encodeLayerRecord, type LayerRecord } from './layer-record.ts';
import { makeSpareWritable, makeWritable, setRootAttributes } from './writable.ts';
import type {
  Layer,
  LayerDraft,
  LayerView,
  Snapshot,
  SnapshotStore,
  SnapshotUsage,
} from './store.ts';

/** How to open the store. */
export interface DiskSnapshotOptions {
  readonly root: HostPath;
  /** Identity of this boot (`/proc/sys/kernel/random/boot_id`): tells whether unsynced layers survived. */
  readonly bootId: string;
  /** Deletes a directory that containers or images filled, safely and whatever its depth. */
  readonly remove: (directory: string) => Promise<void>;
  /** Counts bytes and entries below a directory; the kernel side of `usage`. */
  readonly measure: (
    directory: HostPath,
    signal: AbortSignal | undefined,
  ) => Promise<SnapshotUsage>;
}

/** Writable directories that are kept ready. */
const SPARES = 4;
const KEY = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const SNAPSHOT_DIRECTORY = /^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})\+(0|[1-9][0-9]{0,15})$/;
const NUMBER = /^[1-9][0-9]{0,15}$/;

/** Layers and snapshots below one directory. Make it with {@link DiskSnapshotStore.open}; one per directory and machine. */
export class DiskSnapshotStore implements SnapshotStore {
  readonly #options: DiskSnapshotOptions;
  readonly #layers = new LayerTable();
  /** Number of the layer below each snapshot; 0: none. */
  readonly #snapshots = new Map<string, number>();
  /** Numbers of layers that must be unpacked again: snapshots know them by these. */
  readonly #lostNumbers = new Map<ChainId, number>();
  readonly #deletions = new Set<Promise<void>>();
  /** Writable directories made ahead. */
  #spares: SpareDirectories | undefined;
  /** Number of the next layer. */
  #nextNumber = 1;
  /** Name of the next thing in the trash. */
  #nextName = 1;

  private constructor(options: DiskSnapshotOptions) {
    this.#options = options;
  }

  /** Open or create the store; sweeps drafts, untrusted layers and what was being deleted. */
  static open(options: DiskSnapshotOptions): DiskSnapshotStore {
    const store = new DiskSnapshotStore(options);
    try {
      for (const name of ['layers', 'snapshots', 'trash', 'empty'])
        mkdirSync(store.#path(name), { recursive: true, mode: 0o700 });
      store.#nextName = 1 + highest(readdirSync(store.#path('trash')));
      store.#nextNumber = 1 + highest(readdirSync(store.#path('layers')));
      store.#readSnapshots();
      store.#readLayers();
      for (const name of readdirSync(store.#path('trash'))) store.#delete(name);
      store.#spares = new SpareDirectories({
        place: hostPath(store.#path('spare')),
        count: SPARES,
        make: makeSpareWritable,
      });
    } catch (error) {
      throw diskError(`Cannot open the snapshot store ${options.root}`, error);
    }
    return store;
  }

  // ── layers ───────────────────────────────────────────────────────────────

  findLayer(chainId: ChainId): Layer | undefined {
    return this.#layers.find(chainId);
  }

  listLayers(): readonly Layer[] {
    return this.#layers.list();
  }

  directoriesOf(chainId: ChainId): readonly HostPath[] {
    return this.#layers.directoriesOf(chainId);
  }

  chainOf(chainId: ChainId): readonly Layer[] {
    return this.#layers.chainOf(chainId);
  }

  // oxlint-disable-next-line require-await -- the contract is asynchronous; mkdir is faster without a thread
  async draftLayer(chainId: ChainId | undefined): Promise<LayerDraft> {
    const number = this.#makeDraft(chainId);
    const base = this.#path('layers', String(number));
    let isOpen = true;
    let committed: ChainId | undefined;
    return {
      directory: hostPath(join(base, 'fs')),
      commit: async (id, parent, facts) => {
        if (!isOpen)
          throw new EngineError('wrong-state', `Cannot commit layer ${id}: its draft is closed`);
        isOpen = false;
        const layer = await this.#commit(number, {
          chainId: id,
          parent,
          facts,
          bootId: this.#options.bootId,
        });
        if (this.#layers.numberOf(id) === number) committed = id;
        return layer;
      },
      discard: async () => {
        if (!isOpen) return;
        isOpen = false;
        await this.#removeNow(base);
      },
      markSynced: async () => {
        if (committed !== undefined) await this.#markSynced(committed, number);
      },
    };
  }

  /** A layer that is unpacked again gets its old number: snapshots know it by that. */
  #makeDraft(chainId: ChainId | undefined): number {
    const lost = chainId === undefined ? undefined : this.#lostNumbers.get(chainId);
    for (let number = lost ?? this.#nextNumber++; ; number = this.#nextNumber++) {
      try {
        mkdirSync(this.#path('layers', String(number)), { mode: 0o700 });
        mkdirSync(this.#path('layers', String(number), 'fs'), { mode: 0o700 });
        return number;
      } catch (error) {
        // Another draft of the lost layer has the number.
        if (errnoOf(error) !== 'EEXIST') throw diskError('Cannot begin a layer', error);
      }
    }
  }

  async #commit(number: number, record: LayerRecord): Promise<Layer> {
    const { chainId, parent } = record;
    const base = this.#path('layers', String(number));
    // The parent must not go before its child counts.
    let release: (() => void) | undefined;
    try {
      release = parent === undefined ? undefined : this.#layers.hold(parent);
      await writeDurably(join(base, 'layer.json.new'), encodeLayerRecord(record));
      const existing = this.#layers.find(chainId);
      if (existing !== undefined) {
        this.#delete(this.#toTrash(base));
        return existing;
      }
      // No await between the look and the registration: the first draft wins.
      renameSync(join(base, 'layer.json.new'), join(base, 'layer.json'));
      this.#lostNumbers.delete(chainId);
      const layer = this.#layerOf(number, record);
      this.#layers.add(number, layer);
      return layer;
    } catch (error) {
      await this.#removeNow(base);
      throw diskError(`Cannot commit layer ${chainId}`, error);
    } finally {
      release?.();
    }
  }

  #layerOf(number: number, { chainId, parent, facts }: LayerRecord): Layer {
    const directory = hostPath(this.#path('layers', String(number), 'fs'));
    return { ...facts, chainId, ...(parent === undefined ? {} : { parent }), directory };
  }

  async #markSynced(chainId: ChainId, number: number): Promise<void> {
    // Another draft may have won, or the layer may be gone again.
    if (this.#layers.numberOf(chainId) !== number) return;
    try {
      await writeFile(join(this.#path('layers', String(number)), 'synced'), '', { mode: 0o600 });
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw diskError(`Cannot mark layer ${chainId}`, error);
    }
  }

  async removeLayer(chainId: ChainId): Promise<void> {
    const number = this.#layers.numberOf(chainId);
    if (number === undefined)
      throw new EngineError('not-found', `Cannot remove layer ${chainId}: it is not unpacked`);
    const user = this.#userOf(chainId, number);
    if (user !== undefined)
      throw new EngineError('in-use', `Cannot remove layer ${chainId}: ${user} needs it`);
    try {
      const name = this.#toTrash(this.#path('layers', String(number)));
      this.#layers.remove(chainId);
      this.#delete(name);
    } catch (error) {
      throw diskError(`Cannot remove layer ${chainId}`, error);
    }
    await Promise.resolve();
  }

  #userOf(chainId: ChainId, number: number): string | undefined {
    const layerUser = this.#layers.userOf(chainId);
    if (layerUser !== undefined) return layerUser;
    for (const [key, below] of this.#snapshots) if (below === number) return `snapshot ${key}`;
    return undefined;
  }

  // ── snapshots ────────────────────────────────────────────────────────────

  prepare(key: string, parent: ChainId | undefined): Snapshot {
    if (!KEY.test(key))
      throw new EngineError(
        'invalid',
        `Cannot prepare snapshot ${JSON.stringify(key.slice(0, 100))}: the name is not usable`,
      );
    if (this.#snapshots.has(key))
      throw new EngineError('conflict', `Cannot prepare snapshot ${key}: it exists`);
    const number = parent === undefined ? 0 : this.#layers.numberOf(parent);
    if (number === undefined)
      throw new EngineError(
        'not-found',
        `Cannot prepare snapshot ${key}: layer ${parent ?? ''} is not unpacked`,
      );
    const directory = this.#path('snapshots', `${key}+${number}`);
    try {
      const root = this.#rootOf(parent);
      if (this.#spares?.take(directory) === true) setRootAttributes(directory, root);
      else makeWritable(directory, root);
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      throw diskError(`Cannot prepare snapshot ${key}`, error);
    }
    this.#snapshots.set(key, number);
    return this.#snapshotOf(key, number);
  }

  #rootOf(parent: ChainId | undefined): RootAttributes {
    return (parent === undefined ? undefined : this.#layers.find(parent)?.root) ?? DEFAULT_ROOT;
  }

  findSnapshot(key: string): Snapshot | undefined {
    const number = this.#snapshots.get(key);
    return number === undefined ? undefined : this.#snapshotOf(key, number);
  }

  listSnapshots(): readonly string[] {
    return [...this.#snapshots.keys()];
  }

  #snapshotOf(key: string, number: number): Snapshot {
    const directory = this.#path('snapshots', `${key}+${number}`);
    const parent = this.#layers.chainIdOf(number);
    if (number !== 0 && parent === undefined) {
      throw new EngineError(
        'corrupt',
        `Cannot use snapshot ${key}: a layer of its image is missing`,
        { hint: 'Pull or load the image again to repair it' },
      );
    }
    return {
      key,
      ...(parent === undefined ? {} : { parent }),
      upper: hostPath(join(directory, 'upper')),
      work: hostPath(join(directory, 'work')),
      lower: this.#lowerOf(parent),
    };
  }

  #lowerOf(parent: ChainId | undefined): readonly HostPath[] {
    return parent === undefined
      ? [hostPath(this.#path('empty'))]
      : this.#layers.directoriesOf(parent);
  }

  view(parent: ChainId | undefined): LayerView {
    const lower = this.#lowerOf(parent);
    const release = parent === undefined ? (): void => undefined : this.#layers.hold(parent);
    return { lower, release, [Symbol.dispose]: release };
  }

  async removeSnapshot(key: string): Promise<void> {
    const number = this.#snapshots.get(key);
    if (number === undefined) return;
    try {
      const name = this.#toTrash(this.#path('snapshots', `${key}+${number}`));
      this.#snapshots.delete(key);
      this.#delete(name);
    } catch (error) {
      throw diskError(`Cannot remove snapshot ${key}`, error);
    }
    await Promise.resolve();
  }

  async usage(
    key: string,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<SnapshotUsage> {
    const number = this.#snapshots.get(key);
    if (number === undefined)
      throw new EngineError('not-found', `Cannot measure snapshot ${key}: it does not exist`);
    return await this.#options.measure(
      hostPath(this.#path('snapshots', `${key}+${number}`, 'upper')),
      options.signal,
    );
  }

  async close(): Promise<void> {
    await this.#spares?.close();
    await Promise.allSettled(this.#deletions);
  }

  // ── the directories ──────────────────────────────────────────────────────

  #path(...parts: readonly string[]): string {
    return join(this.#options.root, ...parts);
  }

  #readLayers(): void {
    const found: { readonly number: number; readonly layer: Layer }[] = [];
    for (const name of readdirSync(this.#path('layers'))) {
      const layer = NUMBER.test(name) ? this.#readLayer(Number(name)) : undefined;
      if (layer === undefined) this.#toTrash(this.#path('layers', name));
      else found.push({ number: Number(name), layer });
    }
    // What stands on a layer that is gone must be unpacked again with it.
    for (const { number, layer } of this.#layers.addAll(found)) {
      this.#lostNumbers.set(layer.chainId, number);
      this.#toTrash(this.#path('layers', String(number)));
    }
  }

  #readLayer(number: number): Layer | undefined {
    const directory = this.#path('layers', String(number));
    const record = decodeLayerRecord(readText(join(directory, 'layer.json')));
    if (record === undefined) return undefined;
    const isSynced = readText(join(directory, 'synced')) !== undefined;
    if (isSynced || record.bootId === this.#options.bootId) return this.#layerOf(number, record);
    this.#lostNumbers.set(record.chainId, number);
    return undefined;
  }

  #readSnapshots(): void {
    for (const name of readdirSync(this.#path('snapshots'))) {
      const match = SNAPSHOT_DIRECTORY.exec(name);
      if (match === null) continue;
      const [, key = '', digits = ''] = match;
      this.#nextNumber = Math.max(this.#nextNumber, Number(digits) + 1);
      this.#snapshots.set(key, Number(digits));
    }
  }

  /** Move something out of sight; the name it has in the trash. */
  #toTrash(path: string): string {
    const name = String(this.#nextName++);
    renameSync(path, this.#path('trash', name));
    return name;
  }

  #delete(name: string): void {
    const path = this.#path('trash', name);
    const work = afterAnswer()
      .then(async () => this.#options.remove(path))
      .catch(() => {
        // What cannot be deleted now is tried again when the store is opened next.
      });
    this.#deletions.add(work);
    void work.finally(() => this.#deletions.delete(work));
  }

  async #removeNow(path: string): Promise<void> {
    const name = String(this.#nextName++);
    try {
      await rename(path, this.#path('trash', name));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return;
      throw diskError('Cannot drop a layer draft', error);
    }
    this.#delete(name);
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** The highest of the names that begin with a number; 0 when there is none. */
function highest(names: readonly string[]): number {
  return names.reduce((max, name) => Math.max(max, Number(/^[0-9]{1,15}/.exec(name)?.[0] ?? 0)), 0);
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

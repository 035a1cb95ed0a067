/**
 * The image store: lookups in a table, verbs in their own files, one database.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Digest } from '../base/brand.ts';
import { type EngineError, isEngineError } from '../base/error.ts';
import type { CollectOptions, ContentStore } from '../content/store.ts';
import type { LayerTarget } from '../layers/target.ts';
import type { LayerUnpacker } from '../layers/unpack.ts';
import type { ChangeSource } from '../layers/walk.ts';
import { chainIds, isDigest } from '../spec/digest.ts';
import type { Descriptor } from '../spec/oci/image.ts';
import type { Platform } from '../spec/platform.ts';
import { addImage, unpackImage } from './add.ts';
import { collectUnused, measureImages, removeUnusedLayers } from './collect.ts';
import { commitImage } from './commit.ts';
import { findImage, fullNameOf, getImage } from './find.ts';
import { historyOf } from './history.ts';
import { ImageTable } from './image-table.ts';
import { fullName, importImage } from './import.ts';
import type { LoadOptions } from './found.ts';
import { loadArchive } from './load.ts';
import { loadLayoutDirectory } from './load-layout.ts';
import { type ImageParts, LayerPins } from './parts.ts';
import { offeredBeside } from './offered.ts';
import { planRemove, type RemovePlan } from './remove.ts';
import { contentRoots } from './roots.ts';
import { saveImages } from './save.ts';
import type {
  AddOptions,
  CommitOptions,
  ImageOptions,
  ImageRecord,
  ImageRemoval,
  ImageSpace,
  ImageStep,
  ImageStore,
  ImageUsage,
  ImportOptions,
  LoadedImage,
  PruneOptions,
  PruneResult,
  RemoveOptions,
} from './store.ts';
import { measureSpace } from './space.ts';
import { sweep } from './sweep.ts';

/** A use within this of the last one that was written is not written again. */
const TOUCH_GAP_MS = 600_000;

/** What the store is made of. */
export interface ImageStoreOptions {
  readonly database: DatabaseSync;
  readonly content: ContentStore;
  readonly layers: LayerTarget;
  readonly unpacker: LayerUnpacker;
  readonly changes: ChangeSource;
  /** Platform of this machine. */
  readonly host: Platform;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
  /** Told about images that had to be given up while opening. */
  readonly onBroken?: (image: ImageRecord, error: EngineError) => void;
}

/** Images in SQLite. Make it with {@link SqliteImageStore.open}. */
export class SqliteImageStore implements ImageStore {
  readonly #parts: ImageParts;

  private constructor(options: ImageStoreOptions) {
    const { database, content, layers, unpacker, changes, host, nowMs } = options;
    this.#parts = {
      table: new ImageTable(database),
      content,
      target: layers,
      unpacker,
      changes,
      pins: new LayerPins(),
      nowMs,
      host,
    };
  }

  /** Open the store and unpack again what a power cut took. An image that cannot be repaired is taken out and told. */
  static async open(options: ImageStoreOptions): Promise<SqliteImageStore> {
    const store = new SqliteImageStore(options);
    const { table, target } = store.#parts;
    for (const image of table.list()) {
      const top = image.chain.at(-1);
      if (top !== undefined && target.findLayer(top) === undefined)
        await store.#repair(image, options.onBroken);
    }
    return store;
  }

  async #repair(image: ImageRecord, onBroken: ImageStoreOptions['onBroken']): Promise<void> {
    const { config, manifest, configDescriptor, layers } = image;
    const release = this.#parts.pins.pin(chainIds(config.rootfs.diff_ids));
    try {
      await unpackImage(
        this.#parts,
        {
          manifestDescriptor: manifest,
          manifest: { schemaVersion: 2, config: configDescriptor, layers },
          config,
        },
        {},
      );
    } catch (error) {
      if (!isEngineError(error)) throw error;
      this.#parts.table.remove([], [image.id]);
      onBroken?.(image, error);
    } finally {
      release();
    }
  }

  find(reference: string): ImageRecord | undefined {
    return findImage(this.#parts.table, reference);
  }

  get(reference: string, options: { readonly platform?: Platform } = {}): ImageRecord {
    return getImage(this.#parts.table, reference, options.platform);
  }

  list(): readonly ImageRecord[] {
    return this.#parts.table.list();
  }

  history(reference: string): readonly ImageStep[] {
    return historyOf(this.#parts.table, this.get(reference));
  }

  tag(reference: string, target: string): { readonly image: ImageRecord; readonly name: string } {
    const name = fullName(target);
    const image = this.get(reference);
    this.#parts.table.setName(
      { name, imageId: image.id, target: this.#targetOf(image, reference) },
      this.#parts.nowMs(),
    );
    return { image: this.get(image.id), name };
  }

  /** A second tag of an image that an index led to keeps the index, so that a push can offer it. */
  #targetOf(image: ImageRecord, reference: string): ImageRecord['manifest'] {
    const { table } = this.#parts;
    const name = fullNameOf(reference);
    const isNamed = name !== undefined && table.byName(name) === image.id;
    return (isNamed ? table.targetOf(name) : undefined) ?? image.manifest;
  }

  async remove(reference: string, options: RemoveOptions): Promise<readonly ImageRemoval[]> {
    const { table } = this.#parts;
    const image = this.get(reference);
    const plan = planRemove({
      image,
      reference,
      options,
      get: (id) => table.get(id),
      childrenOf: (id) => this.#childrenOf(id),
    });
    return await this.#applyRemove(plan);
  }

  async #applyRemove(plan: RemovePlan): Promise<readonly ImageRemoval[]> {
    const { table } = this.#parts;
    const removals: ImageRemoval[] = [];
    const content: Digest[] = [];
    const names = new Set(plan.untag);
    for (const id of plan.delete) for (const name of table.namesOf(id)) names.add(name);
    for (const name of names) {
      const id = table.byName(name);
      const target = table.targetOf(name);
      if (target !== undefined) content.push(target.digest);
      if (id !== undefined) removals.push({ kind: 'untagged', name, id });
    }
    for (const id of plan.delete) {
      const image = table.get(id);
      if (image === undefined) continue;
      removals.push({ kind: 'deleted', id });
      content.push(image.manifest.digest, image.id, ...image.layers.map(({ digest }) => digest));
    }
    table.remove([...names], plan.delete);
    if (plan.delete.length > 0) removals.push(...(await removeUnusedLayers(this.#parts)).removals);
    await sweep(this.#parts, content);
    return removals;
  }

  #childrenOf(id: Digest): readonly Digest[] {
    return this.list().flatMap((image) => (image.parent === id ? [image.id] : []));
  }

  async prune(options: PruneOptions): Promise<PruneResult> {
    const removals: ImageRemoval[] = [];
    const before = await this.usage();
    // Children first: an image that others were made from goes when they have gone.
    for (let hasProgress = true; hasProgress; ) {
      hasProgress = false;
      for (const { id } of this.list()) {
        options.signal?.throwIfAborted();
        // Others work meanwhile: what counts is the record of this moment.
        const image = this.#parts.table.get(id);
        if (image === undefined || !this.#isPrunable(image, options)) continue;
        removals.push(...(await this.#applyRemove({ untag: [], delete: [image.id] })));
        hasProgress = true;
      }
    }
    const after = await this.usage();
    const reclaimedBytes =
      before.layersBytes + before.contentBytes - after.layersBytes - after.contentBytes;
    return { removals, reclaimedBytes: Math.max(0, reclaimedBytes) };
  }

  #isPrunable(image: ImageRecord, { danglingOnly, accept, users }: PruneOptions): boolean {
    if (danglingOnly && image.tags.length > 0) return false;
    if (users(image.id).length > 0 || this.#childrenOf(image.id).length > 0) return false;
    return accept?.(image) ?? true;
  }

  async collect(options: CollectOptions = {}): Promise<PruneResult> {
    return await collectUnused(this.#parts, options);
  }

  async usage(): Promise<ImageUsage> {
    return await measureImages(this.#parts);
  }

  async space(): Promise<ImageSpace> {
    return await measureSpace(this.#parts);
  }

  touch(id: string): void {
    if (isDigest(id)) this.#parts.table.touch(id, this.#parts.nowMs(), TOUCH_GAP_MS);
  }

  async load(
    archive: AsyncIterable<Uint8Array>,
    options: LoadOptions = {},
  ): Promise<readonly LoadedImage[]> {
    return await loadArchive(this.#parts, archive, options);
  }

  async loadLayout(directory: string, options: LoadOptions = {}): Promise<readonly LoadedImage[]> {
    return await loadLayoutDirectory(this.#parts, directory, options);
  }

  async import(archive: AsyncIterable<Uint8Array>, options: ImportOptions): Promise<ImageRecord> {
    return await importImage(this.#parts, archive, options);
  }

  save(references: readonly string[], options: ImageOptions = {}): AsyncIterable<Uint8Array> {
    return saveImages(this.#parts, references, options);
  }

  async commit(options: CommitOptions): Promise<ImageRecord> {
    return await commitImage(this.#parts, options);
  }

  async add(options: AddOptions): Promise<ImageRecord> {
    return await addImage(this.#parts, options);
  }

  async offered(id: Digest): Promise<readonly Descriptor[]> {
    return await offeredBeside(this.#parts, id);
  }

  roots(): ReadonlySet<Digest> {
    return contentRoots(this.#parts.table);
  }
}

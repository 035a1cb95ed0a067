/**
 * Images and their names: a table in memory, written through to SQLite. Lookups
 * never touch the database.
 *
 * **Invariant:** memory changes only after the transaction that says the same
 * was committed, so a failed write leaves both as they were.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Digest } from '../base/brand.ts';
import { chainIds } from '../spec/digest.ts';
import type { Descriptor } from '../spec/oci/image.ts';
import { normalizePlatform } from '../spec/platform.ts';
import {
  decodeImage,
  decodeName,
  type ImageRow,
  type NameRow,
  type NewImage,
} from './decode-row.ts';
import { createImageSchema } from './schema.ts';
import type { ImageRecord } from './store.ts';

/** A name and what it was given for: a manifest, or the index that led to it. */
export interface NewName {
  /** Full form, with tag or digest. */
  readonly name: string;
  readonly imageId: Digest;
  readonly target: Descriptor;
}

type Named = Omit<NameRow, 'name'>;

/** All images of one engine. */
export class ImageTable {
  readonly #database: DatabaseSync;
  readonly #images = new Map<Digest, ImageRow>();
  readonly #names = new Map<string, Named>();
  readonly #records = new Map<Digest, ImageRecord>();
  /** See {@link contentDigests}; made again after a change. */
  #content: ReadonlySet<Digest> | undefined;

  constructor(database: DatabaseSync) {
    this.#database = database;
    createImageSchema(database);
    for (const row of database.prepare('SELECT * FROM images').all()) {
      const image = decodeImage(row);
      this.#images.set(image.id, image);
    }
    for (const row of database.prepare('SELECT name, image_id, target FROM image_names').all()) {
      const { name, ...named } = decodeName(row);
      this.#names.set(name, named);
    }
  }

  get(id: Digest): ImageRecord | undefined {
    const cached = this.#records.get(id);
    if (cached !== undefined) return cached;
    const row = this.#images.get(id);
    if (row === undefined) return undefined;
    const record = recordOf(row, this.namesOf(id));
    this.#records.set(id, record);
    return record;
  }

  /** Newest first: by the time it was made, then by the time it came here. */
  list(): readonly ImageRecord[] {
    const records = [...this.#images.keys()].flatMap((id) => this.get(id) ?? []);
    return records.toSorted(newestFirst);
  }

  ids(): Iterable<Digest> {
    return this.#images.keys();
  }

  /** Manifests, indexes, configurations and layers of all images. */
  contentDigests(): ReadonlySet<Digest> {
    if (this.#content !== undefined) return this.#content;
    const digests = new Set<Digest>();
    for (const { id, manifest, layers } of this.#images.values()) {
      digests.add(manifest.digest).add(id);
      for (const { digest } of layers) digests.add(digest);
    }
    for (const { target } of this.#names.values()) digests.add(target.digest);
    this.#content = digests;
    return digests;
  }

  /** The image a full name stands for. */
  byName(name: string): Digest | undefined {
    return this.#names.get(name)?.imageId;
  }

  /** What a name was given for. */
  targetOf(name: string): Descriptor | undefined {
    return this.#names.get(name)?.target;
  }

  /** Full names of an image, sorted. */
  namesOf(id: Digest): readonly string[] {
    const names: string[] = [];
    for (const [name, row] of this.#names) if (row.imageId === id) names.push(name);
    return names.toSorted();
  }

  /** Every full name with what it was given for. */
  *names(): Iterable<{
    readonly name: string;
    readonly imageId: Digest;
    readonly target: Descriptor;
  }> {
    for (const [name, row] of this.#names) yield { name, ...row };
  }

  /** Store images (those that are there keep their times) and give names, all or nothing. */
  add(images: readonly NewImage[], names: readonly NewName[], nowMs: number): void {
    const rows = images.map((image): ImageRow => {
      const existing = this.#images.get(image.id);
      const tagged = names.some(({ imageId }) => imageId === image.id)
        ? nowMs
        : existing?.lastTaggedAtMs;
      const parent = image.parent ?? existing?.parent;
      return {
        ...image,
        ...(parent === undefined ? {} : { parent }),
        addedAtMs: existing?.addedAtMs ?? nowMs,
        lastTaggedAtMs: tagged,
        lastUsedAtMs: existing?.lastUsedAtMs,
      };
    });
    this.#transaction(() => {
      for (const row of rows) this.#writeImage(row);
      for (const name of names) this.#writeName(name, nowMs);
    });
    for (const row of rows) this.#images.set(row.id, row);
    for (const name of names) this.#setName(name);
    for (const { id } of rows) this.#records.delete(id);
  }

  /** Give a name to an image that is here; it leaves the image that had it. */
  setName(name: NewName, nowMs: number): void {
    const row = this.#images.get(name.imageId);
    if (row === undefined) return;
    const tagged: ImageRow = { ...row, lastTaggedAtMs: nowMs };
    this.#transaction(() => {
      this.#writeImage(tagged);
      this.#writeName(name, nowMs);
    });
    this.#images.set(row.id, tagged);
    this.#setName(name);
  }

  /** Note that a container was made of an image, or ended. Written when the note that is there is older than `gapMs`. */
  touch(id: Digest, nowMs: number, gapMs: number): void {
    const row = this.#images.get(id);
    if (row === undefined || nowMs - (row.lastUsedAtMs ?? 0) < gapMs) return;
    this.#database.prepare('UPDATE images SET last_used_at_ms = ? WHERE id = ?').run(nowMs, id);
    this.#images.set(id, { ...row, lastUsedAtMs: nowMs });
    this.#records.delete(id);
  }

  /** Remove names and images (with all their names), all or nothing. */
  remove(names: readonly string[], ids: readonly Digest[]): void {
    this.#transaction(() => {
      for (const name of names)
        this.#database.prepare('DELETE FROM image_names WHERE name = ?').run(name);
      for (const id of ids) {
        this.#database.prepare('DELETE FROM image_names WHERE image_id = ?').run(id);
        this.#database.prepare('DELETE FROM images WHERE id = ?').run(id);
      }
    });
    const gone = new Set(ids);
    for (const [name, row] of this.#names) {
      if (!gone.has(row.imageId) && !names.includes(name)) continue;
      this.#names.delete(name);
      this.#records.delete(row.imageId);
    }
    for (const id of ids) {
      this.#images.delete(id);
      this.#records.delete(id);
    }
  }

  #setName({ name, imageId, target }: NewName): void {
    const before = this.#names.get(name);
    if (before !== undefined) this.#records.delete(before.imageId);
    this.#names.set(name, { imageId, target });
    this.#records.delete(imageId);
  }

  #writeImage(row: ImageRow): void {
    this.#database
      .prepare(
        `INSERT INTO images (id, manifest, config_descriptor, config, layers, layer_sizes, captured, parent, added_at_ms, last_tagged_at_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET manifest = excluded.manifest, config_descriptor = excluded.config_descriptor,
           config = excluded.config, layers = excluded.layers, layer_sizes = excluded.layer_sizes,
           captured = excluded.captured, parent = excluded.parent, last_tagged_at_ms = excluded.last_tagged_at_ms`,
      )
      .run(
        row.id,
        JSON.stringify(row.manifest),
        JSON.stringify(row.configDescriptor),
        JSON.stringify(row.config),
        JSON.stringify(row.layers),
        JSON.stringify(row.layerSizesBytes),
        JSON.stringify(row.captured),
        row.parent ?? null,
        row.addedAtMs,
        row.lastTaggedAtMs ?? null,
      );
  }

  #writeName({ name, imageId, target }: NewName, nowMs: number): void {
    this.#database
      .prepare(
        `INSERT INTO image_names (name, image_id, target, given_at_ms) VALUES (?, ?, ?, ?)
         ON CONFLICT (name) DO UPDATE SET image_id = excluded.image_id, target = excluded.target, given_at_ms = excluded.given_at_ms`,
      )
      .run(name, imageId, JSON.stringify(target), nowMs);
  }

  #transaction(work: () => void): void {
    this.#content = undefined;
    try {
      this.#database.exec('SAVEPOINT images');
      work();
      this.#database.exec('RELEASE images');
    } catch (error) {
      this.#database.exec('ROLLBACK TO images; RELEASE images');
      throw error;
    }
  }
}

function recordOf(row: ImageRow, names: readonly string[]): ImageRecord {
  const { config } = row;
  return Object.freeze({
    id: row.id,
    manifest: row.manifest,
    configDescriptor: row.configDescriptor,
    config,
    platform: normalizePlatform({
      os: config.os,
      architecture: config.architecture,
      ...(config.variant === undefined ? {} : { variant: config.variant }),
    }),
    layers: row.layers,
    chain: chainIds(config.rootfs.diff_ids),
    layerSizesBytes: row.layerSizesBytes,
    sizeBytes: row.layerSizesBytes.reduce((sum, size) => sum + size, 0),
    ...(row.parent === undefined ? {} : { parent: row.parent }),
    tags: names.filter((name) => !name.includes('@')),
    digests: names.filter((name) => name.includes('@')),
    addedAtMs: row.addedAtMs,
    ...(row.lastTaggedAtMs === undefined ? {} : { lastTaggedAtMs: row.lastTaggedAtMs }),
    ...(row.lastUsedAtMs === undefined ? {} : { lastUsedAtMs: row.lastUsedAtMs }),
    captured: row.captured,
  });
}

function newestFirst(a: ImageRecord, b: ImageRecord): number {
  const difference = createdMs(b) - createdMs(a);
  return difference === 0 ? b.addedAtMs - a.addedAtMs : difference;
}

function createdMs(record: ImageRecord): number {
  const ms = Date.parse(record.config.created ?? '');
  return Number.isNaN(ms) ? 0 : ms;
}

/**
 * Volumes as directories: `<root>/<name>/_data`, with a row each in the
 * engine's database. This is the minimum: no driver options, no copy of the
 * image's content.
 *
 * **Invariants**
 * - A volume that can be found has its directory.
 * - A directory without a row is what a crash left; it goes when the store is opened.
 */

import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { mkdirSync, readdirSync, renameSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { HostPath } from '../base/brand.ts';
import type { Clock } from '../base/clock.ts';
import { EngineError, messageOf } from '../base/error.ts';
import { hostPath } from '../base/host-path.ts';
import type { Log } from '../base/log.ts';
import { isVolumeName } from '../spec/volume-name.ts';
import { decodeVolume, encodeVolume } from './decode-volume.ts';
import type { VolumeRecord, VolumeRequest, VolumeStore } from './store.ts';

/** What the store works with. */
export interface DiskVolumesOptions {
  /** Made when it is not there. */
  readonly root: HostPath;
  readonly database: DatabaseSync;
  readonly clock: Clock;
  readonly log: Log;
}

/** Makes the store's table; idempotent. */
export function createVolumeSchema(database: DatabaseSync): void {
  database.exec(
    'CREATE TABLE IF NOT EXISTS volumes (name TEXT PRIMARY KEY, volume TEXT NOT NULL) STRICT, WITHOUT ROWID',
  );
}

/** Prefix of directories on their way out; no volume's name begins so. */
const TRASH_PREFIX = '.trash-';

/** Volumes on this machine's disk. */
export class DiskVolumes implements VolumeStore {
  readonly #root: HostPath;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #byName = new Map<string, VolumeRecord>();
  readonly #deleting = new Set<Promise<void>>();
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #pending: string[] = [];
  #trashCount = 0;

  /** Opens the store and sweeps what a crash left. */
  constructor(options: DiskVolumesOptions) {
    const { root, database } = options;
    this.#root = root;
    this.#clock = options.clock;
    this.#log = options.log;
    createVolumeSchema(database);
    this.#insert = database.prepare('INSERT INTO volumes (name, volume) VALUES (?, ?)');
    this.#delete = database.prepare('DELETE FROM volumes WHERE name = ?');
    mkdirSync(root, { recursive: true, mode: 0o701 });
    for (const row of database.prepare('SELECT name, volume FROM volumes').all()) {
      const volume = decodeVolume(String(row['volume']));
      this.#byName.set(volume.name, volume);
    }
    for (const name of readdirSync(root)) if (!this.#byName.has(name)) this.#discard(name);
  }

  ensure(request: VolumeRequest): { readonly volume: VolumeRecord; readonly isNew: boolean } {
    const existing = this.#byName.get(request.name);
    if (existing !== undefined) return { volume: existing, isNew: false };
    checkRequest(request);
    this.#discardPending();
    const volume: VolumeRecord = {
      ...request,
      mountpoint: hostPath(`${this.#root}/${request.name}/_data`),
      createdAtNs: this.#clock.nowNs(),
    };
    mkdirSync(volume.mountpoint, { recursive: true, mode: 0o755 });
    this.#insert.run(volume.name, encodeVolume(volume));
    this.#byName.set(volume.name, volume);
    return { volume, isNew: true };
  }

  find(name: string): VolumeRecord | undefined {
    return this.#byName.get(name);
  }

  list(): readonly VolumeRecord[] {
    return [...this.#byName.values()].sort((a, b) => (a.createdAtNs < b.createdAtNs ? -1 : 1));
  }

  remove(name: string): void {
    if (!this.#byName.has(name)) return;
    this.#delete.run(name);
    this.#byName.delete(name);
    // Not before the caller's transaction is over: a row must not outlive its directory.
    this.#pending.push(name);
    queueMicrotask(() => this.#discardPending());
  }

  async close(): Promise<void> {
    this.#discardPending();
    await Promise.all(this.#deleting);
  }

  #discardPending(): void {
    for (let name = this.#pending.pop(); name !== undefined; name = this.#pending.pop())
      this.#discard(name);
  }

  /** Renamed away at once, so that a new volume of the name begins empty. */
  #discard(name: string): void {
    this.#trashCount += 1;
    const isTrash = name.startsWith(TRASH_PREFIX);
    const place = isTrash
      ? name
      : `${TRASH_PREFIX}${process.pid}-${this.#trashCount}-${process.hrtime.bigint()}`;
    if (!isTrash) renameSync(`${this.#root}/${name}`, `${this.#root}/${place}`);
    const work = rm(`${this.#root}/${place}`, { recursive: true, force: true }).catch(
      (error: unknown) => {
        this.#log.warn('cannot delete a volume; tried again at the next start', {
          name,
          error: messageOf(error),
        });
      },
    );
    this.#deleting.add(work);
    void work.then(() => this.#deleting.delete(work));
  }
}

function checkRequest(request: VolumeRequest): void {
  if (!isVolumeName(request.name)) {
    throw new EngineError(
      'invalid',
      `create ${request.name}: "${request.name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed`,
    );
  }
  if (request.driver !== 'local') {
    throw new EngineError(
      'not-found',
      `error looking up volume plugin ${request.driver}: plugin "${request.driver}" not found`,
    );
  }
  if (Object.keys(request.driverOptions).length > 0) {
    throw new EngineError(
      'unsupported',
      'Cannot create a volume with driver options: this version of carve has none',
    );
  }
}

/**
 * Volumes as directories: `<root>/<name>/_data`, with a row each in the
 * engine's database.
 *
 * **Invariants**
 * - A volume that can be found has its directory.
 * - A directory without a row is what a crash left, or was staged and not used;
 *   it goes when the store is opened.
 */

import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import type { HostPath } from '../base/brand.ts';
import type { Clock } from '../base/clock.ts';
import { EngineError, isEngineError, messageOf } from '../base/error.ts';
import { hostPath } from '../base/host-path.ts';
import type { Log } from '../base/log.ts';
import type { Failpoints } from '../base/failpoint.ts';
import { diskError } from '../kernel/disk-error.ts';
import { isVolumeName, VOLUME_NAME_CHARACTERS } from '../spec/volume-name.ts';
import { decodeVolume, encodeVolume } from './decode-volume.ts';
import { parseDriverOptions } from './driver-options.ts';
import type { VolumeRecord, VolumeRequest, VolumeStore } from './store.ts';

/** What the store works with. */
export interface DiskVolumesOptions {
  /** Made when it is not there. */
  readonly root: HostPath;
  readonly database: DatabaseSync;
  readonly clock: Clock;
  readonly log: Log;
  /** Deletes a directory with all in it, whatever a container put there. */
  readonly remove: (directory: string) => Promise<void>;
  /** Tests only. */
  readonly failpoints?: Failpoints;
}

/** Makes the store's table; idempotent. */
export function createVolumeSchema(database: DatabaseSync): void {
  database.exec(
    'CREATE TABLE IF NOT EXISTS volumes (name TEXT PRIMARY KEY, volume TEXT NOT NULL) STRICT, WITHOUT ROWID',
  );
}

/** Prefix of directories on their way out; no volume's name begins so. */
const TRASH_PREFIX = '.trash-';
/** Prefix of directories that no volume is made of yet. */
const STAGED_PREFIX = '.new-';
/** First number for a quota: far from those people choose. Source: project quotas have 32-bit ids. */
const FIRST_PROJECT = 0x6ca_0000;

/** Volumes on this machine's disk. */
export class DiskVolumes implements VolumeStore {
  readonly #options: DiskVolumesOptions;
  readonly #byName = new Map<string, VolumeRecord>();
  readonly #deleting = new Set<Promise<void>>();
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #rename: StatementSync;
  readonly #pending: string[] = [];
  #count = 0;

  /** Opens the store and sweeps what a crash left. */
  constructor(options: DiskVolumesOptions) {
    const { root, database } = options;
    this.#options = options;
    createVolumeSchema(database);
    this.#insert = database.prepare('INSERT INTO volumes (name, volume) VALUES (?, ?)');
    this.#delete = database.prepare('DELETE FROM volumes WHERE name = ?');
    this.#rename = database.prepare('UPDATE volumes SET name = ?, volume = ? WHERE name = ?');
    // What a container makes setuid in a volume is nobody's of the host to run, nor may he guess a name.
    mkdirSync(root, { recursive: true });
    chmodSync(root, 0o700);
    for (const row of database.prepare('SELECT name, volume FROM volumes').all()) {
      const volume = decodeVolume(String(row['volume']));
      this.#byName.set(volume.name, volume);
    }
    for (const volume of this.#byName.values()) this.#finishRename(volume);
    for (const name of readdirSync(root)) if (!this.#byName.has(name)) this.#discard(name);
  }

  check(request: VolumeRequest): void {
    if (this.#byName.has(request.name)) return;
    const { name, driver } = request;
    try {
      checkName(name);
      if (driver !== 'local') {
        throw new EngineError(
          'not-found',
          `error looking up volume plugin ${driver}: plugin ${JSON.stringify(driver)} not found`,
        );
      }
      parseDriverOptions(request.driverOptions);
    } catch (error) {
      throw named(name, error);
    }
  }

  ensure(request: VolumeRequest): { readonly volume: VolumeRecord; readonly isNew: boolean } {
    const existing = this.#byName.get(request.name);
    if (existing !== undefined) return { volume: existing, isNew: false };
    this.check(request);
    this.#discardPending();
    const { staged, isReadonly, ...rest } = request;
    const volume: VolumeRecord = {
      ...rest,
      ...(isReadonly === true ? { isReadonly } : {}),
      ...(staged?.projectId === undefined ? {} : { projectId: staged.projectId }),
      mountpoint: this.placeOf(request.name),
      createdAtNs: this.#options.clock.nowNs(),
    };
    this.#makeDirectory(volume, staged?.path);
    try {
      this.#insert.run(volume.name, encodeVolume(volume));
    } catch (error) {
      this.#discard(volume.name);
      throw error;
    }
    this.#byName.set(volume.name, volume);
    return { volume, isNew: true };
  }

  find(name: string): VolumeRecord | undefined {
    return this.#byName.get(name);
  }

  list(): readonly VolumeRecord[] {
    return [...this.#byName.values()].sort((a, b) => (a.createdAtNs < b.createdAtNs ? -1 : 1));
  }

  placeOf(name: string): HostPath {
    return hostPath(`${this.#options.root}/${name}/_data`);
  }

  stage(): HostPath {
    const path = hostPath(`${this.#options.root}/${STAGED_PREFIX}${this.#freshName()}`);
    try {
      mkdirSync(path, { mode: 0o755 });
    } catch (error) {
      throw diskError('Cannot make the directory of a volume', error);
    }
    return path;
  }

  discard(staged: HostPath): void {
    const name = staged.slice(this.#options.root.length + 1);
    if (name.startsWith(STAGED_PREFIX) && existsSync(staged)) this.#discard(name);
  }

  nextProjectId(): number {
    const taken = new Set([...this.#byName.values()].map(({ projectId }) => projectId));
    let id = FIRST_PROJECT + this.#count++;
    while (taken.has(id)) id += 1;
    return id;
  }

  rename(name: string, newName: string): VolumeRecord {
    const volume = this.#byName.get(name);
    if (volume === undefined) throw new EngineError('not-found', `get ${name}: no such volume`);
    checkName(newName);
    if (this.#byName.has(newName)) {
      throw new EngineError(
        'conflict',
        `Cannot rename volume ${name}: ${newName} is there already`,
      );
    }
    this.#discardPending();
    const renamed: VolumeRecord = {
      ...volume,
      name: newName,
      mountpoint: this.placeOf(newName),
      renamedFrom: name,
      isAnonymous: false,
    };
    // The row first: from here on a crash finishes the renaming at the next open.
    this.#rename.run(newName, encodeVolume(renamed), name);
    this.#options.failpoints?.hit('volume-rename.committed');
    try {
      renameSync(`${this.#options.root}/${name}`, `${this.#options.root}/${newName}`);
    } catch (error) {
      this.#rename.run(name, encodeVolume(volume), newName);
      throw diskError(`Cannot rename volume ${name}`, error);
    }
    this.#byName.delete(name);
    this.#byName.set(newName, renamed);
    return renamed;
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

  #makeDirectory(volume: VolumeRecord, staged: HostPath | undefined): void {
    const { mountpoint } = volume;
    try {
      mkdirSync(`${this.#options.root}/${volume.name}`, { mode: 0o755 });
      if (staged === undefined) mkdirSync(mountpoint, { mode: 0o755 });
      else renameSync(staged, mountpoint);
    } catch (error) {
      throw diskError(`Cannot make the directory of volume ${volume.name}`, error);
    }
  }

  /** A crash came between the row's new name and the directory's. */
  #finishRename({ name, renamedFrom }: VolumeRecord): void {
    const { root } = this.#options;
    if (renamedFrom === undefined || this.#byName.has(renamedFrom)) return;
    if (existsSync(`${root}/${name}`) || !existsSync(`${root}/${renamedFrom}`)) return;
    renameSync(`${root}/${renamedFrom}`, `${root}/${name}`);
  }

  #discardPending(): void {
    for (let name = this.#pending.pop(); name !== undefined; name = this.#pending.pop())
      this.#discard(name);
  }

  /** Renamed away at once, so that a new volume of the name begins empty. */
  #discard(name: string): void {
    const { root, log, remove } = this.#options;
    const isTrash = name.startsWith(TRASH_PREFIX);
    const place = isTrash ? name : `${TRASH_PREFIX}${this.#freshName()}`;
    try {
      if (!isTrash) renameSync(`${root}/${name}`, `${root}/${place}`);
    } catch (error) {
      // A mount of the operator's, say: what is on it is not ours to delete.
      log.warn('cannot take the directory of a volume away; tried again at the next start', {
        name,
        error: messageOf(error),
      });
      return;
    }
    const work = remove(`${root}/${place}`).catch((error: unknown) => {
      log.warn('cannot delete a volume; tried again at the next start', {
        name,
        error: messageOf(error),
      });
    });
    this.#deleting.add(work);
    void work.then(() => this.#deleting.delete(work));
  }

  #freshName(): string {
    this.#count += 1;
    return `${process.pid}-${this.#count}-${process.hrtime.bigint()}`;
  }
}

function checkName(name: string): void {
  if (isVolumeName(name)) return;
  if (/^[a-zA-Z0-9]$/.test(name)) {
    throw new EngineError(
      'invalid',
      'volume name is too short, names should be at least two alphanumeric characters',
    );
  }
  const shown = JSON.stringify(name.slice(0, 300));
  throw new EngineError(
    'invalid',
    `${shown} includes invalid characters for a local volume name, only "${VOLUME_NAME_CHARACTERS}" are allowed. If you intended to pass a host directory, use absolute path`,
  );
}

/** Docker's `create NAME: …`. */
function named(name: string, error: unknown): unknown {
  if (!isEngineError(error)) return error;
  const { kind, message } = error;
  return new EngineError(kind, `create ${name.slice(0, 300)}: ${message}`, { cause: error });
}

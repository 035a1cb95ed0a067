/**
 * What a new container puts into its volumes before it is there: a volume that
 * is new or empty gets what the image has at its place, with owners, modes and
 * attributes (copy-up).
 *
 * The image's files are seen in a root that is mounted for the moment, and
 * every path is resolved inside it: a link of the image leads nowhere else. A
 * new volume is made of the finished copy. One that is there is filled in place,
 * since others may have it mounted: the copy is made beside it, then moved; what
 * a crash cuts off is finished or dropped when the engine is opened.
 *
 * Source: Engine API `VolumeOptions.NoCopy`; security matrix R25.
 */

import { lstatSync, mkdirSync, opendirSync, readdirSync, renameSync, rmdirSync } from 'node:fs';
import type { HostPath } from '../../base/brand.ts';
import { hostPath } from '../../base/host-path.ts';
import { EngineError, isEngineError, messageOf } from '../../base/error.ts';
import { diskError } from '../../kernel/disk-error.ts';
import type { FilePlace } from '../../layers/container-files.ts';
import type { RootSource } from '../../runtime/runtime.ts';
import { parseDriverOptions } from '../../volumes/driver-options.ts';
import type { StagedDirectory, VolumeRecord, VolumeRequest } from '../../volumes/store.ts';
import type { ContainerMount } from '../containers/mount.ts';
import type { ContainerRecord } from '../containers/record.ts';
import type { EngineParts } from '../parts.ts';
import { ANONYMOUS_LABEL } from './make.ts';
import { stageVolume } from './stage.ts';

/** Beside `_data`: a copy that is being made, and one that is complete. */
const FILLING = '_fill';
const FILLED = '_ready';

/** A volume of the container that is to be, by its mount's destination. */
export interface PreparedVolume {
  readonly request: VolumeRequest;
  readonly staged: StagedDirectory | undefined;
}

/** By destination. */
export type PreparedVolumes = ReadonlyMap<string, PreparedVolume>;

/** Names of volumes that are made or filled: locked while a container is made. */
export function namedVolumes(record: Pick<ContainerRecord, 'mounts'>): readonly string[] {
  return record.mounts.flatMap(({ volume }) =>
    volume === undefined || volume.name === '' ? [] : [volume.name],
  );
}

/**
 * Make and fill directories; no volume is made. `discard` what is not used.
 * Precondition: the names are locked. Errors: those of volumes, the mount and
 * the disk; then nothing is left.
 */
export async function prepareVolumes(
  parts: EngineParts,
  record: ContainerRecord,
  root: () => RootSource,
): Promise<PreparedVolumes> {
  const prepared = new Map<string, PreparedVolume>();
  const image = new ImageRoot(parts, record, root);
  try {
    const began = new Set<string>();
    for (const mount of record.mounts) {
      if (mount.volume === undefined) continue;
      const request = volumeRequest(parts, mount.volume);
      const existing = parts.volumes.find(request.name);
      // Twice in one container: the first place fills it.
      const isFirst = !began.has(request.name);
      began.add(request.name);
      const copies = isFirst && wantsCopy(mount, existing);
      if (existing !== undefined && copies) await fillInPlace(parts, existing, { image, mount });
      const staged =
        existing === undefined && isFirst
          ? await stageVolume(parts, request, copies ? image.copier(mount) : undefined)
          : undefined;
      prepared.set(mount.destination, { request, staged });
    }
    return prepared;
  } catch (error) {
    discardPrepared(parts, prepared);
    throw ofCreate(error);
  } finally {
    await image.close();
  }
}

/** Not `not-found`: of a create that means the image, and Docker's CLI would go and pull it. */
function ofCreate(error: unknown): unknown {
  if (!isEngineError(error) || error.kind !== 'not-found') return error;
  return new EngineError('invalid', error.message, { cause: error });
}

/** Nobody made volumes of these. */
export function discardPrepared(
  parts: Pick<EngineParts, 'volumes'>,
  prepared: PreparedVolumes,
): void {
  for (const { staged } of prepared.values())
    if (staged !== undefined) parts.volumes.discard(staged.path);
}

function volumeRequest(
  parts: Pick<EngineParts, 'randomHex'>,
  volume: NonNullable<ContainerMount['volume']>,
): VolumeRequest {
  const { isAnonymous, driver, labels, driverOptions } = volume;
  return {
    name: volume.name === '' ? parts.randomHex() : volume.name,
    driver: driver === '' ? 'local' : driver,
    labels: isAnonymous ? { ...labels, [ANONYMOUS_LABEL]: '' } : labels,
    driverOptions,
    isAnonymous,
  };
}

/** Only where the container says what the volume is, and not what another one has. */
function wantsCopy(mount: ContainerMount, existing: VolumeRecord | undefined): boolean {
  const { volume } = mount;
  if (volume === undefined || volume.noCopy || volume.subpath !== '') return false;
  if (mount.origin === 'volumes-from') return false;
  // Files that are elsewhere are what they are.
  const options = existing?.driverOptions ?? volume.driverOptions;
  if (parseDriverOptions(options).mount !== undefined) return false;
  return existing === undefined || isFillable(existing, mount);
}

/** Who may only read a volume does not change it either. */
function isFillable({ isReadonly, mountpoint }: VolumeRecord, mount: ContainerMount): boolean {
  return !mount.readonly && isReadonly !== true && isEmpty(mountpoint);
}

function isEmpty(directory: HostPath): boolean {
  try {
    const open = opendirSync(directory);
    try {
      return open.readSync() === null;
    } finally {
      open.closeSync();
    }
  } catch (error) {
    throw diskError(`Cannot look into ${directory}`, error);
  }
}

/** The image's files, mounted when they are first asked for. */
class ImageRoot {
  readonly #parts: EngineParts;
  readonly #record: ContainerRecord;
  readonly #root: () => RootSource;
  #held: Awaited<ReturnType<EngineParts['runtime']['hold']>> | undefined;

  constructor(parts: EngineParts, record: ContainerRecord, root: () => RootSource) {
    this.#parts = parts;
    this.#record = record;
    this.#root = root;
  }

  /** Copies what is at a mount's place; false: nothing is, or no directory. */
  copier(mount: ContainerMount): (target: HostPath) => Promise<boolean> {
    return async (target) => {
      if (isSurelyAbsent(this.#root(), mount.destination)) return false;
      const place = await this.#place();
      return this.#parts.copies.duplicate({ place, path: mount.destination, target });
    };
  }

  async close(): Promise<void> {
    await this.#held?.release();
  }

  async #place(): Promise<FilePlace> {
    this.#held ??= await this.#parts.runtime.hold({
      id: this.#record.id,
      spec: { ociVersion: '1.2.0', mounts: [] },
      root: this.#root(),
      isWritable: false,
    });
    const { process, below } = this.#held;
    return { pid: process.pid, startTicks: process.startTicks, below };
  }
}

/**
 * No layer has anything there: nothing need be mounted to see that. Layers are
 * carve's own and do not change; a link is followed where it leads right.
 */
function isSurelyAbsent(root: RootSource, destination: string): boolean {
  if (root.kind !== 'overlay') return false;
  const components = destination.split('/').filter((component) => component !== '');
  return root.lower.every((layer) => {
    let path: string = layer;
    for (const component of components) {
      path = `${path}/${component}`;
      const found = lstatSync(path, { throwIfNoEntry: false });
      if (found === undefined) return true;
      if (!found.isDirectory()) return false;
    }
    return false;
  });
}

async function fillInPlace(
  parts: EngineParts,
  volume: VolumeRecord,
  from: { readonly image: ImageRoot; readonly mount: ContainerMount },
): Promise<void> {
  const home = volume.mountpoint.slice(0, volume.mountpoint.lastIndexOf('/'));
  const filling = hostPath(`${home}/${FILLING}`);
  const filled = `${home}/${FILLED}`;
  try {
    mkdirSync(filling, { mode: 0o755 });
  } catch (error) {
    throw diskError(`Cannot fill volume ${volume.name}`, error);
  }
  try {
    parts.failpoints.hit('volume-fill.begun');
    if (!(await from.image.copier(from.mount)(filling))) {
      rmdirSync(filling);
      return;
    }
    renameSync(filling, filled);
  } catch (error) {
    await parts.trees.remove(filling).catch(() => undefined);
    throw error;
  }
  parts.failpoints.hit('volume-fill.copied');
  await parts.copies.merge(filled, volume.mountpoint);
  parts.failpoints.hit('volume-fill.done');
}

/** Finish or drop what a crash left of filling. One that fails spoils no other. */
export async function finishFills(parts: EngineParts): Promise<void> {
  for (const volume of parts.volumes.list()) {
    try {
      await finishFill(parts, volume);
    } catch (error) {
      const facts = { name: volume.name, error: messageOf(error) };
      parts.log.warn('cannot finish the filling of a volume', facts);
    }
  }
}

async function finishFill(parts: EngineParts, { mountpoint }: VolumeRecord): Promise<void> {
  const home = mountpoint.slice(0, mountpoint.lastIndexOf('/'));
  const entries = readdirSync(home);
  if (entries.includes(FILLED)) await parts.copies.merge(`${home}/${FILLED}`, mountpoint);
  if (entries.includes(FILLING)) await parts.trees.remove(`${home}/${FILLING}`);
}

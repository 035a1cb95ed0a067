/**
 * `volume clone` and `volume snapshot`: the same files in a new volume, by the
 * kernel. The copy is complete when it can be seen.
 */

import { EngineError } from '../../base/error.ts';
import { parseDriverOptions } from '../../volumes/driver-options.ts';
import type { VolumeRecord } from '../../volumes/store.ts';
import type { Container } from '../containers/container.ts';
import { whileFrozen } from '../containers/frozen.ts';
import type { OperationOptions } from '../engine.ts';
import type { EngineParts } from '../parts.ts';
import type { CopyVolume } from './contract.ts';
import type { FillDirectory } from './stage.ts';
import { makeVolume } from './make.ts';
import { openVolume } from './place.ts';
import { usersOfVolume } from './users.ts';

/** Label of a copy: the volume it was made of. */
export const SOURCE_LABEL = 'io.carve.volume.source';

/** What becomes of the copy. */
export interface CopyKind {
  /** Nobody can write to it. */
  readonly isReadonly: boolean;
  /** Unless the request says otherwise. */
  readonly pauses: boolean;
}

/** Errors: `conflict` for a name that is taken, or when the source went meanwhile; `cancelled`; those of the disk. */
export async function copyVolume(
  parts: EngineParts,
  source: VolumeRecord,
  how: {
    readonly request: CopyVolume;
    readonly kind: CopyKind;
    readonly options: OperationOptions;
  },
): Promise<VolumeRecord> {
  const { request, kind, options } = how;
  const { Name: given = '', Labels: labels } = request;
  const name = given === '' ? copyName(parts, source.name) : given;
  const fill: FillDirectory = async (target) => {
    const copy = async (): Promise<void> => duplicate(parts, source, { target, ...options });
    const users = usersOfVolume(parts, source.name);
    await ((request.Pause ?? kind.pauses) ? whileAllFrozen(users, copy) : copy());
    // It was deleted while it was read: the copy may lack files.
    if (parts.volumes.find(source.name) !== source)
      throw new EngineError('conflict', `volume ${source.name} was removed while it was copied`);
    return true;
  };
  const copied = {
    name,
    driver: source.driver,
    labels: { ...source.labels, ...labels, [SOURCE_LABEL]: source.name },
    driverOptions: sizeOnly(source),
    isAnonymous: false,
    ...(kind.isReadonly ? { isReadonly: true } : {}),
  };
  return makeVolume(parts, copied, { fill });
}

async function duplicate(
  parts: EngineParts,
  source: VolumeRecord,
  to: { readonly target: string } & OperationOptions,
): Promise<void> {
  const { place, path, close } = await openVolume(parts, source);
  try {
    if (await parts.copies.duplicate({ place, path, ...to })) return;
    throw new EngineError('corrupt', `Cannot copy volume ${source.name}: its directory is gone`);
  } finally {
    await close();
  }
}

/** One inside the other: when `work` runs, all of them rest. In one order, so that two copies never wait for each other. */
async function whileAllFrozen(
  containers: readonly Container[],
  work: () => Promise<void>,
): Promise<void> {
  const [first, ...rest] = containers.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  if (first === undefined) return work();
  return whileFrozen(first, async () => whileAllFrozen(rest, work));
}

/** A copy has files of its own, wherever those of the source are. */
function sizeOnly({ driverOptions }: VolumeRecord): Readonly<Record<string, string>> {
  const { mount } = parseDriverOptions(driverOptions);
  return mount === undefined ? driverOptions : {};
}

/** `data-20261129-231500`, a number behind it where that is taken. */
function copyName(parts: EngineParts, name: string): string {
  const time = new Date(Number(parts.clock.nowNs() / 1_000_000n)).toISOString();
  const stamp = time.slice(0, 19).replace(/[-:]/g, '').replace('T', '-');
  const base = `${name.slice(0, 200)}-${stamp}`;
  for (let count = 1; ; count += 1) {
    const candidate = count === 1 ? base : `${base}-${count}`;
    if (parts.volumes.find(candidate) === undefined) return candidate;
  }
}

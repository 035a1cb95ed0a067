/**
 * What only a start can say of its mounts: addresses of servers, and who has a
 * file system mounted already of which there can be only one. Such a one lives
 * as long as some container that uses it: the next one takes it from there, and
 * nothing is ever mounted on the host.
 */

import { EngineError, messageOf } from '../../base/error.ts';
import type { VolumeMount } from '../../volumes/driver-options.ts';
import { resolveAddresses } from '../../volumes/addresses.ts';
import type { EngineParts } from '../parts.ts';
import type { Container } from './container.ts';
import type { ContainerMount } from './mount.ts';
import type { MountSource, MountSources } from './mount-facts.ts';
import { mountSources } from './mount-source.ts';
import type { ContainerRecord } from './record.ts';
import type { ResolvedUser } from './spec/input.ts';

/** File systems without a device or server behind them: a second mount would be another one. */
const SINGLE: ReadonlySet<string> = new Set(['tmpfs', 'ramfs', 'hugetlbfs', 'overlay']);

/** Errors: as `mountSources`; `unavailable` for a server whose address nobody knows. */
export async function launchSources(
  parts: EngineParts,
  record: ContainerRecord,
  user: Pick<ResolvedUser, 'uid' | 'gid'>,
): Promise<MountSources> {
  const known = mountSources(parts, record, user);
  const found = new Map<string, MountSource>();
  for (const mount of record.mounts) {
    const source = known.get(mount.destination);
    if (source === undefined) continue;
    const peer = isSingle(source.mount) ? peerOf(parts, record, mount) : undefined;
    found.set(mount.destination, {
      ...source,
      ...(source.mount === undefined ? {} : { mount: await resolve(source.mount, mount) }),
      ...(peer === undefined ? {} : { peer }),
    });
  }
  return found;
}

/** Names of locks that keep two starts from each mounting one of their own. */
export function singleMountsOf(
  parts: EngineParts,
  record: Pick<ContainerRecord, 'mounts' | 'name'>,
): readonly string[] {
  if (!record.mounts.some(({ volume }) => volume !== undefined)) return [];
  const sources = mountSources(parts, { ...record, mounts: volumesOf(record) }, { uid: 0, gid: 0 });
  return volumesOf(record)
    .filter(({ destination }) => isSingle(sources.get(destination)?.mount))
    .map(({ volume }) => `mount of ${volume?.name ?? ''}`);
}

/** A running container that has all of the volume. */
export function peerOf(
  parts: Pick<EngineParts, 'containers'>,
  record: Pick<ContainerRecord, 'id'>,
  { volume }: ContainerMount,
): MountSource['peer'] {
  for (const container of parts.containers.all()) {
    const path = container.id === record.id ? undefined : wholeOf(container, volume?.name ?? '');
    if (path === undefined || container.live === undefined) continue;
    const { pid, startTicks } = container.live.runtime.process;
    return { process: { pid, startTicks: String(startTicks) }, path };
  }
  return undefined;
}

function wholeOf(container: Container, name: string): string | undefined {
  return container.record.mounts.find(
    ({ volume }) => volume?.name === name && volume.subpath === '',
  )?.destination;
}

function isSingle(mount: VolumeMount | undefined): boolean {
  return mount !== undefined && SINGLE.has(mount.type);
}

function volumesOf({ mounts }: Pick<ContainerRecord, 'mounts'>): readonly ContainerMount[] {
  return mounts.filter(({ volume }) => volume !== undefined);
}

async function resolve(mount: VolumeMount, { volume }: ContainerMount): Promise<VolumeMount> {
  try {
    return await resolveAddresses(mount);
  } catch (cause) {
    throw new EngineError(
      'unavailable',
      `Cannot mount volume ${volume?.name ?? ''}: ${messageOf(cause)}`,
      { cause },
    );
  }
}

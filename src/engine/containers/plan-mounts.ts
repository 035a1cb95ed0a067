/**
 * Which mounts a container gets, from every part of its request, pure.
 * Precedence by destination: volumes-from < binds < mounts < tmpfs; an image's
 * `VOLUME` only where nothing else is mounted. Two of one part on one
 * destination are an error. The result is ordered so that a parent comes
 * before what lies below it.
 *
 * Source: Engine API `HostConfig`; engine-api facts 4.2.
 */

import { EngineError } from '../../base/error.ts';
import type { ContainerConfig, HostConfig } from '../../spec/docker/container.ts';
import type { ContainerMount } from './mount.ts';
import { imageVolume, parseBind, parseMount, parseTmpfs } from './parse-mount.ts';

/** The parts of a request that ask for mounts. */
export interface MountRequest {
  readonly hostConfig: Pick<HostConfig, 'Binds' | 'Mounts' | 'Tmpfs' | 'VolumeDriver'>;
  /** The merged configuration: the image's volumes and the client's. */
  readonly config: Pick<ContainerConfig, 'Volumes'>;
  /** Mounts of the containers named by `VolumesFrom`, in order, read-only where asked. */
  readonly inherited: readonly ContainerMount[];
}

/** Errors: `invalid`, e.g. `Duplicate mount point: /data`. */
export function planContainerMounts(request: MountRequest): readonly ContainerMount[] {
  const { hostConfig } = request;
  const asked = [
    ...(hostConfig.Binds ?? []).map((text) => withDriver(parseBind(text), hostConfig)),
    ...(hostConfig.Mounts ?? []).map(parseMount),
    ...Object.entries(hostConfig.Tmpfs ?? {}).map(([target, options]) =>
      parseTmpfs(target, options),
    ),
  ];
  const byDestination = new Map<string, ContainerMount>();
  for (const mount of request.inherited) byDestination.set(mount.destination, mount);
  const taken = new Set<string>();
  for (const mount of asked) {
    if (taken.has(mount.destination)) {
      throw new EngineError('invalid', `Duplicate mount point: ${mount.destination}`);
    }
    taken.add(mount.destination);
    byDestination.set(mount.destination, mount);
  }
  for (const target of Object.keys(request.config.Volumes ?? {})) {
    // A key with a colon is a bind in the wrong field: Docker refuses it too.
    if (target.includes(':'))
      throw new EngineError('invalid', `invalid volume specification: '${target}'`);
    const mount = withDriver(imageVolume(target), hostConfig);
    if (!byDestination.has(mount.destination)) byDestination.set(mount.destination, mount);
  }
  return [...byDestination.values()].sort((a, b) => depth(a.destination) - depth(b.destination));
}

/** `--volume-driver` is of volumes that name none themselves. */
function withDriver(
  mount: ContainerMount,
  { VolumeDriver: driver = '' }: Pick<HostConfig, 'VolumeDriver'>,
): ContainerMount {
  if (mount.volume === undefined || driver === '') return mount;
  return { ...mount, volume: { ...mount.volume, driver } };
}

function depth(path: string): number {
  return path.split('/').length;
}

/** `container[:ro|rw]` of `VolumesFrom`. Errors: `invalid`. */
export function parseVolumesFrom(text: string): {
  readonly ref: string;
  readonly readonly: boolean;
} {
  const [ref = '', mode = 'rw', ...rest] = text.split(':');
  if (ref === '') throw new EngineError('invalid', `malformed volumes-from specification: ${text}`);
  const words = mode.split(',');
  if (rest.length > 0 || words.some((word) => !['ro', 'rw', 'z', 'Z'].includes(word))) {
    throw new EngineError('invalid', `invalid mode: ${mode}`);
  }
  return { ref, readonly: words.includes('ro') };
}

/** Mounts of another container as `VolumesFrom` takes them over: binds and volumes only. */
export function inheritMounts(
  mounts: readonly ContainerMount[],
  isReadonly: boolean,
): readonly ContainerMount[] {
  return mounts
    .filter((mount) => mount.type === 'bind' || mount.type === 'volume')
    .map((mount) => ({ ...mount, origin: 'volumes-from', readonly: mount.readonly || isReadonly }));
}

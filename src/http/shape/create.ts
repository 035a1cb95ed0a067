/**
 * A create request in the words of an older client, in today's. Each version
 * changed a default or a field; the engine knows the newest only.
 * Source: Docker Engine API, version history 1.25 to 1.44; engine-api facts 1.2, 4.
 */

import { EngineError } from '../../base/error.ts';
import type { CreateContainer } from '../../engine/engine.ts';
import type {
  ContainerConfig,
  ContainerCreateBody,
  EndpointSettings,
  HostConfig,
  Mount,
} from '../../spec/docker/container.ts';

/** Body and query of a create. Errors: `invalid`. */
export function shapeCreate(
  body: ContainerCreateBody | undefined,
  query: { readonly name: string | undefined; readonly platform: string | undefined },
  version: number,
): CreateContainer {
  if (body === undefined) {
    throw new EngineError('invalid', 'config cannot be empty in order to create a container');
  }
  const { HostConfig: hostConfig, NetworkingConfig: networking, ...config } = body;
  const endpoints = networking?.EndpointsConfig ?? {};
  const host = shapeHostConfig(hostConfig ?? {}, version);
  checkEndpoints(endpoints, version);
  return {
    ...(query.name === undefined ? {} : { name: query.name.replace(/^\//, '') }),
    ...(query.platform === undefined || version < 41 ? {} : { platform: query.platform }),
    config: shapeConfig(config, version),
    hostConfig: host,
    endpoints,
  };
}

function shapeConfig(config: ContainerConfig, version: number): ContainerConfig {
  if (version >= 44 || config.Healthcheck?.StartInterval === undefined) return config;
  const { StartInterval: _, ...healthcheck } = config.Healthcheck;
  return { ...config, Healthcheck: healthcheck };
}

function shapeHostConfig(given: HostConfig, version: number): HostConfig {
  if (version >= 44) return given;
  const { Annotations, Mounts, ...rest } = given;
  return {
    ...rest,
    ...(Mounts === undefined || Mounts === null
      ? {}
      : { Mounts: Mounts.map((mount) => shapeMount(mount, version)) }),
    ...(version < 43 || Annotations === undefined ? {} : { Annotations }),
    ...olderDefaults(given, version),
  };
}

/** Private namespaces became the default with 1.40 (IPC) and 1.41 (cgroup). */
function olderDefaults(given: HostConfig, version: number): HostConfig {
  const isUnset = (mode: string | undefined): boolean => mode === undefined || mode === '';
  const hasNoPidsLimit = (given.PidsLimit ?? 0) <= 0;
  return {
    ...(version < 41 && isUnset(given.CgroupnsMode) ? { CgroupnsMode: 'host' } : {}),
    ...(version < 40 && isUnset(given.IpcMode) ? { IpcMode: 'shareable' } : {}),
    ...(version < 40 && hasNoPidsLimit ? { PidsLimit: null } : {}),
  };
}

/** Options of binds that older clients cannot have meant. */
function shapeMount(mount: Mount, version: number): Mount {
  const options = mount.BindOptions;
  if (options === null || options === undefined) return mount;
  const kept: NonNullable<Mount['BindOptions']> = {
    ...(options.Propagation === undefined ? {} : { Propagation: options.Propagation }),
    ...(options.NonRecursive === undefined || version < 40
      ? {}
      : { NonRecursive: options.NonRecursive }),
    ...(options.CreateMountpoint === undefined || version < 42
      ? {}
      : { CreateMountpoint: options.CreateMountpoint }),
    // Read-only binds were not recursive before 1.44.
    ...(mount.ReadOnly === true ? { ReadOnlyNonRecursive: true } : {}),
  };
  return { ...mount, BindOptions: kept };
}

function checkEndpoints(
  endpoints: Readonly<Record<string, EndpointSettings | null>>,
  version: number,
): void {
  const names = Object.keys(endpoints);
  if (version >= 44 || names.length <= 1) return;
  throw new EngineError(
    'invalid',
    `Container cannot be created with multiple network endpoints: ${names.sort().join(', ')}`,
  );
}

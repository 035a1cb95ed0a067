/** `inspect`: all of one container in Docker's words. Source: Engine API `ContainerInspectResponse`; engine-api facts 6.1. */

import type { ContainerInspect, Health, MountPoint } from '../../spec/docker/inspect.ts';
import { formatTimeNs } from '../../spec/time.ts';
import { shownLinks } from '../networks/links.ts';
import { shownEndpoints, shownPorts } from '../networks/shown.ts';
import type { EngineParts } from '../parts.ts';
import type { Container } from './container.ts';
import { describeState } from './life.ts';
import { commandOf } from './merge-config.ts';
import { describeMount } from './mount.ts';
import { hostnameOf } from './hostname.ts';
import { fileSourceOf } from './network-files.ts';
import { stateDirOf } from './paths.ts';
import { DEFAULT_DRIVER } from './log-settings.ts';
import type { ContainerRecord } from './record.ts';
import { systemPaths } from './spec/masks.ts';

/** Errors: `not-found`. */
export async function inspectContainer(
  parts: EngineParts,
  ref: string,
  options: { readonly size?: boolean } = {},
): Promise<ContainerInspect> {
  const container = parts.containers.get(ref);
  const { record, id } = container;
  const [path = '', ...args] = commandOf(record.config);
  const execIds = parts.execs.runningIn(id);
  const files = fileSourceOf(parts, record);
  const sizes = options.size === true ? await sizesOf(parts, container) : {};
  return {
    Id: id,
    Created: formatTimeNs(record.createdAtNs),
    Path: path,
    Args: args,
    State: describeState(container.state, {
      isRemoving: container.isRemoving,
      health: healthOf(container),
    }),
    Image: record.imageId,
    ResolvConfPath: files.resolvConf,
    HostnamePath: files.hostname,
    HostsPath: files.hosts,
    LogPath: record.log.kind === 'json-file' ? `${stateDirOf(parts.paths, id)}/json.log` : '',
    Name: `/${record.name}`,
    RestartCount: container.state.restartCount,
    Driver: 'overlay2',
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: execIds.length === 0 ? null : execIds,
    HostConfig: inspectHostConfig(parts, record),
    GraphDriver: graphDriverOf(parts, id),
    ...sizes,
    Mounts: describeMounts(record),
    Config: inspectConfig(parts, record),
    NetworkSettings: {
      SandboxID: '',
      SandboxKey: sandboxKeyOf(container),
      Ports: shownPorts(container),
      Networks: shownEndpoints(container),
    },
  };
}

/** What the container itself sees as its host name included. */
function inspectConfig(parts: EngineParts, record: ContainerRecord): ContainerRecord['config'] {
  const { config } = record;
  return { ...config, Hostname: hostnameOf(parts, record), Domainname: config.Domainname ?? '' };
}

/** With the lists of paths that are hidden or closed, which the request rarely has. */
function inspectHostConfig(
  parts: EngineParts,
  record: ContainerRecord,
): ContainerRecord['hostConfig'] {
  const links = shownLinks(parts, record);
  const hostConfig = {
    ...record.hostConfig,
    ...shownLogConfig(record),
    ...(links.length === 0 ? {} : { Links: links }),
  };
  if (hostConfig.Privileged === true) return hostConfig;
  const host = parts.host.specHost({ withDevices: false });
  const { maskedPaths, readonlyPaths } = systemPaths(hostConfig, host, false);
  return { ...hostConfig, MaskedPaths: maskedPaths, ReadonlyPaths: readonlyPaths };
}

/**
 * carve's own log is told as `json-file`, which it answers like: docker-py's `run` gives a
 * container's output only where it finds this driver's name or `journald`.
 */
function shownLogConfig({
  hostConfig: { LogConfig },
}: ContainerRecord): Pick<ContainerRecord['hostConfig'], 'LogConfig'> {
  if (LogConfig?.Type !== DEFAULT_DRIVER) return {};
  return { LogConfig: { ...LogConfig, Type: 'json-file' } };
}

/** Without what Docker does not list. */
export function describeMounts(record: ContainerRecord): readonly MountPoint[] {
  return record.mounts.flatMap((mount) => describeMount(mount) ?? []);
}

function healthOf(container: Container): Health | undefined {
  const { health } = container.state;
  if (health === 'none') return undefined;
  return container.health?.describe() ?? { Status: health, FailingStreak: 0, Log: null };
}

function graphDriverOf(parts: EngineParts, id: string): ContainerInspect['GraphDriver'] {
  const snapshot = parts.snapshots.findSnapshot(id);
  if (snapshot === undefined) return { Name: 'overlay2', Data: null };
  return {
    Name: 'overlay2',
    Data: {
      ID: id,
      LowerDir: snapshot.lower.join(':'),
      // The root is mounted in the container's own mount namespace only.
      MergedDir: '',
      UpperDir: snapshot.upper,
      WorkDir: snapshot.work,
    },
  };
}

/** Bytes of its own layer and of its whole root. */
export async function sizesOf(
  parts: EngineParts,
  container: Container,
): Promise<Pick<ContainerInspect, 'SizeRw' | 'SizeRootFs'>> {
  const sizeRw = (await parts.snapshots.usage(container.id)).sizeBytes;
  const imageSize = parts.images.find(container.record.imageId)?.sizeBytes ?? 0;
  return { SizeRw: sizeRw, SizeRootFs: sizeRw + imageSize };
}

/** Where the network namespace of a running container is found. */
function sandboxKeyOf({ live, endpoints }: Container): string {
  const pid = live?.runtime.process.pid;
  return pid === undefined || endpoints.length === 0 ? '' : `/proc/${pid}/ns/net`;
}

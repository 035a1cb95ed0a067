/**
 * All a start needs, gathered: user, files, devices, namespaces of others, and
 * from them the OCI configuration and the runtime's request.
 *
 * **Invariant:** the hot path (a first start, no devices, no other containers)
 * waits for nothing and makes no file but the container's own.
 */

import { mkdirSync, rmSync, statSync } from 'node:fs';
import { hostPath } from '../../base/host-path.ts';
import { EngineError, isEngineError } from '../../base/error.ts';
import type { RootSource, StartRequest } from '../../runtime/runtime.ts';
import type { LinuxNamespace } from '../../spec/oci/runtime.ts';
import { isHeld } from '../networks/egress.ts';
import { linkVariables } from '../networks/links.ts';
import { takeSeats } from '../networks/seat.ts';
import type { EngineParts } from '../parts.ts';
import type { Container, RehearsedLaunch } from './container.ts';
import { blockDevicesOf, devicesOf } from './host-devices.ts';
import { hostnameOf } from './hostname.ts';
import { initLayerOf } from './init-layer.ts';
import { commandOf } from './merge-config.ts';
import { launchSources } from './launch-sources.ts';
import type { ContainerMount } from './mount.ts';
import type { MountSources } from './mount-facts.ts';
import { mountSources } from './mount-source.ts';
import type { FileSources } from './network-files.ts';
import { ensureNetworkFiles, fileSourceOf } from './network-files.ts';
import { runDirOf, stateDirOf } from './paths.ts';
import type { ContainerRecord } from './record.ts';
import { checkPropagation } from './check-propagation.ts';
import { referredContainer } from './resolve-references.ts';
import { missingSource } from './resolve-mounts.ts';
import type { EngineFile, ResolvedUser, SpecInput } from './spec/input.ts';
import { resolveUser } from './spec/resolve-user.ts';
import { toOciSpec } from './spec/to-oci-spec.ts';
import { capturedUserFiles, readUserFiles } from './user-files.ts';

/** Clients that a monitor waits for at most. */
const CLIENTS_MAX = 64;
/** Who a rehearsal runs as: the real user is looked up when the container starts. */
const NOBODY_YET: ResolvedUser = { uid: 0, gid: 0, additionalGids: [], home: '/' };

/** A start, and whom it runs as. */
export interface Launch {
  readonly request: StartRequest;
  readonly user: ResolvedUser;
}

/** What a request is made with besides the record. */
export interface RequestParts {
  readonly files: FileSources;
  /** Namespaces of other containers. */
  readonly joined: readonly LinuxNamespace[];
  readonly user: ResolvedUser;
  readonly root: RootSource;
  /** What the mounts are; absent: as far as it can be said without asking anyone. */
  readonly sources?: MountSources;
}

/** Make the directories and files of a start and say what to run. `refusedPorts`: see `takeSeats`. Errors: `invalid` user, device or mount; `conflict` for a container that must run. */
export async function prepareLaunch(
  parts: EngineParts,
  container: Container,
  refusedPorts: ReadonlySet<string>,
): Promise<Launch> {
  const { record } = container;
  ensureBindSources(record);
  makeRunDir(parts, record);
  parts.failpoints.hit('start.run-made');
  const network = await takeSeats(parts, container, refusedPorts);
  parts.failpoints.hit('start.seated');
  const files = ensureNetworkFiles(parts, container);
  parts.failpoints.hit('start.files-written');
  const root = rootOf(parts, record);
  const { rehearsed } = container;
  container.rehearsed = undefined;
  const user = rehearsed?.user ?? (await findUser(parts, record, root));
  parts.failpoints.hit('start.user-found');
  const joined = joinedOf(parts, record);
  const spec =
    rehearsed?.spec ??
    toOciSpec(
      specInput(parts, record, {
        files,
        joined,
        user,
        sources: await launchSources(parts, record, user),
      }),
    );
  const expectedClients = Math.min(container.attachments.waitingCount, CLIENTS_MAX);
  const request = { ...requestOf(parts, record, { root, spec }), expectedClients, network };
  return { user, request };
}

/** The user of a container's process. Errors: `invalid`, e.g. unable to find user x. */
export async function findUser(
  parts: EngineParts,
  record: ContainerRecord,
  root: RootSource,
): Promise<ResolvedUser> {
  const files = await readUserFiles(parts, record, root);
  const groupAdd = record.hostConfig.GroupAdd ?? [];
  return resolveUser(record.config.User ?? '', { ...files, groupAdd });
}

/** The request of a start; makes nothing. */
export function makeRequest(
  parts: EngineParts,
  record: ContainerRecord,
  how: RequestParts,
): StartRequest {
  const spec = toOciSpec(specInput(parts, record, how));
  return requestOf(parts, record, { root: how.root, spec });
}

function requestOf(
  parts: EngineParts,
  record: ContainerRecord,
  how: Pick<StartRequest, 'root' | 'spec'>,
): StartRequest {
  return {
    ...how,
    id: record.id,
    stateDir: stateDirOf(parts.paths, record.id),
    runDir: runDirOf(parts.paths, record.id),
    log: record.log,
    openStdin: record.config.OpenStdin ?? false,
    stdinOnce: record.config.StdinOnce ?? false,
    init: record.hostConfig.Init ?? false,
    expectedClients: 0,
    network: undefined,
  };
}

/** The request of a container that may run already, for finding it again. */
export function adoptRequest(
  parts: EngineParts,
  record: ContainerRecord,
  sources: MountSources = sourcesStillThere(parts, record),
): StartRequest {
  return makeRequest(parts, record, {
    files: fileSourceOf(parts, record),
    // An exec joins the process itself; whose namespaces those are does not matter.
    joined: rehearsedNamespaces(record),
    user: record.state.user ?? NOBODY_YET,
    root: rootOf(parts, record),
    sources,
  });
}

/** A process that runs needs no image that it once mounted. */
function sourcesStillThere(parts: EngineParts, record: ContainerRecord): MountSources {
  try {
    return mountSources(parts, record, record.state.user ?? NOBODY_YET);
  } catch (error) {
    if (isEngineError(error)) return new Map();
    throw error;
  }
}

/**
 * Check that a request can become a configuration; changes nothing. Returns
 * what a first start needs, when nothing of it can change until then.
 * Errors: `invalid`.
 */
export function rehearseLaunch(
  parts: EngineParts,
  record: ContainerRecord,
): RehearsedLaunch | undefined {
  const user = findUserNow(parts, record);
  const spec = toOciSpec(
    specInput(parts, record, {
      files: fileSourceOf(parts, record),
      joined: rehearsedNamespaces(record),
      user: user ?? NOBODY_YET,
    }),
  );
  // Who is linked to has its address when it runs.
  const isFinal =
    rehearsedNamespaces(record).length === 0 &&
    record.mounts.every(isFinalMount) &&
    (record.hostConfig.Links ?? []).length === 0;
  const hasDevices =
    (record.hostConfig.Devices ?? []).length > 0 || record.hostConfig.Privileged === true;
  return user === undefined || !isFinal || hasDevices ? undefined : { spec, user };
}

/** Volumes get their names and directories when the container is made. */
function isFinalMount(mount: ContainerMount): boolean {
  return (mount.type === 'bind' && mount.idmap === undefined) || mount.type === 'tmpfs';
}

/** `undefined` when it is only known at the start, or is an error that belongs there. */
function findUserNow(parts: EngineParts, record: ContainerRecord): ResolvedUser | undefined {
  const files = capturedUserFiles(parts, record);
  if (files === undefined) return undefined;
  try {
    return resolveUser(record.config.User ?? '', {
      ...files,
      groupAdd: record.hostConfig.GroupAdd ?? [],
    });
  } catch (error) {
    if (isEngineError(error)) return undefined;
    throw error;
  }
}

/** Directories of a container's root. Errors: `corrupt` when its snapshot is gone. */
export function rootOf(parts: EngineParts, record: ContainerRecord): RootSource {
  const snapshot = parts.snapshots.findSnapshot(record.id);
  if (snapshot === undefined) {
    throw new EngineError('corrupt', `Cannot use container ${record.name}: its files are gone`);
  }
  const init = initLayerOf(parts.paths, parts.images.find(record.imageId));
  const { lower, upper, work } = snapshot;
  return { kind: 'overlay', lower: [init, ...lower], upper, work };
}

function specInput(
  parts: EngineParts,
  record: ContainerRecord,
  how: Omit<RequestParts, 'root'>,
): SpecInput {
  const { config, hostConfig } = record;
  return {
    id: record.id,
    engineId: parts.engineId,
    config,
    hostConfig,
    args: commandOf(config),
    hostname: hostnameOf(parts, record),
    user: how.user,
    mounts: record.mounts,
    sources: how.sources ?? mountSources(parts, record, how.user),
    files: engineFiles(record, how.files),
    devices: devicesOf(hostConfig.Devices ?? []),
    blockDevices: blockDevicesOf(hostConfig),
    joined: how.joined,
    linkEnv: linkVariables(parts, record),
    isHeld: isHeld(parts, record),
    host: parts.host.specHost({ withDevices: hostConfig.Privileged === true }),
  };
}

/** The user's own mount of one of them wins. */
function engineFiles(record: ContainerRecord, files: FileSources): readonly EngineFile[] {
  const all = [
    { source: files.resolvConf, destination: '/etc/resolv.conf' },
    { source: files.hostname, destination: '/etc/hostname' },
    { source: files.hosts, destination: '/etc/hosts' },
  ];
  const taken = new Set(record.mounts.map((mount) => mount.destination));
  return all
    .filter((file) => !taken.has(file.destination))
    .map((file) => ({ ...file, source: hostPath(file.source) }));
}

/** A source that `-v` names is made; one that `--mount` names must be there. */
function ensureBindSources(record: ContainerRecord): void {
  for (const mount of record.mounts) {
    if (mount.type !== 'bind' || statSync(mount.source, { throwIfNoEntry: false }) !== undefined)
      continue;
    if (!mount.createSource) throw missingSource(mount);
    mkdirSync(mount.source, { recursive: true, mode: 0o755 });
  }
  checkPropagation(record.mounts);
}

function makeRunDir(parts: EngineParts, record: ContainerRecord): void {
  // Gone after a reboot; there already when it is started again.
  mkdirSync(runDirOf(parts.paths, record.id), { recursive: true, mode: 0o700 });
  // The record of an earlier run must not speak for this one.
  if (record.state.startedAtNs !== 0n)
    rmSync(`${stateDirOf(parts.paths, record.id)}/exit`, { force: true });
}

/** Namespaces of other containers. Errors: `conflict` when one does not run or shares no IPC, `not-found` when it is gone. */
export function joinedOf(parts: EngineParts, record: ContainerRecord): readonly LinuxNamespace[] {
  return modesOf(record).flatMap(({ type, file, mode }) => {
    const ref = referredContainer(mode);
    if (ref === undefined) return [];
    const other = parts.containers.get(ref);
    if (other.live === undefined || other.state.phase === 'restarting') {
      throw new EngineError(
        'conflict',
        `cannot join ${type} namespace of a non running container: ${other.id}`,
      );
    }
    if (type === 'ipc' && !sharesIpc(other.record)) {
      throw new EngineError(
        'conflict',
        `can't join IPC of container ${other.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
      );
    }
    const { pid, startTicks } = other.live.runtime.process;
    // With its start time: another process that gets its number is never joined.
    return [
      { type, path: `/proc/${pid}/ns/${file}`, process: { pid, startTicks: String(startTicks) } },
    ];
  });
}

/** One that asked for it, or whose IPC is somebody else's anyway. */
function sharesIpc({ hostConfig: { IpcMode } }: ContainerRecord): boolean {
  return IpcMode === 'shareable' || IpcMode === 'host' || referredContainer(IpcMode) !== undefined;
}

/** As `joinedOf`, with a place holder: the others need not run yet. */
function rehearsedNamespaces(record: ContainerRecord): readonly LinuxNamespace[] {
  return modesOf(record).flatMap(({ type, file, mode }) =>
    referredContainer(mode) === undefined ? [] : [{ type, path: `/proc/1/ns/${file}` }],
  );
}

function modesOf(record: ContainerRecord): readonly {
  readonly type: LinuxNamespace['type'];
  readonly file: string;
  readonly mode: string | undefined;
}[] {
  const { NetworkMode, IpcMode, PidMode, UTSMode } = record.hostConfig;
  return [
    { type: 'network', file: 'net', mode: NetworkMode },
    { type: 'ipc', file: 'ipc', mode: IpcMode },
    { type: 'pid', file: 'pid', mode: PidMode },
    { type: 'uts', file: 'uts', mode: UTSMode },
  ];
}

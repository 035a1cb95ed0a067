/**
 * A command line of `run` or `create` as the body of the API's create call:
 * what docker's own command line would send, without the fields that say
 * nothing. Touches only what its input lets it.
 *
 * Source: Docker Engine API 1.51, `ContainerCreateRequest`.
 */

import { EngineError, isEngineError } from '../../base/error.ts';
import type {
  ContainerConfig,
  ContainerCreateBody,
  HostConfig,
  RestartPolicy,
} from '../../spec/docker/container.ts';
import { readEach } from '../flags/parse.ts';
import { isUsageError, usageError } from '../flags/usage-error.ts';
import { prune } from './decode.ts';
import { parseGpus, readDevices } from './devices.ts';
import { readEnvironment, readLabels } from './environment.ts';
import { readHealth } from './health.ts';
import type { CreateInput } from './input.ts';
import { recordOfPairs, splitFields, splitPair } from './key-value.ts';
import { parseRestart, readLimits } from './limits.ts';
import { parseMount } from './mounts.ts';
import { parseDns, parseExtraHost, readNetworks, type NetworkSet } from './networks.ts';
import { readPorts, type PortSet } from './ports.ts';
import { normalizeCapabilities, readSecurityOptions } from './security.ts';
import { readTmpfs, readVolumes, type VolumeSet } from './volumes.ts';

/** Which streams a foreground client connects. */
export interface AttachedStreams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

/** The body of a create call. Throws a usage error with one sentence. */
export function buildCreateBody(input: CreateInput): ContainerCreateBody {
  try {
    return bodyOf(input);
  } catch (error) {
    if (!isEngineError(error) || isUsageError(error)) throw error;
    throw usageError(error.message);
  }
}

function bodyOf(input: CreateInput): ContainerCreateBody {
  const { flags } = input;
  const ports = readPortFlags(flags.publish, flags.expose);
  const volumes = readVolumeFlags(flags.volume, input.cwd);
  const networks = readNetworks(flags);
  return {
    ...configOf(input, ports, volumes),
    HostConfig: hostConfigOf(input, { ports, volumes, networks }),
    NetworkingConfig: { EndpointsConfig: networks.endpoints },
  };
}

/** The streams of `--attach` and `--interactive`; output is connected unless told otherwise. */
export function attachedStreams(flags: {
  readonly attach: readonly string[];
  readonly interactive: boolean;
}): AttachedStreams {
  const streams = readEach('-a, --attach', flags.attach, (text) => {
    const name = text.toLowerCase();
    if (name === 'stdin' || name === 'stdout' || name === 'stderr') return name;
    throw new EngineError('invalid', 'valid streams are STDIN, STDOUT and STDERR');
  });
  return {
    stdin: flags.interactive || streams.includes('stdin'),
    stdout: streams.length === 0 || streams.includes('stdout'),
    stderr: streams.length === 0 || streams.includes('stderr'),
  };
}

function configOf(input: CreateInput, ports: PortSet, volumes: VolumeSet): ContainerConfig {
  const { flags, given, image, command, env, readFile } = input;
  const streams = attachedStreams(flags);
  const health = readHealth(flags, given);
  return {
    ...prune({
      Hostname: flags.hostname,
      Domainname: flags.domainname,
      User: flags.user,
      AttachStdin: streams.stdin,
      AttachStdout: streams.stdout,
      AttachStderr: streams.stderr,
      ExposedPorts: ports.exposed,
      Tty: flags.tty,
      OpenStdin: flags.interactive,
      StdinOnce: flags.interactive && streams.stdin,
      Env: readEnvironment({ files: flags['env-file'], pairs: flags.env, env, readFile }),
      Cmd: command,
      Volumes: Object.fromEntries(volumes.anonymous.map((target) => [target, {}])),
      WorkingDir: flags.workdir,
      Labels: readLabels({ files: flags['label-file'], pairs: flags.label, readFile }),
      StopSignal: flags['stop-signal'],
    }),
    Image: image,
    ...(given.has('entrypoint') ? { Entrypoint: [flags.entrypoint] } : {}),
    ...(given.has('stop-timeout') ? { StopTimeout: flags['stop-timeout'] } : {}),
    ...(health === undefined ? {} : { Healthcheck: health }),
  };
}

interface Parts {
  readonly ports: PortSet;
  readonly volumes: VolumeSet;
  readonly networks: NetworkSet;
}

function hostConfigOf(input: CreateInput, parts: Parts): HostConfig {
  const { flags, given, readFile } = input;
  const restart = readRestart(flags.restart, flags.rm);
  const log = logConfig(flags['log-driver'], flags['log-opt']);
  return {
    ...prune({
      ...filesOf(input, parts.volumes),
      ...networkOf(input, parts),
      ...isolationOf(input),
      ContainerIDFile: flags.cidfile,
      AutoRemove: flags.rm,
      Annotations: recordOfPairs(flags.annotation),
      Runtime: flags.runtime,
    }),
    ...readLimits(flags),
    ...readSecurityOptions(flags['security-opt'], readFile),
    ...(restart === undefined ? {} : { RestartPolicy: restart }),
    ...(log === undefined ? {} : { LogConfig: log }),
    ...(given.has('init') ? { Init: flags.init } : {}),
    ...egressOf(flags),
  };
}

function egressOf(flags: CreateInput['flags']): HostConfig {
  const allow = flags['egress-allow'].flatMap(splitFields);
  if (flags.egress === '' && allow.length === 0) return {};
  return { CarveEgress: { Mode: flags.egress, Allow: allow } };
}

function filesOf({ flags, cwd }: CreateInput, volumes: VolumeSet): HostConfig {
  return {
    Binds: volumes.binds,
    Mounts: readEach('--mount', flags.mount, (text) => parseMount(text, cwd)),
    Tmpfs: readTmpfs(flags.tmpfs),
    VolumesFrom: flags['volumes-from'],
    VolumeDriver: flags['volume-driver'],
    ReadonlyRootfs: flags['read-only'],
    ShmSize: flags['shm-size'],
    StorageOpt: storageOptions(flags['storage-opt']),
  };
}

function networkOf({ flags }: CreateInput, { ports, networks }: Parts): HostConfig {
  return {
    NetworkMode: networks.mode,
    PortBindings: ports.bindings,
    PublishAllPorts: flags['publish-all'],
    Dns: readEach('--dns', flags.dns, parseDns),
    DnsOptions: flags['dns-option'],
    DnsSearch: flags['dns-search'],
    ExtraHosts: readEach('--add-host', flags['add-host'], parseExtraHost),
    Links: flags.link,
  };
}

function isolationOf({ flags }: CreateInput): HostConfig {
  const devices = readDevices(flags.device);
  const gpus = readEach('--gpus', flags.gpus, parseGpus);
  return {
    Privileged: flags.privileged,
    CapAdd: normalizeCapabilities(flags['cap-add']),
    CapDrop: normalizeCapabilities(flags['cap-drop']),
    GroupAdd: flags['group-add'],
    Devices: devices.mappings,
    DeviceCgroupRules: readEach(
      '--device-cgroup-rule',
      flags['device-cgroup-rule'],
      parseDeviceRule,
    ),
    DeviceRequests: [...gpus, ...devices.requests],
    Sysctls: recordOfPairs(flags.sysctl),
    PidMode: namespaceMode('--pid', flags.pid, ['host', 'container:']),
    IpcMode: flags.ipc,
    UTSMode: namespaceMode('--uts', flags.uts, ['host', 'container:']),
    UsernsMode: namespaceMode('--userns', flags.userns, ['host', 'private', 'keep-id', 'auto']),
    CgroupnsMode: cgroupMode(flags.cgroupns),
  };
}

function namespaceMode(flag: string, text: string, allowed: readonly string[]): string {
  const isKnown =
    text === '' ||
    allowed.some((word) =>
      word.endsWith(':')
        ? text.startsWith(word) && text !== word
        : text === word || text.startsWith(`${word}:`),
    );
  if (!isKnown) throw usageError(`${flag}: invalid mode '${text}'`);
  return text;
}

function cgroupMode(text: string): '' | 'private' | 'host' {
  if (text === '' || text === 'private' || text === 'host') return text;
  throw usageError(`--cgroupns: invalid mode '${text}': it is private or host`);
}

/** `c 1:3 rwm`. Throws `invalid`. */
function parseDeviceRule(text: string): string {
  if (/^[acb] (?:\d+|\*):(?:\d+|\*) [rwm]{1,3}$/.test(text)) return text;
  throw new EngineError('invalid', `invalid device cgroup format '${text}'`);
}

function readRestart(text: string, isRemoved: boolean): RestartPolicy | undefined {
  const [policy = { Name: 'no' as const }] = readEach('--restart', [text], parseRestart);
  if (policy.Name === 'no') return undefined;
  if (isRemoved) throw usageError('conflicting options: cannot specify both --restart and --rm');
  return policy;
}

function logConfig(
  driver: string,
  options: readonly string[],
): NonNullable<HostConfig['LogConfig']> | undefined {
  if (driver === 'none' && options.length > 0)
    throw usageError(`invalid logging opts for driver none: ${options.join(', ')}`);
  if (driver === '' && options.length === 0) return undefined;
  return { Type: driver, Config: recordOfPairs(options) };
}

function storageOptions(texts: readonly string[]): Readonly<Record<string, string>> {
  return recordOfPairs(
    readEach('--storage-opt', texts, (text) => {
      if (splitPair(text).value === undefined)
        throw new EngineError('invalid', 'invalid storage option');
      return text;
    }),
  );
}

function readPortFlags(publish: readonly string[], expose: readonly string[]): PortSet {
  // One by one, so that the message names the value that is wrong.
  readEach('-p, --publish', publish, (text) => readPorts([text], []));
  readEach('--expose', expose, (text) => readPorts([], [text]));
  return readPorts(publish, expose);
}

function readVolumeFlags(texts: readonly string[], cwd: string): VolumeSet {
  readEach('-v, --volume', texts, (text) => readVolumes([text], cwd));
  return readVolumes(texts, cwd);
}

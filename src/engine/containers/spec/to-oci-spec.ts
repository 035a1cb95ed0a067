/**
 * A container's request → its OCI configuration: all of Docker's defaults and
 * modes become explicit here, once. Pure.
 *
 * Source: Engine API `ContainerConfig`, `HostConfig`; OCI runtime-spec 1.3;
 * security facts 2 "Proposal for ours".
 */

import { EngineError } from '../../../base/error.ts';
import type { LinuxNamespace, OciLinux, OciProcess, Spec } from '../../../spec/oci/runtime.ts';
import { OCI_VERSION } from '../../../spec/oci/runtime.ts';
import { boundingSet, capabilitySets } from './capabilities.ts';
import { containerDevices } from './devices.ts';
import { containerEnvironment } from './environment.ts';
import { given } from './given.ts';
import type { SpecInput } from './input.ts';
import { systemPaths } from './masks.ts';
import { containerMounts } from './mounts.ts';
import { containerNamespaces, hasOwn } from './namespaces.ts';
import { containerResources } from './resources.ts';
import { containerRlimits } from './rlimits.ts';
import { containerSeccomp } from './seccomp.ts';
import type { SecurityOptions } from './security-options.ts';
import { parseSecurityOptions } from './security-options.ts';
import { containerSysctls } from './sysctls.ts';

/** Profile of containers where AppArmor is on. */
const APPARMOR_DEFAULT = 'carve-default';
/** Group of all engines' containers. */
export const DEFAULT_CGROUP_PARENT = '/carve';
const OOM_SCORE_MAX = 1000;

/** What several parts need. */
interface Policy {
  readonly isPrivileged: boolean;
  readonly security: SecurityOptions;
  readonly bounding: readonly string[];
  readonly namespaces: readonly LinuxNamespace[];
}

/** A configuration that says everything. */
export type ContainerSpec = Spec & Required<Pick<Spec, 'process' | 'root' | 'mounts' | 'linux'>>;

/** Errors: `invalid` with one sentence for what cannot be. */
export function toOciSpec(input: SpecInput): ContainerSpec {
  const { config, hostConfig } = input;
  const isPrivileged = hostConfig.Privileged === true;
  const policy: Policy = {
    isPrivileged,
    security: parseSecurityOptions(hostConfig.SecurityOpt ?? []),
    bounding: boundingSet({
      add: hostConfig.CapAdd ?? [],
      drop: hostConfig.CapDrop ?? [],
      isPrivileged,
      available: input.host.capabilities,
      isHeld: input.isHeld === true,
    }),
    namespaces: containerNamespaces(input),
  };
  const hasOwnUts = hasOwn(policy.namespaces, 'uts');
  return {
    ociVersion: OCI_VERSION,
    process: toProcess(input, policy),
    root: { path: 'rootfs', readonly: hostConfig.ReadonlyRootfs === true },
    ...(hasOwnUts ? given('hostname', checkName(input.hostname)) : {}),
    ...(hasOwnUts ? given('domainname', checkName(config.Domainname ?? '')) : {}),
    mounts: containerMounts(input, {
      isPrivileged,
      hasWritableCgroups: policy.security.hasWritableCgroups === true,
    }),
    ...given('annotations', hostConfig.Annotations ?? undefined),
    linux: toLinux(input, policy),
  };
}

function toProcess(input: SpecInput, policy: Policy): OciProcess {
  const { config, hostConfig, user, host } = input;
  const [height = 0, width = 0] = hostConfig.ConsoleSize ?? [];
  const hasTerminal = config.Tty === true;
  const hasSize = hasTerminal && height > 0 && width > 0;
  return {
    terminal: hasTerminal,
    ...(hasSize ? { consoleSize: { height, width } } : {}),
    user: { uid: user.uid, gid: user.gid, umask: 0o022, additionalGids: user.additionalGids },
    args: checkArgs(input.args),
    env: containerEnvironment({
      linkEnv: input.linkEnv ?? [],
      env: config.Env ?? [],
      hostname: input.hostname,
      hasTerminal,
      home: user.home,
    }),
    cwd: checkCwd(config.WorkingDir ?? ''),
    capabilities: capabilitySets(policy.bounding, user.uid),
    rlimits: containerRlimits(hostConfig.Ulimits ?? [], host.openFilesMax),
    noNewPrivileges: policy.security.noNewPrivileges === true,
    ...given('apparmorProfile', apparmorOf(policy, host.hasAppArmor)),
    oomScoreAdj: checkOomScore(hostConfig.OomScoreAdj ?? 0),
  };
}

function toLinux(input: SpecInput, policy: Policy): OciLinux {
  const { hostConfig, host } = input;
  const { isPrivileged, security, bounding, namespaces } = policy;
  const devices = containerDevices(hostConfig, input.devices, host.devices);
  const seccomp = containerSeccomp(security.seccomp, { isPrivileged, bounding, host });
  const parent = hostConfig.CgroupParent ?? '';
  return {
    namespaces,
    ...given('devices', devices.nodes),
    cgroupsPath: `${parent === '' ? DEFAULT_CGROUP_PARENT : parent}/${input.engineId}/${input.id}`,
    resources: {
      devices: devices.rules,
      ...containerResources(hostConfig, {
        blockDevices: input.blockDevices,
        cgroupVersion: host.cgroupVersion,
      }),
    },
    ...given('seccomp', seccomp),
    ...given(
      'sysctl',
      containerSysctls(hostConfig.Sysctls ?? {}, {
        hasOwnNetwork: hasOwn(namespaces, 'network'),
        hasOwnIpc: hasOwn(namespaces, 'ipc'),
        hasOwnUts: hasOwn(namespaces, 'uts'),
      }),
    ),
    ...systemPaths(hostConfig, host, isPrivileged || security.hasOpenSystemPaths === true),
  };
}

/** `undefined`: unconfined. */
function apparmorOf({ isPrivileged, security }: Policy, hasAppArmor: boolean): string | undefined {
  const asked = security.apparmor;
  if (asked === 'unconfined' || (asked === undefined && isPrivileged)) return undefined;
  if (hasAppArmor) return asked ?? APPARMOR_DEFAULT;
  if (asked === undefined || asked === APPARMOR_DEFAULT) return undefined;
  throw new EngineError(
    'invalid',
    `Cannot use AppArmor profile ${asked}: AppArmor is off on this machine`,
  );
}

function checkArgs(args: readonly string[]): readonly string[] {
  if (args.length === 0) throw new EngineError('invalid', 'no command specified');
  if (args.some((each) => each.includes('\0'))) {
    throw new EngineError('invalid', 'invalid command: it has a NUL character');
  }
  return args;
}

function checkCwd(path: string): string {
  if (path.includes('\0') || path.length > 4000) {
    throw new EngineError(
      'invalid',
      'invalid working directory: it has a NUL character or is too long',
    );
  }
  return path.startsWith('/') ? path : `/${path}`;
}

function checkOomScore(score: number): number {
  if (Number.isInteger(score) && Math.abs(score) <= OOM_SCORE_MAX) return score;
  throw new EngineError(
    'invalid',
    `Invalid value ${score}, range for oom score adj is [-${OOM_SCORE_MAX}, ${OOM_SCORE_MAX}]`,
  );
}

/** A host or domain name: it reaches files and the kernel. */
function checkName(name: string): string {
  if (name === '' || /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,62}[A-Za-z0-9])?$/.test(name)) return name;
  throw new EngineError('invalid', `invalid hostname format: ${JSON.stringify(name.slice(0, 80))}`);
}

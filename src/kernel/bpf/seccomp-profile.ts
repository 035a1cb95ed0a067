/**
 * A profile file of `--security-opt seccomp=…` → the OCI section for one
 * container: text to typed profile, and its conditions resolved.
 *
 * Source: moby profiles `seccomp.Seccomp`; Docker documentation "Seccomp
 * security profiles for Docker".
 */

import { EngineError, messageOf } from '../../base/error.ts';
import type {
  LinuxSeccomp,
  SeccompArchitecture,
  SeccompCondition,
  SeccompProfile,
  SeccompProfileSyscall,
  SeccompSyscall,
} from '../../spec/oci/seccomp.ts';
import { decodeProfile } from './decode-profile.ts';
import { checkSeccomp } from './check-seccomp.ts';
import type { Machine } from './syscalls.ts';
import { ABIS, abisOf } from './syscalls.ts';

/** What the conditions of a profile are about. */
export interface ProfileFacts {
  readonly machine: Machine;
  /** The bounding set, names with `CAP_`. */
  readonly capabilities: ReadonlySet<string>;
  /** The kernel's `MAJOR.MINOR`. */
  readonly kernel: { readonly major: number; readonly minor: number };
}

/** Go's name of a machine, as profiles use it. */
const GO_ARCH: Readonly<Record<Machine, string>> = { x86_64: 'amd64', aarch64: 'arm64' };

/**
 * Read a profile. Numbers above 2^53 keep every bit.
 * Errors: `invalid`: empty, not JSON, not a profile.
 */
export function parseSeccompProfile(text: string): SeccompProfile {
  if (text.trim() === '') throw invalid('it is empty');
  let value: unknown;
  try {
    value = JSON.parse(text, keepBigNumbers);
  } catch (error) {
    throw invalid(`it is not JSON (${messageOf(error)})`);
  }
  return decodeProfile(value);
}

/** JSON.parse's third argument has the digits of the number (ECMAScript 2026). */
function keepBigNumbers(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  const source = context?.source ?? '';
  return /^-?\d+$/.test(source) ? BigInt(source) : value;
}

/** The section of a profile for one container. Errors: `invalid`. */
export function resolveProfile(profile: SeccompProfile, facts: ProfileFacts): LinuxSeccomp {
  const { archMap, architectures, syscalls, ...rest } = profile;
  if (archMap !== undefined && architectures !== undefined) {
    throw invalid("it has both 'architectures' and 'archMap'");
  }
  const section: LinuxSeccomp = {
    ...rest,
    architectures: architectures ?? mappedArchitectures(archMap ?? [], facts.machine),
    syscalls: (syscalls ?? []).filter((rule) => applies(rule, facts)).map(toSyscall),
  };
  checkSeccomp(section);
  return section;
}

function mappedArchitectures(
  archMap: NonNullable<SeccompProfile['archMap']>,
  machine: Machine,
): readonly SeccompArchitecture[] {
  const [native] = abisOf(machine);
  const group = archMap.find(
    ({ architecture }) => native !== undefined && architecture === ABIS[native].architecture,
  );
  return group === undefined ? [] : [group.architecture, ...group.subArchitectures];
}

function applies({ includes, excludes }: SeccompProfileSyscall, facts: ProfileFacts): boolean {
  return isIncluded(includes ?? {}, facts) && !isExcluded(excludes ?? {}, facts);
}

function isIncluded({ caps, arches, minKernel }: SeccompCondition, facts: ProfileFacts): boolean {
  return (
    (caps ?? []).every((name) => facts.capabilities.has(name)) &&
    (arches === undefined || arches.length === 0 || arches.includes(GO_ARCH[facts.machine])) &&
    (minKernel === undefined || isKernelAtLeast(minKernel, facts))
  );
}

function isExcluded({ caps, arches, minKernel }: SeccompCondition, facts: ProfileFacts): boolean {
  return (
    (caps ?? []).some((name) => facts.capabilities.has(name)) ||
    (arches ?? []).includes(GO_ARCH[facts.machine]) ||
    (minKernel !== undefined && isKernelAtLeast(minKernel, facts))
  );
}

function isKernelAtLeast(version: string, { kernel }: ProfileFacts): boolean {
  const match = /^(\d{1,4})\.(\d{1,4})$/.exec(version);
  if (match === null) throw invalid(`minKernel '${version}' is not MAJOR.MINOR`);
  const major = Number(match[1]);
  const minor = Number(match[2]);
  return kernel.major > major || (kernel.major === major && kernel.minor >= minor);
}

function toSyscall(rule: SeccompProfileSyscall): SeccompSyscall {
  const { name, names, action, errnoRet, args } = rule;
  if (name !== undefined && names !== undefined && names.length > 0) {
    throw invalid("a rule has both 'name' and 'names'");
  }
  if (action === undefined) throw invalid('a rule has no action');
  return {
    names: names !== undefined && names.length > 0 ? names : name === undefined ? [] : [name],
    action,
    ...(errnoRet === undefined ? {} : { errnoRet }),
    ...(args === undefined ? {} : { args }),
  };
}

function invalid(what: string): EngineError {
  return new EngineError('invalid', `Cannot use the seccomp profile: ${what}`);
}

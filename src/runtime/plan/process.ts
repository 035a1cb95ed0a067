/**
 * The last steps of a process, the same for a container's own and for an exec:
 * streams, limits, directory, capabilities, filter, ids, execve.
 *
 * Order: what needs privileges first. Without no_new_privs a seccomp filter
 * needs CAP_SYS_ADMIN, so it is loaded while that is still held and only the
 * final capset and execve run under it; with no_new_privs it is loaded last.
 * The working directory is entered as root, so that a directory that the user
 * may not search works as it does elsewhere; the kernel then proves it is
 * inside the root.
 *
 * Source: OCI runtime-spec 1.3 config.md "process"; capabilities(7),
 * seccomp(2), credentials(7); security matrix R2, R9, R10, R21, R27.
 */

import { EngineError } from '../../base/error.ts';
import type { SeccompProgram } from '../../kernel/bpf/compile-seccomp.ts';
import type { OciProcess, Spec } from '../../spec/oci/runtime.ts';
import { capabilityBit, capabilityBits, groupBytes, rlimitOps } from './bits.ts';
import type { PlanBuilder } from './builder.ts';
import type { ExecPlanInput } from './input.ts';

/** Directories that are searched when the environment has no PATH. */
const DEFAULT_SEARCH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** The schema's bound on directories. */
const SEARCH_MAX = 64;
const DEFAULT_UMASK = 0o022;
const PER_LINUX32 = 8;

/** What the last steps depend on. */
export interface ProcessPlan {
  readonly process: OciProcess;
  readonly spec: Spec;
  /** In a user namespace, whose root can have every capability. */
  readonly isInUser: boolean;
  /** A tiny init stays as the parent of the program. */
  readonly init: boolean;
  readonly features: ExecPlanInput['features'];
  readonly compileSeccomp: ExecPlanInput['compileSeccomp'];
}

/** The capabilities of a process as bits. */
interface Capabilities {
  readonly bounding: bigint;
  readonly permitted: bigint;
  readonly effective: bigint;
  readonly inheritable: bigint;
  readonly ambient: bigint;
}

/** Append the steps; the last is execve. Its console, if it has one, is connected already. */
export function planProcess(builder: PlanBuilder, plan: ProcessPlan): void {
  const { process, spec } = plan;
  checkSupported(process);
  const { uid, gid } = process.user;
  if (process.terminal !== true) builder.push({ op: 'stdio', uid, gid }, { op: 'setsid' });
  builder.push({ op: 'umask', mask: process.user.umask ?? DEFAULT_UMASK });
  const personality = spec.linux?.personality;
  if (personality !== undefined) {
    builder.push({
      op: 'personality',
      persona: personality.domain === 'LINUX32' ? PER_LINUX32 : 0,
    });
  }
  builder.push({ op: 'chdir', path: checkCwd(process.cwd) });
  builder.push(...rlimitOps(process.rlimits ?? []), { op: 'close-fds' });
  planIdentity(builder, plan);
  const env = process.env ?? [];
  builder.push({
    op: 'exec',
    argv: checkArgs(process.args),
    env,
    search: searchPath(env),
    init: plan.init ? 1 : 0,
  });
}

function planIdentity(builder: PlanBuilder, plan: ProcessPlan): void {
  const { process, spec } = plan;
  const { uid, gid, additionalGids = [] } = process.user;
  const seccomp = spec.linux?.seccomp;
  const filter = seccomp === undefined ? undefined : checkFilter(plan.compileSeccomp(seccomp));
  const caps = capabilitiesOf(plan);
  builder.push(
    { op: 'bounding', keep: caps.bounding },
    { op: 'identity', uid, gid, groups: groupBytes(additionalGids) },
  );
  const final = {
    op: 'capset',
    effective: caps.effective,
    permitted: caps.permitted,
    inheritable: caps.inheritable,
    ambient: caps.ambient,
  } as const;
  if (filter === undefined) {
    if (process.noNewPrivileges === true) builder.push({ op: 'no-new-privs' });
    builder.push(final);
    return;
  }
  const load = { op: 'seccomp', flags: filter.flags, filter: filter.filter } as const;
  if (process.noNewPrivileges === true) {
    builder.push(final, { op: 'no-new-privs' }, load);
    return;
  }
  if (uid !== 0) {
    // Becoming another user took the effective set away; the permitted one was kept.
    const needed = capabilityBit('CAP_SYS_ADMIN');
    const permitted = caps.permitted | needed;
    builder.push({ op: 'capset', effective: needed, permitted, inheritable: 0n, ambient: 0n });
  }
  builder.push(load, final);
}

function capabilitiesOf({ process, isInUser, features }: ProcessPlan): Capabilities {
  const sets = process.capabilities ?? {};
  const grantable = isInUser
    ? features.knownCapabilities
    : features.knownCapabilities & features.ownCapabilities;
  const bits = (names: readonly string[] | undefined): bigint =>
    capabilityBits(names ?? [], grantable);
  return {
    bounding: bits(sets.bounding),
    permitted: bits(sets.permitted),
    effective: bits(sets.effective),
    inheritable: bits(sets.inheritable),
    ambient: bits(sets.ambient),
  };
}

function checkFilter(program: SeccompProgram): SeccompProgram {
  if (!program.hasListener) return program;
  throw new EngineError(
    'unsupported',
    'Cannot use the seccomp profile: notifications are not there yet',
  );
}

/** What has no operation yet is refused, never silently left out. */
function checkSupported({ scheduler, ioPriority, selinuxLabel }: OciProcess): void {
  const missing = [
    scheduler === undefined ? '' : 'a scheduler',
    ioPriority === undefined ? '' : 'an I/O priority',
    selinuxLabel === undefined || selinuxLabel === '' ? '' : 'an SELinux label',
  ].find((each) => each !== '');
  if (missing === undefined) return;
  throw new EngineError(
    'unsupported',
    `Cannot start a process with ${missing}: that is not there yet`,
  );
}

function checkArgs(args: readonly string[]): readonly string[] {
  const [name] = args;
  if (name === undefined) throw new EngineError('invalid', 'There is no program to run');
  if (name === '') {
    // As a search of $PATH that finds nothing ends.
    throw new EngineError('invalid', 'exec: "": executable file not found in $PATH', {
      details: { exitCode: 127 },
    });
  }
  return args;
}

function checkCwd(cwd: string): string {
  if (cwd.startsWith('/') && !cwd.includes('\0')) return cwd;
  throw new EngineError(
    'invalid',
    `Invalid working directory ${JSON.stringify(cwd.slice(0, 200))}`,
  );
}

/** Directories of PATH; an empty one (the working directory) is left out. */
function searchPath(env: readonly string[]): readonly string[] {
  const path = env.findLast((entry) => entry.startsWith('PATH='))?.slice('PATH='.length);
  const directories = (path ?? DEFAULT_SEARCH).split(':').filter((each) => each !== '');
  return directories.slice(0, SEARCH_MAX);
}

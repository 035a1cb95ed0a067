/**
 * What the planners read: the OCI configuration of a container and what the
 * runtime decides about it. Planners are pure: the same input gives the same
 * operations.
 */

import type { HostPath } from '../../base/brand.ts';
import type { SeccompProgram } from '../../kernel/bpf/compile-seccomp.ts';
import type { CgroupPlace } from '../../kernel/cgroup/place.ts';
import type { PlanOpOf } from '../../kernel/plan/op.ts';
import type { Spec } from '../../spec/oci/runtime.ts';
import type { LinuxSeccomp } from '../../spec/oci/seccomp.ts';
import type { NetworkOps, ProcessIdentity, RootSource } from '../runtime.ts';

/** Facts of the machine and its kernel that change a plan. */
export interface PlanFeatures {
  /** Every capability that the kernel knows, as bits `1 << CAP_*`. */
  readonly knownCapabilities: bigint;
  /** carve's own bounding set, as bits: outside a user namespace nothing beyond can be given. */
  readonly ownCapabilities: bigint;
  /** carve runs in a user namespace: overlays keep their marks in `user.` attributes. */
  readonly isRootless: boolean;
  /** The daemon's own mount namespace: for binds whose mounts must reach the host (`rshared`). */
  readonly hostMounts: ProcessIdentity | undefined;
  /** The host's `/` is private: what it mounts after the daemon began is seen in its own namespace only. */
  readonly hidesMounts: boolean;
}

/** Input of `planContainer`. */
export interface ContainerPlanInput {
  readonly spec: Spec;
  readonly root: RootSource;
  /** Existing empty host directory; the root is attached on it in the container's own mount namespace. */
  readonly stageDir: HostPath;
  /** `undefined`: the process stays in the groups of the caller. */
  readonly cgroup: CgroupPlace | undefined;
  /** Fields of the first op. */
  readonly monitor: Omit<PlanOpOf<'monitor'>, 'op' | 'tty' | 'oomPath'>;
  /** A tiny init runs as pid 1. */
  readonly init: boolean;
  readonly network: NetworkOps | undefined;
  readonly features: PlanFeatures;
  /** Compiles the section; the same section gives the same program (a cache may stand behind it). */
  readonly compileSeccomp: (section: LinuxSeccomp) => SeccompProgram;
}

/** Input of `planExec`. */
export interface ExecPlanInput {
  /** The container's own configuration: the exec is held to the same policy. */
  readonly spec: Spec;
  /** Replaces `spec.process`. */
  readonly process: NonNullable<Spec['process']>;
  /** The container's process. */
  readonly target: ProcessIdentity;
  readonly cgroup: CgroupPlace | undefined;
  readonly features: PlanFeatures;
  readonly compileSeccomp: (section: LinuxSeccomp) => SeccompProgram;
}

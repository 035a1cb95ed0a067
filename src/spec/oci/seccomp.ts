/**
 * Seccomp section of an OCI runtime configuration, and the profile format of
 * Docker's `--security-opt seccomp=FILE`, which adds conditions on
 * capabilities, architecture and kernel version.
 *
 * Source: OCI runtime-spec 1.3 config-linux.md "Seccomp"; moby profiles
 * `seccomp.Seccomp`.
 */

/** What happens to a call. `KILL` is `KILL_THREAD`. */
export type SeccompAction =
  | 'SCMP_ACT_KILL'
  | 'SCMP_ACT_KILL_PROCESS'
  | 'SCMP_ACT_KILL_THREAD'
  | 'SCMP_ACT_TRAP'
  | 'SCMP_ACT_ERRNO'
  | 'SCMP_ACT_TRACE'
  | 'SCMP_ACT_ALLOW'
  | 'SCMP_ACT_LOG'
  | 'SCMP_ACT_NOTIFY';

/** Comparison of one argument; `MASKED_EQ`: (argument & `value`) = `valueTwo`. */
export type SeccompOperator =
  | 'SCMP_CMP_NE'
  | 'SCMP_CMP_LT'
  | 'SCMP_CMP_LE'
  | 'SCMP_CMP_EQ'
  | 'SCMP_CMP_GE'
  | 'SCMP_CMP_GT'
  | 'SCMP_CMP_MASKED_EQ';

/** Architectures by libseccomp's names. */
export type SeccompArchitecture =
  | 'SCMP_ARCH_X86'
  | 'SCMP_ARCH_X86_64'
  | 'SCMP_ARCH_X32'
  | 'SCMP_ARCH_ARM'
  | 'SCMP_ARCH_AARCH64'
  | 'SCMP_ARCH_MIPS'
  | 'SCMP_ARCH_MIPS64'
  | 'SCMP_ARCH_MIPS64N32'
  | 'SCMP_ARCH_MIPSEL'
  | 'SCMP_ARCH_MIPSEL64'
  | 'SCMP_ARCH_MIPSEL64N32'
  | 'SCMP_ARCH_PPC'
  | 'SCMP_ARCH_PPC64'
  | 'SCMP_ARCH_PPC64LE'
  | 'SCMP_ARCH_S390'
  | 'SCMP_ARCH_S390X'
  | 'SCMP_ARCH_PARISC'
  | 'SCMP_ARCH_PARISC64'
  | 'SCMP_ARCH_RISCV64'
  | 'SCMP_ARCH_LOONGARCH64'
  | 'SCMP_ARCH_M68K'
  | 'SCMP_ARCH_SH'
  | 'SCMP_ARCH_SHEB';

/** Flags of seccomp(2). */
export type SeccompFlag =
  | 'SECCOMP_FILTER_FLAG_TSYNC'
  | 'SECCOMP_FILTER_FLAG_LOG'
  | 'SECCOMP_FILTER_FLAG_SPEC_ALLOW'
  | 'SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV';

/** Condition on one argument. Source: OCI runtime-spec 1.3 config-linux.md "Seccomp". */
export interface SeccompArgument {
  /** Position of the argument, 0 to 5. */
  readonly index: number;
  /** Unsigned 64-bit; the mask when `op` is `MASKED_EQ`. JSON numbers above 2^53 must arrive as bigint. */
  readonly value: number | bigint;
  /** Unsigned 64-bit; only for `MASKED_EQ`. Default 0. */
  readonly valueTwo?: number | bigint;
  readonly op: SeccompOperator;
}

/** One rule: these calls, under these conditions, get this action. Source: OCI runtime-spec 1.3. */
export interface SeccompSyscall {
  /** At least one name; unknown names are skipped. */
  readonly names: readonly string[];
  readonly action: SeccompAction;
  /** Errno (ERRNO) or message (TRACE), 0 to 65535; default EPERM. */
  readonly errnoRet?: number;
  /** All must hold; conditions on the same argument are alternatives, as with runc and crun. */
  readonly args?: readonly SeccompArgument[];
}

/** `linux.seccomp`. Source: OCI runtime-spec 1.3 config-linux.md "Seccomp". */
export interface LinuxSeccomp {
  /** Action of a call that no rule names. */
  readonly defaultAction: SeccompAction;
  /** Errno (ERRNO) or message (TRACE), 0 to 65535; default EPERM. */
  readonly defaultErrnoRet?: number;
  /** Besides the machine's own one, which is always in. */
  readonly architectures?: readonly SeccompArchitecture[];
  readonly flags?: readonly SeccompFlag[];
  /** Unix socket that receives the notification descriptor; only with `SCMP_ACT_NOTIFY`. */
  readonly listenerPath?: string;
  readonly listenerMetadata?: string;
  /** First rule whose conditions hold decides. */
  readonly syscalls?: readonly SeccompSyscall[];
}

/** When a rule of a profile is in. Source: moby profiles `seccomp.Filter`. */
export interface SeccompCondition {
  /** `CAP_*`; includes: all are held; excludes: any is held. */
  readonly caps?: readonly string[];
  /** `amd64`, `x86`, `x32`, `arm64`, `arm`, …; includes: the machine is one of them. */
  readonly arches?: readonly string[];
  /** `MAJOR.MINOR`; includes: the kernel is this or newer. */
  readonly minKernel?: string;
}

/** One rule of a profile. Source: moby profiles `seccomp.Syscall`. */
export interface SeccompProfileSyscall extends Partial<SeccompSyscall> {
  /** Old form of `names`. */
  readonly name?: string;
  readonly comment?: string;
  readonly includes?: SeccompCondition;
  readonly excludes?: SeccompCondition;
}

/** Architectures that come with one another. Source: moby profiles `seccomp.Architecture`. */
export interface SeccompArchitectureGroup {
  readonly architecture: SeccompArchitecture;
  readonly subArchitectures: readonly SeccompArchitecture[];
}

/** A profile file. Source: moby profiles `seccomp.Seccomp`. */
export interface SeccompProfile extends Omit<LinuxSeccomp, 'syscalls'> {
  /** Excludes `architectures`. */
  readonly archMap?: readonly SeccompArchitectureGroup[];
  readonly syscalls?: readonly SeccompProfileSyscall[];
}

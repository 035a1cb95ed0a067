/**
 * Errors of the kernel that are known to mislead, and what they mean. The only
 * place for such sentences; a hint is given only where the errno alone would
 * send its reader the wrong way.
 */

import type { CALLS } from './schema.ts';
import type { OpName } from './shape.ts';

/** What failed how. */
export interface Failure {
  /** `undefined`: the plan was refused as a whole. */
  readonly op: OpName | undefined;
  readonly call: (typeof CALLS)[number];
  readonly errno: string;
}

interface Hint {
  /** Operations it is about; absent: any. */
  readonly ops?: readonly OpName[];
  /** Calls it is about; absent: any. */
  readonly calls?: readonly (typeof CALLS)[number][];
  readonly errnos: readonly string[];
  readonly text: string;
}

const MOUNT_OPS = [
  'fsmount',
  'overlay',
  'open-tree',
  'mount-attr',
  'attach',
  'mask',
  'readonly-path',
] as const;
const EXEC_CALLS = ['execve', 'interpreter'] as const;

/** The first that matches counts: the special before the general. */
const HINTS: readonly Hint[] = [
  {
    ops: ['overlay'],
    errnos: ['ELOOP'],
    text: 'Two of the overlay’s directories overlap, or one is inside another overlay’s upper or work directory',
  },
  {
    ops: ['overlay'],
    errnos: ['EINVAL'],
    text: 'The file system of the upper directory may not serve overlayfs (it needs extended attributes and d_type; another overlay or NFS does not do), upper and work may lie on different file systems, or a read-only overlay has one layer only; the kernel log says which',
  },
  {
    ops: ['overlay'],
    errnos: ['EBUSY'],
    text: 'The upper or work directory is in use by another mount',
  },
  {
    ops: ['overlay'],
    errnos: ['ESTALE'],
    text: 'The upper directory was used with other layers before and carries an index of them',
  },
  {
    ops: ['overlay'],
    errnos: ['EOVERFLOW', 'ENAMETOOLONG'],
    text: 'The names of the layers do not fit into one page of mount options, all that this kernel takes',
  },
  {
    ops: ['fsmount'],
    calls: ['fsmount', 'fsconfig', 'mount'],
    errnos: ['EPERM'],
    text: 'In a user namespace the kernel mounts proc and sysfs only where the host’s own are fully visible, and only file systems that are made for it',
  },
  {
    ops: ['attach'],
    errnos: ['ENOTDIR', 'EISDIR'],
    text: 'A directory can only be mounted on a directory, a file only on a file',
  },
  {
    ops: ['attach', 'mkdirs', 'open'],
    errnos: ['ELOOP'],
    text: 'The path has a symbolic link where none may be, or too many of them',
  },
  {
    calls: ['openat2'],
    errnos: ['EXDEV'],
    text: 'The path leaves its root, or crosses into another mount where none may be',
  },
  {
    calls: ['openat2'],
    errnos: ['EAGAIN'],
    text: 'The path was renamed again and again while it was resolved',
  },
  {
    ops: ['mount-attr', 'readonly-path'],
    calls: ['mount_setattr'],
    errnos: ['ENOSYS'],
    text: 'Recursive mount attributes need Linux 5.12 or later',
  },
  {
    ops: ['mount-attr'],
    calls: ['mount_setattr'],
    errnos: ['EINVAL'],
    text: 'The file system may not support id-mapped mounts, or the mount is already id-mapped',
  },
  {
    ops: MOUNT_OPS,
    errnos: ['EPERM'],
    text: 'Mounts need CAP_SYS_ADMIN in the user namespace that owns the mount namespace; a security module or a seccomp filter around carve may forbid them too, and flags that a mount was given by the host cannot be taken back',
  },
  {
    ops: MOUNT_OPS,
    errnos: ['ENOSPC'],
    text: 'The mount namespace has as many mounts as fs.mount-max allows',
  },
  {
    ops: ['pivot'],
    errnos: ['EBUSY'],
    text: 'The new root is not a mount of its own, or it already is the root',
  },
  {
    ops: ['pivot'],
    errnos: ['EINVAL'],
    text: 'pivot_root needs a mounted new root whose parent mount is not shared, and does not work from an initramfs',
  },
  {
    ops: ['clone', 'unshare', 'userns'],
    errnos: ['ENOSPC', 'EUSERS'],
    text: 'A limit on namespaces is reached: see /proc/sys/user/max_*_namespaces, and 32 levels of nesting',
  },
  {
    ops: ['clone', 'unshare', 'userns'],
    calls: ['clone3', 'unshare'],
    errnos: ['EPERM'],
    text: 'New namespaces need CAP_SYS_ADMIN, or a user namespace, which the host may forbid (kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)',
  },
  {
    ops: ['clone'],
    calls: ['clone3'],
    errnos: ['EBUSY', 'EOPNOTSUPP'],
    text: 'The cgroup cannot take a process: it hands controllers to its children, or is of the threaded kind',
  },
  {
    ops: ['clone'],
    calls: ['clone3', 'fork'],
    errnos: ['EAGAIN'],
    text: 'The limit of processes is reached: of the cgroup (pids.max), of the user (RLIMIT_NPROC) or of the host (kernel.pid_max)',
  },
  {
    ops: ['clone'],
    calls: ['clone3', 'fork'],
    errnos: ['ENOMEM'],
    text: 'Memory is short, or init of the PID namespace that would be joined is gone',
  },
  {
    calls: ['waitpid'],
    errnos: ['ECHILD'],
    text: 'The process was killed while it was set up, most likely because its memory limit is too small',
  },
  {
    calls: ['waitpid'],
    errnos: ['ETIMEDOUT'],
    text: 'The process did not come to its program in time: a file system does not answer, or another container whose processes it joins keeps it stopped',
  },
  {
    calls: ['uid_map', 'gid_map'],
    errnos: ['EPERM', 'EINVAL'],
    text: 'The id map is not allowed: its ranges overlap, or they are not granted to this user (/etc/subuid, /etc/subgid)',
  },
  {
    ops: ['identity'],
    errnos: ['EINVAL'],
    text: 'The id is not mapped in the user namespace',
  },
  {
    ops: ['setns'],
    errnos: ['EINVAL'],
    text: 'The namespace is of another kind, or the process is already in that user namespace',
  },
  {
    ops: ['setns', 'pidfd'],
    errnos: ['ESRCH'],
    text: 'The process whose namespaces would be joined is gone',
  },
  {
    ops: ['write'],
    errnos: ['EBUSY'],
    text: 'The cgroup is in use: processes or child groups stand in the way of this setting',
  },
  {
    ops: ['rlimit'],
    errnos: ['EPERM'],
    text: 'A hard limit can be raised only with CAP_SYS_RESOURCE, and open files never above fs.nr_open',
  },
  {
    ops: ['write-self'],
    errnos: ['EACCES'],
    text: 'An oom_score_adj below that of the engine itself needs CAP_SYS_RESOURCE',
  },
  {
    ops: ['seccomp'],
    errnos: ['EACCES'],
    text: 'A seccomp filter needs CAP_SYS_ADMIN or no_new_privs',
  },
  {
    ops: ['exec'],
    calls: ['interpreter'],
    errnos: ['ENOENT', 'ENOTDIR'],
    text: 'The program exists, but the interpreter of its first line, or its dynamic loader, does not',
  },
  {
    ops: ['exec'],
    calls: EXEC_CALLS,
    errnos: ['EACCES'],
    text: 'The file, or its interpreter, is no executable file for this user: its mode, or a noexec mount, forbids it',
  },
  {
    ops: ['exec'],
    calls: EXEC_CALLS,
    errnos: ['ENOEXEC'],
    text: 'The file is a program for another architecture, or a script without #! in its first line',
  },
  {
    ops: ['exec'],
    calls: EXEC_CALLS,
    errnos: ['E2BIG'],
    text: 'Arguments and environment together are longer than a quarter of the stack limit, or one is longer than 128 KiB',
  },
  {
    ops: ['exec'],
    calls: EXEC_CALLS,
    errnos: ['ETXTBSY'],
    text: 'The program’s file is open for writing',
  },
  {
    ops: ['exec'],
    calls: EXEC_CALLS,
    errnos: ['ENOENT', 'ENOTDIR'],
    text: 'There is no such program in the container',
  },
];

/** What the failure means; `undefined` where the errno says it. */
export function hintFor(failure: Failure): string | undefined {
  return HINTS.find((hint) => matches(hint, failure))?.text;
}

function matches(hint: Hint, { op, call, errno }: Failure): boolean {
  if (!hint.errnos.includes(errno)) return false;
  if (hint.calls !== undefined && !hint.calls.includes(call)) return false;
  return hint.ops === undefined || (op !== undefined && hint.ops.includes(op));
}

/**
 * The kernel's numbers that plans carry, by their names: planners build flags
 * from these tables and `describe.ts` reads them back.
 *
 * `O` holds the values of asm-generic/fcntl.h on every machine; the chisel
 * translates the few that differ on arm64, so that a plan is the same bytes
 * everywhere.
 * Source: include/uapi/linux/{sched,mount,fs,capability,seccomp,netlink}.h.
 */

/** Bits by name, the widest names of combined values first. */
export type FlagTable = Readonly<Record<string, bigint>>;

/** clone3(2), unshare(2), setns(2): namespaces. */
export const CLONE = {
  CLONE_NEWTIME: 0x80n,
  CLONE_NEWNS: 0x20000n,
  CLONE_NEWCGROUP: 0x2000000n,
  CLONE_NEWUTS: 0x4000000n,
  CLONE_NEWIPC: 0x8000000n,
  CLONE_NEWUSER: 0x10000000n,
  CLONE_NEWPID: 0x20000000n,
  CLONE_NEWNET: 0x40000000n,
} as const satisfies FlagTable;

/** mount(2). */
export const MS = {
  MS_RDONLY: 0x1n,
  MS_NOSUID: 0x2n,
  MS_NODEV: 0x4n,
  MS_NOEXEC: 0x8n,
  MS_REMOUNT: 0x20n,
  MS_BIND: 0x1000n,
  MS_REC: 0x4000n,
  MS_UNBINDABLE: 0x20000n,
  MS_PRIVATE: 0x40000n,
  MS_SLAVE: 0x80000n,
  MS_SHARED: 0x100000n,
} as const satisfies FlagTable;

/** mount_setattr(2), fsmount(2). */
export const MOUNT_ATTR = {
  MOUNT_ATTR_RDONLY: 0x1n,
  MOUNT_ATTR_NOSUID: 0x2n,
  MOUNT_ATTR_NODEV: 0x4n,
  MOUNT_ATTR_NOEXEC: 0x8n,
  // A field of its own within the bits: 0 relatime, all bits set in `clear` to change it.
  MOUNT_ATTR__ATIME: 0x70n,
  MOUNT_ATTR_NOATIME: 0x10n,
  MOUNT_ATTR_STRICTATIME: 0x20n,
  MOUNT_ATTR_NODIRATIME: 0x80n,
  MOUNT_ATTR_IDMAP: 0x100000n,
  MOUNT_ATTR_NOSYMFOLLOW: 0x200000n,
} as const satisfies FlagTable;

/** open(2), values of asm-generic/fcntl.h. */
export const O = {
  O_WRONLY: 0o1n,
  O_RDWR: 0o2n,
  O_CREAT: 0o100n,
  O_EXCL: 0o200n,
  O_NOCTTY: 0o400n,
  O_TRUNC: 0o1000n,
  O_APPEND: 0o2000n,
  O_NONBLOCK: 0o4000n,
  O_DIRECTORY: 0o200000n,
  O_NOFOLLOW: 0o400000n,
  O_PATH: 0o10000000n,
} as const satisfies FlagTable;

/** umount2(2). */
export const UMOUNT = {
  MNT_FORCE: 0x1n,
  MNT_DETACH: 0x2n,
  MNT_EXPIRE: 0x4n,
  UMOUNT_NOFOLLOW: 0x8n,
} as const satisfies FlagTable;

/** seccomp(2), SECCOMP_SET_MODE_FILTER. */
export const SECCOMP = {
  SECCOMP_FILTER_FLAG_TSYNC: 0x1n,
  SECCOMP_FILTER_FLAG_LOG: 0x2n,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 0x4n,
  SECCOMP_FILTER_FLAG_NEW_LISTENER: 0x8n,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: 0x20n,
} as const satisfies FlagTable;

/** Capabilities in the order of their numbers: index = bit. Source: capabilities(7). */
export const CAPABILITIES = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
] as const;

/** Resources of setrlimit(2): index = number. */
export const RLIMITS = [
  'RLIMIT_CPU',
  'RLIMIT_FSIZE',
  'RLIMIT_DATA',
  'RLIMIT_STACK',
  'RLIMIT_CORE',
  'RLIMIT_RSS',
  'RLIMIT_NPROC',
  'RLIMIT_NOFILE',
  'RLIMIT_MEMLOCK',
  'RLIMIT_AS',
  'RLIMIT_LOCKS',
  'RLIMIT_SIGPENDING',
  'RLIMIT_MSGQUEUE',
  'RLIMIT_NICE',
  'RLIMIT_RTPRIO',
  'RLIMIT_RTTIME',
] as const;

/** Netlink families: index = number; the holes are families nobody uses. Source: linux/netlink.h. */
export const NETLINK_FAMILIES: Readonly<Record<number, string>> = {
  0: 'NETLINK_ROUTE',
  4: 'NETLINK_SOCK_DIAG',
  9: 'NETLINK_AUDIT',
  12: 'NETLINK_NETFILTER',
  15: 'NETLINK_KOBJECT_UEVENT',
  16: 'NETLINK_GENERIC',
};

/**
 * `A|B|0x40` for a number made of the table's bits; `0` for none.
 * A table entry that is a combination is named only when all its bits are set.
 */
export function formatFlags(value: bigint, table: FlagTable): string {
  const names: string[] = [];
  let rest = value;
  for (const [name, bits] of Object.entries(table)) {
    if ((rest & bits) !== bits) continue;
    names.push(name);
    rest &= ~bits;
  }
  if (rest !== 0n) names.push(`0x${rest.toString(16)}`);
  return names.length === 0 ? '0' : names.join('|');
}

/** Capability names of a set of `1 << CAP_*`; `all` when no known one is missing, `none` when empty. */
export function formatCapabilities(set: bigint): string {
  if (set === 0n) return 'none';
  const known = (1n << BigInt(CAPABILITIES.length)) - 1n;
  if ((set & known) === known) return 'all';
  return formatFlags(
    set,
    Object.fromEntries(CAPABILITIES.map((name, bit) => [name, 1n << BigInt(bit)])),
  );
}

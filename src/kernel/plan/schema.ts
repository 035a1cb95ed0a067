/**
 * The one definition of every plan operation: its opcode, its fields in wire
 * order, their bounds and their meaning. `op.ts` derives the TypeScript union,
 * `encode.ts` the bytes, `describe.ts` the text, and `scripts/generate-plan-header.ts`
 * the C header `chisel/plan.h` from this table, so that they cannot disagree.
 *
 * A plan is a list of operations, run in order; the first failure stops it.
 * A `clone` operation splits it: what stands before runs in the caller (the
 * monitor), what stands after runs in the new process.
 *
 * File descriptors live in numbered slots (0..31). An empty slot is written by
 * the op that names it as its result, read by later ops, and empty again after
 * `close`; all are CLOEXEC.
 *
 * **Invariant:** no Docker or OCI word here; these are the kernel's ideas only.
 * Source: Linux man-pages of the calls named in each op.
 */

/**
 * Wire types of a field, all little endian.
 * - `u32`, `u64`: the number; `max` bounds it (u32 only).
 * - `slot`: u32 < 32, or `NO_SLOT` where the field is optional.
 * - `text`: u32 length, the bytes, one NUL; no NUL inside; `max` bounds the length (default 4095).
 * - `bytes`: u32 length, the bytes; `max` bounds the length.
 * - `texts`: u32 count, then that many `text`; `max` bounds the count (default 64), `textMax` each length (default 4095).
 */
export type FieldType = 'u32' | 'u64' | 'slot' | 'text' | 'bytes' | 'texts';

/** One field of an operation. */
export interface FieldShape {
  readonly type: FieldType;
  /** Bound of the value, length in bytes, or count; the default depends on `type`. */
  readonly max?: number;
  /** `texts` only: bound of one element's length in bytes. */
  readonly textMax?: number;
  /** `slot` only: the field may be `undefined`. */
  readonly optional?: true;
  /** `slot` only: the operation writes this slot; every other slot field reads one. */
  readonly result?: true;
  /** `slot` only: the operation empties this slot after it read it. */
  readonly release?: true;
}

/**
 * Where an operation may stand.
 * - `first`: only as the first op.
 * - `process`: it changes the process that runs it, so not before a `clone`.
 * - `child`: only after a `clone`.
 * - `last`: only as the last op, after a `clone`; a plan with `clone` needs one.
 */
export type Place = 'first' | 'process' | 'child' | 'last';

/** One operation: fields in wire order. */
export interface OpShape {
  readonly code: number;
  /** Absent: anywhere. */
  readonly place?: Place;
  readonly fields: Readonly<Record<string, FieldShape>>;
}

/** Wire value of an absent slot. */
export const NO_SLOT = 0xffffffff;
/** Number of fd slots of one plan run. */
export const SLOT_COUNT = 32;
/** `CRV1`, the first four bytes of an encoded plan, little endian. */
export const PLAN_MAGIC = 0x31565243;
/** Version of this table; the chisel refuses any other. */
export const PLAN_VERSION = 1;
/** Upper bound of an encoded plan in bytes. */
export const PLAN_MAX_BYTES = 4 * 1024 * 1024;
/** Upper bound of the number of operations in one plan. */
export const PLAN_MAX_OPS = 4096;

const slot = { type: 'slot' } as const satisfies FieldShape;
const result = { type: 'slot', result: true } as const satisfies FieldShape;
const released = { type: 'slot', release: true } as const satisfies FieldShape;
const optionalSlot = { type: 'slot', optional: true } as const satisfies FieldShape;
const u32 = { type: 'u32' } as const satisfies FieldShape;
const u64 = { type: 'u64' } as const satisfies FieldShape;
const flag = { type: 'u32', max: 1 } as const satisfies FieldShape;
const text = { type: 'text' } as const satisfies FieldShape;
const name = { type: 'text', max: 255 } as const satisfies FieldShape;
const texts = { type: 'texts' } as const satisfies FieldShape;
/** Lines of a uid_map or gid_map; the kernel takes 340. */
const idMap = { type: 'text', max: 16384 } as const satisfies FieldShape;
/** argv and envp: each string at most MAX_ARG_STRLEN with its NUL. */
const argStrings = { type: 'texts', max: 65536, textMax: 131071 } as const satisfies FieldShape;
const mode = { type: 'u32', max: 0o177777 } as const satisfies FieldShape;

/**
 * Every operation.
 *
 * Words used below. *Host path*: absolute, chosen by carve, resolved as a
 * string. *In root*: resolved once with `openat2(RESOLVE_IN_ROOT |
 * RESOLVE_NO_MAGICLINKS)` below the slot `root`, then used only by fd.
 */
export const OPS = {
  // ── processes ────────────────────────────────────────────────────────────
  /** How the monitor keeps its process; only valid as the first op of a start plan. See docs/chisel-protocol.md. */
  monitor: {
    code: 1,
    place: 'first',
    fields: {
      /** Host directory (0700) where the monitor binds `monitor.sock`. */
      runDir: text,
      /** Host directory (0700) for log segments and the exit record `exit`. */
      stateDir: text,
      /** 0 none (short-lived spool only), 1 carve's own segments, 2 own segments + `json.log` in the json-file layout. */
      logKind: { type: 'u32', max: 2 },
      /** Bytes of one log segment before it is rotated. */
      logMaxBytes: u64,
      /** Segments kept, the current one included; at least 1. */
      logMaxFiles: { type: 'u32', max: 10000 },
      /** 1: the process has a console (see `console`), else three pipes. */
      tty: flag,
      /** 1: stdin stays connected to attached clients; 0: stdin is /dev/null. */
      openStdin: flag,
      /** 1: the first stdin client's end of file closes stdin of the process. */
      stdinOnce: flag,
      /** Output is not drained before this many clients attached (or 10 s passed), so that they see the first byte. */
      expectedClients: { type: 'u32', max: 64 },
      /** Milliseconds from the clone to the program; then the process is killed: others may stop it in a pid namespace that it joins. */
      startMs: { type: 'u32', max: 600000 },
      /** Host path of the cgroup file with an `oom_kill N` line, or empty. */
      oomPath: text,
      /** argv[0]-like label shown in `ps`, e.g. `carve-monitor 0123456789ab`. */
      title: name,
    },
  },
  /**
   * clone3 a child, which runs the rest of the plan. `flags` are CLONE_NEW* only.
   * `cgroup`: an open cgroup v2 directory for CLONE_INTO_CGROUP. With a user
   * namespace the caller writes `uidMap`/`gidMap` (lines as in /proc/PID/uid_map)
   * before the child goes on; `denySetgroups` writes `deny` first.
   * The caller goes on when the child's execve succeeded or an op failed.
   */
  clone: {
    code: 2,
    fields: {
      flags: u64,
      cgroup: optionalSlot,
      uidMap: idMap,
      gidMap: idMap,
      denySetgroups: flag,
    },
  },
  /** unshare(flags) in the running process. */
  unshare: { code: 3, fields: { flags: u64 } },
  /** setns(slot, flags); `slot` is a namespace file (flags may be 0) or a pidfd (flags name the namespaces). */
  setns: { code: 4, fields: { slot, flags: u64 } },
  /** pidfd_open(pid) into `slot`; fails with ESRCH unless the process' start time (field 22 of /proc/PID/stat, ticks) is `startTicks`; 0 skips that check. */
  pidfd: { code: 5, fields: { slot: result, pid: { type: 'u32', max: 4194304 }, startTicks: u64 } },

  /**
   * A new user namespace with these maps and nothing in it, its file into
   * `slot`: for id-mapped mounts. The process that made it is gone again.
   */
  userns: { code: 6, fields: { slot: result, uidMap: idMap, gidMap: idMap } },

  // ── files, trusted host paths or below a slot ────────────────────────────
  /** openat(dir or AT_FDCWD, path, flags | O_CLOEXEC); `path` is a host path when `dir` is absent, else resolved in root `dir`. */
  open: { code: 10, fields: { slot: result, dir: optionalSlot, path: text, flags: u32 } },
  /** mkdir of a host path; EEXIST is success. Not recursive. */
  mkdir: { code: 11, fields: { path: text, mode } },
  /** rmdir of a host path; ENOENT is success; EBUSY is retried for `busyMs` milliseconds. */
  rmdir: { code: 12, fields: { path: text, busyMs: { type: 'u32', max: 10000 } } },
  /**
   * Write `data` with one write(2) to an existing file, opened O_WRONLY | O_NOFOLLOW.
   * Absent `dir`: host path. Else openat2 below `dir` with RESOLVE_BENEATH |
   * RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV; an empty path is the file open in
   * `dir` itself. `skipMissing`: ENOENT is success.
   */
  write: {
    code: 13,
    fields: {
      dir: optionalSlot,
      path: text,
      data: { type: 'bytes', max: 65536 },
      skipMissing: flag,
    },
  },
  /** As `write`, below the calling process' own directory of the procfs root `proc` (e.g. `oom_score_adj`, `attr/apparmor/exec`). */
  'write-self': {
    code: 14,
    fields: { proc: slot, path: name, data: { type: 'bytes', max: 4096 }, skipMissing: flag },
  },
  /** mkdir -p in root: missing components are made `mode`, owner `uid`:`gid`, each relative to its parent's fd. */
  mkdirs: { code: 15, fields: { root: slot, path: text, mode, uid: u32, gid: u32 } },
  /** mknodat(dir, name) then fchownat and fchmodat; `dir` is a file system this plan made. */
  mknod: {
    code: 16,
    fields: { dir: slot, name, mode, major: u32, minor: u32, uid: u32, gid: u32 },
  },
  /** symlinkat(target, dir, name); EEXIST is success only when the link already has this target. */
  symlink: { code: 17, fields: { dir: slot, name, target: text } },
  /** Create or truncate a regular file in root (parents must exist), O_NOFOLLOW, then write `data`. */
  'create-file': {
    code: 18,
    fields: { root: slot, path: text, mode, data: { type: 'bytes', max: 1048576 } },
  },
  /** fstat(slot) must be the character device major:minor, else ENODEV. */
  'verify-device': { code: 19, fields: { slot, major: u32, minor: u32 } },
  /** Read a regular file in root, at most `maxBytes` (more: EFBIG); its bytes are appended to the reply's data as u32 errno, u32 length, bytes. Failing to open or to read is data, not a failed op. */
  read: { code: 20, fields: { root: slot, path: text, maxBytes: { type: 'u32', max: 16777216 } } },

  /**
   * Load `program` (struct bpf_insn[], type BPF_PROG_TYPE_CGROUP_DEVICE) and make
   * it the only one attached to the cgroup v2 directory in `cgroup`; at no
   * moment is none attached once one was.
   */
  'cgroup-device': { code: 21, fields: { cgroup: slot, program: { type: 'bytes', max: 32768 } } },

  /**
   * Slots of `slots` (bit n: slot n) are those that an earlier plan of the same process filled; only
   * `chisel keep` has any. The first op of a plan.
   */
  kept: { code: 28, place: 'first', fields: { slots: u32 } },
  /** A BPF hash table of at most `entries`, in `slot`. */
  'bpf-map': { code: 23, fields: { slot: result, keyBytes: u32, valueBytes: u32, entries: u32 } },
  /**
   * Load `program` (struct bpf_insn[]) of BPF_PROG_TYPE_`type`, to be attached as `attach` (BPF_*).
   * Every instruction that names a map (BPF_PSEUDO_MAP_FD) gets the one in `map`.
   */
  'bpf-load': {
    code: 24,
    fields: {
      slot: result,
      map: slot,
      program: { type: 'bytes', max: 32768 },
      type: u32,
      attach: u32,
    },
  },
  /** Attach `program` to `target` (a cgroup v2 directory) for as long as the link in `slot` is open. */
  'bpf-link': { code: 25, fields: { slot: result, program: slot, target: slot, attach: u32 } },
  /** Set `key` of a hash table to `value`; an empty value takes the key away, which need not be there. */
  'bpf-set': {
    code: 26,
    fields: { map: slot, key: { type: 'bytes', max: 512 }, value: { type: 'bytes', max: 512 } },
  },
  /** The cookie of the present network namespace (SO_NETNS_COOKIE): to the reply's data as u32 errno, u32 length, 8 bytes. */
  'netns-cookie': { code: 27, fields: {} },

  /** close(2) the descriptor in `slot`: the slot is empty and may be written again. */
  close: { code: 22, fields: { slot: released } },

  // ── mounts, by fd ────────────────────────────────────────────────────────
  /** mount(NULL, path, NULL, flags): propagation of the tree at a host path. */
  propagation: { code: 30, fields: { path: text, flags: u64 } },
  /** fsopen + fsconfig + fsmount: a detached mount in `slot`. `options` are `key` or `key=value`; `attrs` are MOUNT_ATTR_*. */
  fsmount: {
    code: 31,
    fields: { slot: result, fsType: name, source: text, options: texts, attrs: u64 },
  },
  /** A detached overlay mount; `lower` top first, host paths; empty `upper` and `work`: read-only, which needs two layers at least. `lowerdir+` where the kernel has it, else one joined option. */
  overlay: {
    code: 32,
    fields: {
      slot: result,
      lower: { type: 'texts', max: 500 },
      upper: text,
      work: text,
      options: texts,
      attrs: u64,
    },
  },
  /** open_tree(OPEN_TREE_CLONE [| AT_RECURSIVE]) of a host path, or in root `dir` when given; an empty path clones `dir` itself (a directory or a file). */
  'open-tree': {
    code: 33,
    fields: { slot: result, dir: optionalSlot, path: text, recursive: flag },
  },
  /** mount_setattr on the mount in `slot`: `set`/`clear` MOUNT_ATTR_*, `propagation` MS_PRIVATE… or 0, `userns` for MOUNT_ATTR_IDMAP. */
  'mount-attr': {
    code: 34,
    fields: { slot, set: u64, clear: u64, propagation: u64, userns: optionalSlot, recursive: flag },
  },
  /**
   * move_mount of the detached mount in `slot` to a host path, or in root
   * `root` when given. `create`: 0 the target must exist, 1 make a directory,
   * 2 make an empty file, 3 make whichever the mount's root is (missing parents
   * are made 0755 0:0 in root).
   * The slot then names the mounted root.
   */
  attach: {
    code: 35,
    fields: { slot, root: optionalSlot, path: text, create: { type: 'u32', max: 3 } },
  },
  /** Hide a path in root: a directory under an empty read-only tmpfs, anything else under the verified `null` device. Missing: success. */
  mask: { code: 36, fields: { root: slot, path: text, null: slot } },
  /** Make a path in root read-only by a recursive bind of itself. Missing: success. */
  'readonly-path': { code: 37, fields: { root: slot, path: text } },
  /** Make the mount in `slot` the root: fchdir, pivot_root(".", "."), umount2(".", MNT_DETACH), chdir("/"). */
  pivot: { code: 38, place: 'process', fields: { slot } },
  /** umount2(host path, flags); EINVAL and ENOENT are success. */
  umount: { code: 39, fields: { path: text, flags: u32 } },

  // ── identity and limits of the running process ───────────────────────────
  sethostname: { code: 50, place: 'process', fields: { name: { type: 'text', max: 64 } } },
  setdomainname: { code: 51, place: 'process', fields: { name: { type: 'text', max: 64 } } },
  rlimit: {
    code: 52,
    place: 'process',
    fields: { resource: { type: 'u32', max: 15 }, soft: u64, hard: u64 },
  },
  umask: { code: 53, place: 'process', fields: { mask: { type: 'u32', max: 0o777 } } },
  /** Drop every capability not in `keep` from the bounding set. */
  bounding: { code: 54, place: 'process', fields: { keep: u64 } },
  /** setgroups(groups), setresgid, setresuid with PR_SET_KEEPCAPS; `groups` are u32 each, little endian. */
  identity: {
    code: 55,
    place: 'process',
    fields: { uid: u32, gid: u32, groups: { type: 'bytes', max: 262144 } },
  },
  /** capset, then the ambient set; every bit is 1 << CAP_*. */
  capset: {
    code: 56,
    place: 'process',
    fields: { effective: u64, permitted: u64, inheritable: u64, ambient: u64 },
  },
  'no-new-privs': { code: 57, place: 'process', fields: {} },
  /** seccomp(SECCOMP_SET_MODE_FILTER, flags, filter); `filter` is struct sock_filter[]. */
  seccomp: {
    code: 58,
    place: 'process',
    fields: { flags: u32, filter: { type: 'bytes', max: 65536 } },
  },
  /** chdir(path); then the kernel's getcwd must start with `/`, else ENOTDIR. Missing components are not made. */
  chdir: { code: 59, place: 'process', fields: { path: text } },
  personality: { code: 60, place: 'process', fields: { persona: u32 } },
  /** setsid(2). */
  setsid: { code: 61, place: 'process', fields: {} },

  // ── standard streams and execve ──────────────────────────────────────────
  /**
   * Connect 0, 1, 2 to the pipes (or null) the monitor made. Pipes are given to
   * `uid`:`gid`, so that the process can open /dev/stdout again.
   */
  stdio: { code: 70, place: 'child', fields: { uid: u32, gid: u32 } },
  /**
   * A new console of the devpts in `devpts` (its magic is checked): open ptmx,
   * unlock, TIOCGPTPEER, set the size, send the master to the monitor, setsid,
   * TIOCSCTTY, connect 0, 1, 2. The peer stays in `slot` for a bind on /dev/console.
   * `uid`: owner of the peer, whose group stays that of the devpts.
   */
  console: {
    code: 71,
    place: 'child',
    fields: {
      slot: result,
      devpts: slot,
      rows: { type: 'u32', max: 65535 },
      columns: { type: 'u32', max: 65535 },
      uid: u32,
    },
  },
  /**
   * A UDP socket and a TCP listener at the IPv4 `address` (its first byte the
   * most significant) and `port` of the running network namespace, handed to the
   * monitor, which carries DNS messages between them and the unix stream socket
   * `name` in the host directory `dir`: see docs/chisel-protocol.md "Names".
   * `label` tells that side who asks.
   */
  resolver: {
    code: 74,
    place: 'child',
    fields: {
      address: u32,
      port: { type: 'u32', max: 65535 },
      dir: text,
      name: { type: 'text', max: 107 },
      label: { type: 'text', max: 128 },
    },
  },
  /**
   * close_range(3, ~0, CLOEXEC). Only slots are open beside 0, 1, 2: what the
   * caller had was closed right after the clone. Last before `exec`.
   */
  'close-fds': { code: 72, place: 'child', fields: {} },
  /**
   * execve; must be the last op. A name without `/` is searched in `search`
   * (directories) as execvp does; ENOENT and EACCES tell "not found" from "cannot run".
   * `init` 1: the process stays as a tiny init that forks the program, forwards
   * signals, reaps, and exits with its code.
   */
  exec: {
    code: 73,
    place: 'last',
    fields: { argv: argStrings, env: argStrings, search: texts, init: flag },
  },

  // ── network ──────────────────────────────────────────────────────────────
  /** socket(AF_NETLINK, SOCK_RAW, protocol) into `slot`; it stays in the network namespace it was made in. */
  'netlink-open': { code: 80, fields: { slot: result, protocol: { type: 'u32', max: 31 } } },
  /**
   * Send `messages` (complete nlmsghdr records, one datagram) and wait for the
   * ack of each that has NLM_F_ACK; the first error is the op's errno. `patches`: pairs of u32
   * (offset, slot): the slot's fd number is stored there first. `ignore`: an errno to take as success, 0 for none.
   */
  netlink: {
    code: 81,
    fields: {
      slot,
      messages: { type: 'bytes', max: 1048576 },
      patches: { type: 'bytes', max: 256 },
      ignore: { type: 'u32', max: 4095 },
    },
  },
  /**
   * Send one request and append what answers it (all messages up to NLMSG_DONE,
   * or one message) to the reply's data as u32 errno, u32 length, bytes; more
   * than `maxBytes` is EFBIG. An error answer is data, not a failed op.
   */
  'netlink-query': {
    code: 82,
    fields: {
      slot,
      message: { type: 'bytes', max: 65536 },
      maxBytes: { type: 'u32', max: 16777216 },
    },
  },
  /**
   * Keep a port of `protocol` (6, 17 or 132) on `address` (4 or 16 bytes) for the
   * running process until it ends: a socket is bound, TCP and SCTP listen, so that
   * nobody else gets it. A protocol the kernel does not have needs no keeping.
   * `reach` says what of that which reaches the socket is for `target`, an address of
   * 4 or 16 bytes, and its `targetPort`: 0 nothing, all is dropped; 1 what is for the loopback
   * address ::1; 2 all. The monitor relays it, TCP and UDP. Without a relay `target` is empty.
   */
  'reserve-port': {
    code: 83,
    fields: {
      protocol: { type: 'u32', max: 255 },
      address: { type: 'bytes', max: 16 },
      port: { type: 'u32', max: 65535 },
      reach: { type: 'u32', max: 2 },
      target: { type: 'bytes', max: 16 },
      targetPort: { type: 'u32', max: 65535 },
    },
  },
} as const satisfies Readonly<Record<string, OpShape>>;

/**
 * What a failing op can name, in wire order (index = number): a system call, or
 * `decode` (the plan's bytes), `uid_map`, `gid_map`, `setgroups-deny` (writes to
 * /proc/PID/…), `interpreter` (execve found the program but not what must run it).
 * Append only.
 */
export const CALLS = [
  'none',
  'decode',
  'clone3',
  'unshare',
  'setns',
  'pidfd_open',
  'open',
  'openat2',
  'mkdir',
  'rmdir',
  'write',
  'read',
  'mknod',
  'symlink',
  'fstat',
  'fchown',
  'fchmod',
  'mount',
  'fsopen',
  'fsconfig',
  'fsmount',
  'open_tree',
  'mount_setattr',
  'move_mount',
  'pivot_root',
  'umount2',
  'sethostname',
  'setdomainname',
  'prlimit',
  'prctl',
  'setgroups',
  'setresgid',
  'setresuid',
  'capset',
  'seccomp',
  'chdir',
  'getcwd',
  'personality',
  'setsid',
  'dup3',
  'ioctl',
  'sendmsg',
  'recvmsg',
  'close_range',
  'execve',
  'socket',
  'bind',
  'fork',
  'pipe',
  'waitpid',
  'statfs',
  'readlink',
  'fchdir',
  'poll',
  'uid_map',
  'gid_map',
  'setgroups-deny',
  'interpreter',
  'bpf',
  'socketpair',
  'fcntl',
  'mmap',
  'getdents',
  'listen',
] as const;

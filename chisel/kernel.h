/*
 * Calls, numbers and structures of Linux that the C libraries of supported
 * build machines do not all have. Own names (k_*, sys_*), so that they never
 * meet those of a newer libc. Numbers are those of x86-64 and arm64 alike.
 * Source: include/uapi/linux/{mount,openat2,sched,magic,capability,seccomp,netlink,bpf}.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHISEL_KERNEL_H
#define CHISEL_KERNEL_H

#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define K_OPEN_TREE 428
#define K_MOVE_MOUNT 429
#define K_FSOPEN 430
#define K_FSCONFIG 431
#define K_FSMOUNT 432
#define K_PIDFD_OPEN 434
#define K_CLONE3 435
#define K_CLOSE_RANGE 436
#define K_OPENAT2 437
#define K_MOUNT_SETATTR 442

struct k_open_how {
  uint64_t flags, mode, resolve;
};
#define K_RESOLVE_NO_XDEV 0x01u
#define K_RESOLVE_NO_MAGICLINKS 0x02u
#define K_RESOLVE_NO_SYMLINKS 0x04u
#define K_RESOLVE_BENEATH 0x08u
#define K_RESOLVE_IN_ROOT 0x10u

struct k_clone_args {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};
#define K_CLONE_PIDFD 0x1000u
#define K_CLONE_INTO_CGROUP 0x200000000u
#define K_CLONE_NEWTIME 0x80u
#define K_CLONE_NEWUSER 0x10000000u
#define K_CLONE_NAMESPACES 0x7e020080u /* every CLONE_NEW* */

struct k_mount_attr {
  uint64_t attr_set, attr_clr, propagation, userns_fd;
};
#define K_MOUNT_ATTR_RDONLY 0x01u
#define K_MOUNT_ATTR_NOSUID 0x02u
#define K_MOUNT_ATTR_NODEV 0x04u
#define K_MOUNT_ATTR_NOEXEC 0x08u
#define K_MOUNT_ATTR_ATIME 0x70u
#define K_MOUNT_ATTR_NOATIME 0x10u
#define K_MOUNT_ATTR_STRICTATIME 0x20u
#define K_MOUNT_ATTR_NODIRATIME 0x80u
#define K_MOUNT_ATTR_IDMAP 0x100000u
#define K_MOUNT_ATTR_NOSYMFOLLOW 0x200000u
#define K_OPEN_TREE_CLONE 1u
#define K_FSOPEN_CLOEXEC 1u
#define K_FSMOUNT_CLOEXEC 1u
#define K_AT_EMPTY_PATH 0x1000u
#define K_AT_RECURSIVE 0x8000u
#define K_MOVE_MOUNT_F_EMPTY_PATH 0x04u
#define K_MOVE_MOUNT_T_EMPTY_PATH 0x40u
enum { K_FSCONFIG_SET_FLAG = 0, K_FSCONFIG_SET_STRING = 1, K_FSCONFIG_CMD_CREATE = 6 };

#define K_PROC_MAGIC 0x9fa0
#define K_DEVPTS_MAGIC 0x1cd1

#define K_MFD_CLOEXEC 1u
#define K_MFD_ALLOW_SEALING 2u
#define K_MFD_EXEC 0x10u
#define K_F_ADD_SEALS 1033
#define K_F_GET_SEALS 1034
#define K_SEALS_ALWAYS 0x0fu /* seal, shrink, grow, write */
#define K_SEAL_EXEC 0x20u

#define K_CLOSE_RANGE_CLOEXEC 4u
#define K_TIOCGPTPEER 0x5441u

#define K_CAP_VERSION_3 0x20080522u
#define K_CAP_SETGID 6
struct k_cap_header {
  uint32_t version;
  int32_t pid;
};
struct k_cap_data {
  uint32_t effective, permitted, inheritable;
};
#define K_CAPBSET_READ 23
#define K_CAPBSET_DROP 24
#define K_NO_NEW_PRIVS 38
#define K_CAP_AMBIENT 47
#define K_CAP_AMBIENT_RAISE 2
#define K_CAP_AMBIENT_CLEAR_ALL 4

#define K_JOIN_SESSION_KEYRING 1
#define K_SECCOMP_SET_MODE_FILTER 1
struct k_sock_fprog {
  uint16_t length;
  const void *filter;
};

struct k_nlmsghdr {
  uint32_t length;
  uint16_t type, flags;
  uint32_t seq, pid;
};
#define K_NLM_F_MULTI 2u
#define K_NLM_F_ACK 4u
#define K_NLMSG_ERROR 2u
#define K_NLMSG_DONE 3u
#define K_SOL_NETLINK 270
#define K_NETLINK_EXT_ACK 11
#define K_NETLINK_CAP_ACK 10

static inline int sys_openat2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
  struct k_open_how how = { .flags = flags, .mode = mode, .resolve = resolve };
  return (int)syscall(K_OPENAT2, dir, path, &how, sizeof how);
}
static inline int sys_open_tree(int dir, unsigned flags) { return (int)syscall(K_OPEN_TREE, dir, "", flags); }
static inline int sys_move_mount(int from, int to) {
  return (int)syscall(K_MOVE_MOUNT, from, "", to, "", K_MOVE_MOUNT_F_EMPTY_PATH | K_MOVE_MOUNT_T_EMPTY_PATH);
}
static inline int sys_fsopen(const char *type) { return (int)syscall(K_FSOPEN, type, K_FSOPEN_CLOEXEC); }
static inline int sys_fsconfig(int fs, unsigned command, const char *key, const char *value) {
  return (int)syscall(K_FSCONFIG, fs, command, key, value, 0);
}
static inline int sys_fsmount(int fs, uint64_t attrs) { return (int)syscall(K_FSMOUNT, fs, K_FSMOUNT_CLOEXEC, (unsigned)attrs); }
static inline int sys_mount_setattr(int dir, unsigned flags, const struct k_mount_attr *attr) {
  return (int)syscall(K_MOUNT_SETATTR, dir, "", flags | K_AT_EMPTY_PATH, attr, sizeof *attr);
}
static inline int sys_pidfd_open(pid_t pid) { return (int)syscall(K_PIDFD_OPEN, pid, 0); }
static inline int sys_close_range(unsigned from, unsigned to, unsigned flags) {
  return (int)syscall(K_CLOSE_RANGE, from, to, flags);
}

#endif

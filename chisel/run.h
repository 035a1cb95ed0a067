/*
 * What the executor's own files share: the state of one run and the ops by
 * their numbers. Everything an op does, it does through `struct run`.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHISEL_RUN_H
#define CHISEL_RUN_H

#include "chisel.h"
#include "kernel.h"

struct run {
  const struct plan *plan;
  struct slots *slots;
  struct sink *sink;   /* NULL: data goes nowhere */
  int parent;          /* child of a spawn: socket to the caller; else -1 */
  uint32_t index;      /* of the running op */
  uint32_t call;       /* enum call that failed */
  bool owns_userns;    /* child in a user namespace that nobody else is in */
  bool told_late;      /* the caller was told that from here on silence is success */
  int empty;           /* mounted root of the empty tmpfs that hides directories, -1 before the first */
  int stage;           /* tmpfs where mounts wait that cannot be detached, -1 where they can */
  uint32_t staged;     /* mounts made there */
};

typedef int (*op_function)(struct run *run, const struct op *op);

/* ---- execute.c --------------------------------------------------------------- */

void run_init(struct run *run, const struct plan *plan, struct slots *slots);
void run_close(struct run *run);
/* Ops [from, to) in order; 0 or -errno, then `report` names the op. */
int run_ops(struct run *run, uint32_t from, uint32_t to, struct report *report);
/* -errno, remembering which call it was of. */
int run_failed(struct run *run, enum call call);
int run_error(struct run *run, enum call call, int err);
/* The descriptor of a slot field, -1 where it is absent. */
int run_slot(const struct run *run, const struct op *op, unsigned field);
/* Give a slot field its descriptor; the slot owns it. */
void run_fill(struct run *run, const struct op *op, unsigned field, int fd);
/* u32 errno, u32 length, bytes to the sink. */
int run_emit(struct run *run, int err, const void *bytes, uint32_t length);

/* ---- files.c, path.c ------------------------------------------------------------ */

struct creation {
  bool is_file; /* the last component is an empty file, not a directory */
  uint32_t mode; /* of what is made; a file gets no execute bits */
  uid_t uid;
  gid_t gid;
};

/* A descriptor of `path` resolved once below `root`; -1 and errno. */
int path_open(int root, const char *path, uint64_t flags);
/* O_PATH descriptor of `path` below `root`, whatever is missing of it made; -1 and errno, `call` names what failed. */
int path_create(int root, const char *path, const struct creation *how, enum call *call);
/* O_PATH descriptor of the directory that holds the last component, and where that starts; -1 and errno. */
int path_parent(int root, const char *path, const char **name);

int op_open(struct run *run, const struct op *op);
int op_mkdir(struct run *run, const struct op *op);
int op_rmdir(struct run *run, const struct op *op);
int op_write(struct run *run, const struct op *op);
int op_write_self(struct run *run, const struct op *op);
int op_mkdirs(struct run *run, const struct op *op);
int op_mknod(struct run *run, const struct op *op);
int op_symlink(struct run *run, const struct op *op);
int op_create_file(struct run *run, const struct op *op);
int op_verify_device(struct run *run, const struct op *op);
int op_read(struct run *run, const struct op *op);
int op_cgroup_device(struct run *run, const struct op *op);

/* ---- bpf.c ---------------------------------------------------------------------- */

int op_bpf_map(struct run *run, const struct op *op);
int op_bpf_load(struct run *run, const struct op *op);
int op_bpf_link(struct run *run, const struct op *op);
int op_bpf_set(struct run *run, const struct op *op);
int op_netns_cookie(struct run *run, const struct op *op);

/* ---- mount.c, tree.c --------------------------------------------------------------- */

/* A file system's new mount, not attached anywhere; the descriptor or -errno. `options` and `lower` may be empty. */
struct filesystem {
  const char *type;
  const char *source;
  struct texts options;
  struct texts lower; /* overlay: layers, top first */
  const char *upper;
  const char *work;
  uint64_t attrs; /* MOUNT_ATTR_* */
};
int tree_new(struct run *run, const struct filesystem *fs);
/* A bind of what `fd` is, not attached anywhere; the descriptor or -errno. */
int tree_clone(struct run *run, int fd, bool recursive);
int tree_set(struct run *run, int tree, const struct k_mount_attr *attr, bool recursive);
/* Attach `tree` at what `target` is. */
int tree_move(struct run *run, int tree, int target);

int op_propagation(struct run *run, const struct op *op);
int op_fsmount(struct run *run, const struct op *op);
int op_overlay(struct run *run, const struct op *op);
int op_open_tree(struct run *run, const struct op *op);
int op_mount_attr(struct run *run, const struct op *op);
int op_attach(struct run *run, const struct op *op);
int op_mask(struct run *run, const struct op *op);
int op_readonly_path(struct run *run, const struct op *op);
int op_pivot(struct run *run, const struct op *op);
int op_umount(struct run *run, const struct op *op);

/* ---- identity.c ----------------------------------------------------------------------- */

int op_sethostname(struct run *run, const struct op *op);
int op_setdomainname(struct run *run, const struct op *op);
int op_rlimit(struct run *run, const struct op *op);
int op_umask(struct run *run, const struct op *op);
int op_bounding(struct run *run, const struct op *op);
int op_identity(struct run *run, const struct op *op);
int op_capset(struct run *run, const struct op *op);
int op_no_new_privs(struct run *run, const struct op *op);
int op_seccomp(struct run *run, const struct op *op);
int op_chdir(struct run *run, const struct op *op);
int op_personality(struct run *run, const struct op *op);
int op_setsid(struct run *run, const struct op *op);

/* ---- namespace.c, spawn.c, child.c --------------------------------------------------- */

#define EXIT_SPAWN 127 /* of a child that could not execve; its report says why */

/* What a child of a spawn tells its caller: this header, and for CONSOLE one descriptor, for RESOLVER two. */
#define MESSAGE_FDS 2u
enum message_kind { MESSAGE_REPORT = 1, MESSAGE_CONSOLE = 2, MESSAGE_LATE = 3, MESSAGE_RESOLVER = 4 };
struct message {
  uint32_t kind;
  struct report report;
};
/* Tell the caller that an end of file without a report means success. -EPIPE: the caller is gone. */
int run_tell_late(struct run *run);
/* Both maps of `pid`'s user namespace; `deny` its setgroups first. */
int write_id_maps(struct run *run, pid_t pid, const char *uid_map, const char *gid_map, bool deny);

/* Forks: 0 in the program-to-be; the process itself stays as init and never returns. -errno. */
int init_fork(struct run *run);

/* A child at its start: 0, 1, 2 become `io`, and of all else only slots and the socket stay open. */
int child_shed(struct run *run, const struct spawn_io *io);

int op_unshare(struct run *run, const struct op *op);
int op_setns(struct run *run, const struct op *op);
int op_pidfd(struct run *run, const struct op *op);
int op_userns(struct run *run, const struct op *op);
int op_stdio(struct run *run, const struct op *op);
int op_console(struct run *run, const struct op *op);
int op_resolver(struct run *run, const struct op *op);
int op_close_fds(struct run *run, const struct op *op);
int op_exec(struct run *run, const struct op *op);

/* ---- netlink.c --------------------------------------------------------------------------- */

int op_netlink_open(struct run *run, const struct op *op);
int op_netlink(struct run *run, const struct op *op);
int op_netlink_query(struct run *run, const struct op *op);
int op_reserve_port(struct run *run, const struct op *op);

#endif

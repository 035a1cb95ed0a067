/*
 * Mount ops. Sources and targets are descriptors (tree.c); a target below a
 * root that someone else may write is resolved once (path.c).
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "run.h"

int op_propagation(struct run *run, const struct op *op) {
  unsigned long flags = op_u64(op, F_PROPAGATION_FLAGS);
  int err = mount(NULL, op_text(op, F_PROPAGATION_PATH), NULL, flags, NULL);
  return err == 0 ? 0 : run_failed(run, CALL_MOUNT);
}

/* Make `fs` and leave it in a slot. */
static int fill_new(struct run *run, const struct op *op, unsigned slot, const struct filesystem *fs) {
  int tree = tree_new(run, fs);
  if (tree < 0) return tree;
  run_fill(run, op, slot, tree);
  return 0;
}

int op_fsmount(struct run *run, const struct op *op) {
  struct filesystem fs = {
    .type = op_text(op, F_FSMOUNT_FS_TYPE),
    .source = op_text(op, F_FSMOUNT_SOURCE),
    .options = op_texts(op, F_FSMOUNT_OPTIONS),
    .upper = "",
    .work = "",
    .attrs = op_u64(op, F_FSMOUNT_ATTRS),
  };
  return fill_new(run, op, F_FSMOUNT_SLOT, &fs);
}

int op_overlay(struct run *run, const struct op *op) {
  struct filesystem fs = {
    .type = "overlay",
    .source = "overlay",
    .options = op_texts(op, F_OVERLAY_OPTIONS),
    .lower = op_texts(op, F_OVERLAY_LOWER),
    .upper = op_text(op, F_OVERLAY_UPPER),
    .work = op_text(op, F_OVERLAY_WORK),
    .attrs = op_u64(op, F_OVERLAY_ATTRS),
  };
  return fill_new(run, op, F_OVERLAY_SLOT, &fs);
}

int op_open_tree(struct run *run, const struct op *op) {
  int dir = run_slot(run, op, F_OPEN_TREE_DIR);
  const char *path = op_text(op, F_OPEN_TREE_PATH);
  bool is_dir_itself = dir >= 0 && path[0] == '\0';
  AUTO_FD int opened = is_dir_itself ? -1 : dir >= 0 ? path_open(dir, path, O_PATH) : open(path, O_PATH | O_CLOEXEC);
  if (opened < 0 && !is_dir_itself) return run_failed(run, dir >= 0 ? CALL_OPENAT2 : CALL_OPEN);
  int tree = tree_clone(run, is_dir_itself ? dir : opened, op_u32(op, F_OPEN_TREE_RECURSIVE) != 0);
  if (tree < 0) return tree;
  run_fill(run, op, F_OPEN_TREE_SLOT, tree);
  return 0;
}

int op_mount_attr(struct run *run, const struct op *op) {
  int userns = run_slot(run, op, F_MOUNT_ATTR_USERNS);
  struct k_mount_attr attr = {
    .attr_set = op_u64(op, F_MOUNT_ATTR_SET),
    .attr_clr = op_u64(op, F_MOUNT_ATTR_CLEAR),
    .propagation = op_u64(op, F_MOUNT_ATTR_PROPAGATION),
    .userns_fd = userns < 0 ? 0 : (uint64_t)userns,
  };
  return tree_set(run, run_slot(run, op, F_MOUNT_ATTR_SLOT), &attr, op_u32(op, F_MOUNT_ATTR_RECURSIVE) != 0);
}

enum { CREATE_NOTHING, CREATE_DIRECTORY, CREATE_FILE, CREATE_ALIKE };

/* Is the mount that is attached one of a single file? */
static bool is_file_mount(int tree) {
  struct stat st;
  return fstat(tree, &st) == 0 && !S_ISDIR(st.st_mode);
}

int op_attach(struct run *run, const struct op *op) {
  uint32_t create = op_u32(op, F_ATTACH_CREATE);
  bool is_file = create == CREATE_FILE || (create == CREATE_ALIKE && is_file_mount(run_slot(run, op, F_ATTACH_SLOT)));
  struct creation how = { .is_file = is_file, .mode = 0755 };
  int slot = run_slot(run, op, F_ATTACH_ROOT);
  AUTO_FD int host = slot >= 0 ? -1 : open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  int root = slot >= 0 ? slot : host;
  const char *path = op_text(op, F_ATTACH_PATH);
  enum call call = CALL_OPENAT2;
  AUTO_FD int target = create == CREATE_NOTHING ? path_open(root, path, O_PATH) : path_create(root, path, &how, &call);
  if (target < 0) return run_failed(run, call);
  return tree_move(run, run_slot(run, op, F_ATTACH_SLOT), target);
}

/* What is at a path in root, or nothing; -ENOENT is no failure then. */
static int open_if_there(struct run *run, int root, const char *path) {
  int fd = path_open(root, path, O_PATH);
  if (fd >= 0) return fd;
  if (errno == ENOENT || errno == ENOTDIR) return -ENOENT;
  return run_failed(run, CALL_OPENAT2);
}

/*
 * Another bind of the empty tmpfs, which the first mask made and attached: a
 * detached mount could not be cloned before Linux 6.15.
 */
static int mask_directory(struct run *run, int target) {
  static const uint64_t attrs = K_MOUNT_ATTR_RDONLY | K_MOUNT_ATTR_NOSUID | K_MOUNT_ATTR_NODEV | K_MOUNT_ATTR_NOEXEC;
  struct filesystem fs = { .type = "tmpfs", .source = "tmpfs", .upper = "", .work = "", .attrs = attrs };
  bool is_first = run->empty < 0;
  AUTO_FD int tree = is_first ? tree_new(run, &fs) : tree_clone(run, run->empty, false);
  if (tree < 0) return tree;
  int err = tree_move(run, tree, target);
  if (err == 0 && is_first) run->empty = fd_take(&tree);
  return err;
}

static int mask_file(struct run *run, int null, int target) {
  struct stat st;
  if (fstat(null, &st) < 0) return run_failed(run, CALL_FSTAT);
  if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3)) return run_error(run, CALL_FSTAT, ENODEV);
  AUTO_FD int tree = tree_clone(run, null, false);
  return tree < 0 ? tree : tree_move(run, tree, target);
}

int op_mask(struct run *run, const struct op *op) {
  struct stat st;
  AUTO_FD int target = open_if_there(run, run_slot(run, op, F_MASK_ROOT), op_text(op, F_MASK_PATH));
  if (target < 0) return target == -ENOENT ? 0 : target;
  if (fstat(target, &st) < 0) return run_failed(run, CALL_FSTAT);
  return S_ISDIR(st.st_mode) ? mask_directory(run, target) : mask_file(run, run_slot(run, op, F_MASK_NULL), target);
}

int op_readonly_path(struct run *run, const struct op *op) {
  static const struct k_mount_attr readonly = { .attr_set = K_MOUNT_ATTR_RDONLY };
  AUTO_FD int target = open_if_there(run, run_slot(run, op, F_READONLY_PATH_ROOT), op_text(op, F_READONLY_PATH_PATH));
  if (target < 0) return target == -ENOENT ? 0 : target;
  AUTO_FD int tree = tree_clone(run, target, true);
  if (tree < 0) return tree;
  int err = tree_set(run, tree, &readonly, true);
  /* Before Linux 5.12 the mounts below keep their state. */
  if (err == -ENOSYS) err = tree_set(run, tree, &readonly, false);
  return err < 0 ? err : tree_move(run, tree, target);
}

int op_pivot(struct run *run, const struct op *op) {
  AUTO_FD int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (old < 0) return run_failed(run, CALL_OPEN);
  if (fchdir(run_slot(run, op, F_PIVOT_SLOT)) < 0) return run_failed(run, CALL_FCHDIR);
  if (syscall(SYS_pivot_root, ".", ".") < 0) return run_failed(run, CALL_PIVOT_ROOT);
  /* "." is the new root still, and its mounts keep their propagation; the old root's unmount must not reach another namespace. */
  if (fchdir(old) < 0) return run_failed(run, CALL_FCHDIR);
  if (mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0) return run_failed(run, CALL_MOUNT);
  if (umount2(".", MNT_DETACH) < 0) return run_failed(run, CALL_UMOUNT2);
  return chdir("/") < 0 ? run_failed(run, CALL_CHDIR) : 0;
}

int op_umount(struct run *run, const struct op *op) {
  bool is_done = umount2(op_text(op, F_UMOUNT_PATH), (int)op_u32(op, F_UMOUNT_FLAGS)) == 0;
  return is_done || errno == EINVAL || errno == ENOENT ? 0 : run_failed(run, CALL_UMOUNT2);
}

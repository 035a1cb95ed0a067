/*
 * Mounts as descriptors: make one that is attached nowhere, change it, attach
 * it. Where a call of the new mount API is missing, or a filter around us
 * denies it, mount(2) does the same on /proc/self/fd/N: a mount then waits on a
 * private tmpfs (the stage), because mount(2) knows no detached mounts.
 *
 * Invariant: source and target of every mount are descriptors; a path string is
 * only ever /proc/self/fd/N, or trusted and given by the plan.
 * Source: fsopen(2), mount_setattr(2), move_mount(2), mount(2).
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include "run.h"

#define OPTIONS_MAX 4095u   /* mount(2) takes one page with its NUL */
#define PARAMETER_MAX 255u  /* fsconfig(2) takes 256 bytes with the NUL */
#define FD_PATH 40u
#define NOSYMFOLLOW 256u    /* MS_NOSYMFOLLOW */

/* An empty directory of every procfs that exists to be mounted on, so it can be covered without hiding anything. */
static const char *const stages[] = { "/proc/fs/nfsd", "/proc/driver" };

static void fd_path(char *out, int fd) { format_decimal(put_text(out, "/proc/self/fd/"), (uint64_t)fd); }

/* The call is not there, or may have been denied by a filter that knows only the old calls. */
static bool is_absent(int err) { return err == ENOSYS || err == EPERM; }

/* ---- the stage --------------------------------------------------------------- */

static int stage_open(struct run *run) {
  for (size_t i = 0; i < sizeof stages / sizeof stages[0] && run->stage < 0; i++) {
    if (mount("stage", stages[i], "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0) continue;
    if (mount(NULL, stages[i], NULL, MS_PRIVATE, NULL) < 0) return -1;
    run->stage = open(stages[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
  }
  return run->stage;
}

/* A new place on the stage for a directory or a file; its path. -1 and errno. */
static int stage_place(struct run *run, bool is_dir, char *path) {
  char name[24];
  if (run->stage < 0 && stage_open(run) < 0) return -1;
  format_decimal(name, run->staged++);
  fd_path(path, run->stage);
  put_text(put_text(path + strlen(path), "/"), name)[0] = '\0';
  return is_dir ? mkdirat(run->stage, name, 0700) : mknodat(run->stage, name, S_IFREG | 0600, 0);
}

static bool is_directory(int fd) {
  struct stat st;
  return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

/* ---- attributes ---------------------------------------------------------------- */

static unsigned long flags_of_attrs(uint64_t attrs) {
  unsigned long flags = attrs & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC);
  uint64_t atime = attrs & K_MOUNT_ATTR_ATIME;
  flags |= atime == K_MOUNT_ATTR_NOATIME ? MS_NOATIME : atime == K_MOUNT_ATTR_STRICTATIME ? MS_STRICTATIME : MS_RELATIME;
  if ((attrs & K_MOUNT_ATTR_NODIRATIME) != 0) flags |= MS_NODIRATIME;
  if ((attrs & K_MOUNT_ATTR_NOSYMFOLLOW) != 0) flags |= NOSYMFOLLOW;
  return flags;
}

/* What the mount of `fd` has now, from statfs' ST_* bits. */
static uint64_t attrs_of(int fd) {
  struct statfs fs;
  if (fstatfs(fd, &fs) < 0) return 0;
  uint64_t flags = (uint64_t)fs.f_flags;
  uint64_t attrs = flags & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC);
  if ((flags & MS_NOATIME) != 0) attrs |= K_MOUNT_ATTR_NOATIME;
  else if ((flags & 0x1000u) == 0) attrs |= K_MOUNT_ATTR_STRICTATIME; /* no ST_RELATIME */
  if ((flags & MS_NODIRATIME) != 0) attrs |= K_MOUNT_ATTR_NODIRATIME;
  if ((flags & 0x2000u) != 0) attrs |= K_MOUNT_ATTR_NOSYMFOLLOW; /* ST_NOSYMFOLLOW */
  return attrs;
}

/* mount_setattr by mount(2). */
static int set_by_remount(int tree, const struct k_mount_attr *attr, bool recursive) {
  char path[FD_PATH];
  fd_path(path, tree);
  bool changes = (attr->attr_set | attr->attr_clr) != 0;
  uint64_t attrs = (attrs_of(tree) & ~attr->attr_clr) | attr->attr_set;
  if ((attr->attr_set & K_MOUNT_ATTR_IDMAP) != 0 || (changes && recursive)) return errno = ENOSYS, -1;
  if (changes && mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | flags_of_attrs(attrs), NULL) < 0) return -1;
  unsigned long propagation = attr->propagation | (recursive ? MS_REC : 0);
  return attr->propagation == 0 ? 0 : mount(NULL, path, NULL, propagation, NULL);
}

int tree_set(struct run *run, int tree, const struct k_mount_attr *attr, bool recursive) {
  char path[FD_PATH + 24];
  if (sys_mount_setattr(tree, recursive ? K_AT_RECURSIVE : 0, attr) == 0) return 0;
  if (!is_absent(errno)) return run_failed(run, CALL_MOUNT_SETATTR);
  int err = set_by_remount(tree, attr, recursive);
  if (err < 0 && errno == EINVAL && stage_place(run, is_directory(tree), path) == 0) {
    AUTO_FD int target = open(path, O_PATH | O_CLOEXEC);
    if (target < 0 || sys_move_mount(tree, target) < 0) return run_failed(run, CALL_MOVE_MOUNT);
    err = set_by_remount(tree, attr, recursive);
  }
  return err < 0 ? run_failed(run, CALL_MOUNT_SETATTR) : 0;
}

/* ---- clone and move --------------------------------------------------------------- */

int tree_clone(struct run *run, int fd, bool recursive) {
  char from[FD_PATH], path[FD_PATH + 24];
  unsigned flags = K_OPEN_TREE_CLONE | O_CLOEXEC | K_AT_EMPTY_PATH | (recursive ? K_AT_RECURSIVE : 0);
  int tree = sys_open_tree(fd, flags);
  if (tree >= 0) return tree;
  if (!is_absent(errno)) return run_failed(run, CALL_OPEN_TREE);
  fd_path(from, fd);
  if (stage_place(run, is_directory(fd), path) < 0) return run_failed(run, CALL_OPEN_TREE);
  if (mount(from, path, NULL, MS_BIND | (recursive ? MS_REC : 0), NULL) < 0) return run_failed(run, CALL_MOUNT);
  tree = open(path, O_PATH | O_CLOEXEC);
  return tree >= 0 ? tree : run_failed(run, CALL_OPEN);
}

int tree_move(struct run *run, int tree, int target) {
  char from[FD_PATH], to[FD_PATH];
  int err = sys_move_mount(tree, target);
  if (err < 0 && is_absent(errno)) {
    fd_path(from, tree);
    fd_path(to, target);
    err = mount(from, to, NULL, MS_MOVE, NULL);
  }
  if (err == 0) return 0;
  /* The kernel says EINVAL to this and to much else. */
  bool is_mismatch = errno == EINVAL && is_directory(tree) != is_directory(target);
  return is_mismatch ? run_error(run, CALL_MOVE_MOUNT, ENOTDIR) : run_failed(run, CALL_MOVE_MOUNT);
}

/* ---- new file systems --------------------------------------------------------------- */

/* fsconfig a path, which may be longer than a parameter: then by a descriptor's name. `escape`: overlayfs takes \ as an escape. */
static int set_path(int fs, const char *key, const char *path, bool escape) {
  char value[2 * PARAMETER_MAX + 3], *at = value;
  for (const char *from = path; *from != '\0' && at < value + PARAMETER_MAX + 1; from++) {
    if (escape && (*from == '\\' || *from == ':')) *at++ = '\\';
    *at++ = *from;
  }
  *at = '\0';
  if (at - value <= (ptrdiff_t)PARAMETER_MAX) return sys_fsconfig(fs, K_FSCONFIG_SET_STRING, key, value);
  AUTO_FD int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -1;
  fd_path(value, fd);
  return sys_fsconfig(fs, K_FSCONFIG_SET_STRING, key, value);
}

static int set_option(int fs, const char *option) {
  char key[PARAMETER_MAX + 1];
  const char *equals = strchr(option, '=');
  if (equals == NULL) return sys_fsconfig(fs, K_FSCONFIG_SET_FLAG, option, NULL);
  size_t length = (size_t)(equals - option);
  if (length > PARAMETER_MAX) return errno = EINVAL, -1;
  memcpy(key, option, length);
  key[length] = '\0';
  return sys_fsconfig(fs, K_FSCONFIG_SET_STRING, key, equals + 1);
}

static int configure(int fs, const struct filesystem *what) {
  struct texts lower = what->lower, options = what->options;
  const char *text;
  if (what->source[0] != '\0' && sys_fsconfig(fs, K_FSCONFIG_SET_STRING, "source", what->source) < 0) return -1;
  while ((text = texts_next(&lower)) != NULL) {
    if (set_path(fs, "lowerdir+", text, false) < 0) return -1;
  }
  if (what->upper[0] != '\0' && set_path(fs, "upperdir", what->upper, true) < 0) return -1;
  if (what->work[0] != '\0' && set_path(fs, "workdir", what->work, true) < 0) return -1;
  while ((text = texts_next(&options)) != NULL) {
    if (set_option(fs, text) < 0) return -1;
  }
  return sys_fsconfig(fs, K_FSCONFIG_CMD_CREATE, NULL, NULL);
}

/* Options of mount(2) as they are joined. */
struct joined {
  char text[OPTIONS_MAX + 1];
  size_t size;
  bool is_full;
};

static void join(struct joined *joined, const char *text, bool escape) {
  for (; *text != '\0'; text++) {
    bool escaped = escape && strchr(":,\\", *text) != NULL;
    if (joined->size + 2 > OPTIONS_MAX) {
      joined->is_full = true;
      return;
    }
    if (escaped) joined->text[joined->size++] = '\\';
    joined->text[joined->size++] = *text;
  }
}

/* `fds`: name the layers by descriptors, which are left there; NULL: by their paths. */
static void join_options(struct joined *joined, const struct filesystem *what, int *fds, unsigned *count) {
  struct texts lower = what->lower, options = what->options;
  const char *text, *separator = "lowerdir=";
  while ((text = texts_next(&lower)) != NULL) {
    char name[FD_PATH];
    join(joined, separator, false);
    if (fds != NULL) {
      fds[*count] = open(text, O_PATH | O_DIRECTORY | O_CLOEXEC);
      fd_path(name, fds[(*count)++]);
    }
    join(joined, fds == NULL ? text : name, true);
    separator = ":";
  }
  if (what->upper[0] != '\0') {
    join(joined, ",upperdir=", false);
    join(joined, what->upper, true);
    join(joined, ",workdir=", false);
    join(joined, what->work, true);
  }
  while ((text = texts_next(&options)) != NULL) {
    if (joined->size > 0) join(joined, ",", false);
    join(joined, text, false);
  }
  joined->text[joined->size] = '\0';
}

static int new_by_mount(struct run *run, const struct filesystem *what) {
  struct joined joined = { .size = 0 };
  char path[FD_PATH + 24];
  int fds[512];
  unsigned count = 0;
  join_options(&joined, what, NULL, &count);
  if (joined.is_full) {
    joined.size = 0;
    joined.is_full = false;
    join_options(&joined, what, fds, &count);
  }
  const char *source = what->source[0] == '\0' ? what->type : what->source;
  int err = joined.is_full ? run_error(run, CALL_MOUNT, EOVERFLOW) : 0;
  if (err == 0 && stage_place(run, true, path) < 0) err = run_failed(run, CALL_FSOPEN);
  if (err == 0 && mount(source, path, what->type, flags_of_attrs(what->attrs), joined.text) < 0) err = run_failed(run, CALL_MOUNT);
  while (count > 0) fd_cleanup(&fds[--count]);
  if (err < 0) return err;
  AUTO_FD int tree = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (tree < 0) return run_failed(run, CALL_OPEN);
  /* Where it can be done: off the stage, so that the mount can be attached in another mount namespace. */
  int detached = sys_open_tree(tree, K_OPEN_TREE_CLONE | O_CLOEXEC | K_AT_EMPTY_PATH);
  if (detached < 0) return fd_take(&tree);
  umount2(path, MNT_DETACH);
  return detached;
}

/*
 * lowerdir+ is there since Linux 6.5; before, one asks in vain and the kernel
 * log tells of it. A number that is not understood is an old kernel's.
 */
static bool has_single_layers(void) {
  struct utsname name;
  unsigned major = 0, minor = 0;
  if (uname(&name) < 0) return false;
  const char *at = name.release;
  while (*at >= '0' && *at <= '9' && major < 1000) major = major * 10 + (unsigned)(*at++ - '0');
  if (*at++ != '.') return false;
  while (*at >= '0' && *at <= '9' && minor < 1000) minor = minor * 10 + (unsigned)(*at++ - '0');
  return major > 6 || (major == 6 && minor >= 5);
}

int tree_new(struct run *run, const struct filesystem *what) {
  if (what->lower.left > 0 && !has_single_layers()) return new_by_mount(run, what);
  AUTO_FD int fs = sys_fsopen(what->type);
  if (fs < 0) return is_absent(errno) ? new_by_mount(run, what) : run_failed(run, CALL_FSOPEN);
  if (configure(fs, what) < 0) return is_absent(errno) ? new_by_mount(run, what) : run_failed(run, CALL_FSCONFIG);
  int tree = sys_fsmount(fs, what->attrs);
  if (tree >= 0) return tree;
  return is_absent(errno) ? new_by_mount(run, what) : run_failed(run, CALL_FSMOUNT);
}

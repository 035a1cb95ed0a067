/*
 * Ops on files: trusted host paths, or below a descriptor.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>

#include "run.h"

#define BENEATH (K_RESOLVE_BENEATH | K_RESOLVE_NO_SYMLINKS | K_RESOLVE_NO_XDEV)

/* Plans carry the values of asm-generic/fcntl.h; arm64 has four of its own. */
static uint64_t native_open_flags(uint32_t flags) {
  static const uint32_t table[][2] = {
    { 040000, O_DIRECT }, { 0100000, O_LARGEFILE }, { 0200000, O_DIRECTORY }, { 0400000, O_NOFOLLOW },
  };
  uint64_t native = flags;
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) native &= ~(uint64_t)table[i][0];
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    if ((flags & table[i][0]) != 0) native |= table[i][1];
  }
  return native;
}

/* Opens the file again that an O_PATH descriptor stands for; never another one. */
static int reopen(int fd, int flags) {
  char path[40] = "/proc/self/fd/";
  format_decimal(path + strlen(path), (uint64_t)fd);
  return open(path, flags | O_CLOEXEC | O_NOCTTY);
}

int op_open(struct run *run, const struct op *op) {
  int dir = run_slot(run, op, F_OPEN_DIR);
  const char *path = op_text(op, F_OPEN_PATH);
  uint64_t flags = native_open_flags(op_u32(op, F_OPEN_FLAGS));
  int fd = dir >= 0 ? path_open(dir, path, flags) : open(path, (int)flags | O_CLOEXEC, 0600);
  if (fd < 0) return run_failed(run, dir >= 0 ? CALL_OPENAT2 : CALL_OPEN);
  run_fill(run, op, F_OPEN_SLOT, fd);
  return 0;
}

int op_mkdir(struct run *run, const struct op *op) {
  bool is_done = mkdir(op_text(op, F_MKDIR_PATH), op_u32(op, F_MKDIR_MODE)) == 0 || errno == EEXIST;
  return is_done ? 0 : run_failed(run, CALL_MKDIR);
}

int op_rmdir(struct run *run, const struct op *op) {
  uint64_t deadline = monotonic_ms() + op_u32(op, F_RMDIR_BUSY_MS);
  struct timespec pause = { .tv_nsec = 250000 };
  while (rmdir(op_text(op, F_RMDIR_PATH)) < 0) {
    if (errno == ENOENT) return 0;
    if (errno != EBUSY || monotonic_ms() >= deadline) return run_failed(run, CALL_RMDIR);
    nanosleep(&pause, NULL);
    if (pause.tv_nsec < 16000000) pause.tv_nsec *= 2;
  }
  return 0;
}

/* One write(2) of a bytes field to `fd`, which is closed; `fd` -1: why it could not be opened is in errno. */
static int write_field(struct run *run, int fd, const struct op *op, unsigned data, enum call open_call) {
  AUTO_FD int file = fd;
  uint32_t length;
  const uint8_t *bytes = op_bytes(op, data, &length);
  if (file < 0) return run_failed(run, open_call);
  ssize_t put = write(file, bytes, length);
  if (put < 0) return run_failed(run, CALL_WRITE);
  return put == (ssize_t)length ? 0 : run_error(run, CALL_WRITE, EIO);
}

int op_write(struct run *run, const struct op *op) {
  int dir = run_slot(run, op, F_WRITE_DIR);
  const char *path = op_text(op, F_WRITE_PATH);
  bool is_slot_itself = dir >= 0 && path[0] == '\0';
  int fd = is_slot_itself ? fcntl(dir, F_DUPFD_CLOEXEC, 3)
           : dir >= 0   ? sys_openat2(dir, path, O_WRONLY | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0, BENEATH)
                        : open(path, O_WRONLY | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT && op_u32(op, F_WRITE_SKIP_MISSING) != 0) return 0;
  return write_field(run, fd, op, F_WRITE_DATA, dir >= 0 ? CALL_OPENAT2 : CALL_OPEN);
}

/*
 * A process that may not be traced belongs to the host's root in procfs, which
 * is nobody in a user namespace: there it may be traced while it opens its own
 * file. Only where no other process can be in that namespace.
 */
static int open_self(const struct run *run, int proc, const char *path) {
  int fd = sys_openat2(proc, path, O_WRONLY | O_CLOEXEC, 0, BENEATH);
  if (fd >= 0 || errno != EACCES || !run->owns_userns) return fd;
  prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  fd = sys_openat2(proc, path, O_WRONLY | O_CLOEXEC, 0, BENEATH);
  int saved = errno;
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  errno = saved;
  return fd;
}

int op_write_self(struct run *run, const struct op *op) {
  int proc = run_slot(run, op, F_WRITE_SELF_PROC);
  char path[32 + NAME_MAX];
  struct statfs fs;
  if (fstatfs(proc, &fs) < 0) return run_failed(run, CALL_STATFS);
  if (fs.f_type != K_PROC_MAGIC) return run_error(run, CALL_STATFS, ENODEV);
  ssize_t length = readlinkat(proc, "self", path, 31);
  if (length < 0) return run_failed(run, CALL_READLINK);
  path[length] = '/';
  memccpy(path + length + 1, op_text(op, F_WRITE_SELF_PATH), '\0', NAME_MAX + 1);
  int fd = open_self(run, proc, path);
  if (fd < 0 && errno == ENOENT && op_u32(op, F_WRITE_SELF_SKIP_MISSING) != 0) return 0;
  return write_field(run, fd, op, F_WRITE_SELF_DATA, CALL_OPENAT2);
}

int op_mkdirs(struct run *run, const struct op *op) {
  struct creation how = {
    .mode = op_u32(op, F_MKDIRS_MODE), .uid = op_u32(op, F_MKDIRS_UID), .gid = op_u32(op, F_MKDIRS_GID),
  };
  enum call call;
  AUTO_FD int fd = path_create(run_slot(run, op, F_MKDIRS_ROOT), op_text(op, F_MKDIRS_PATH), &how, &call);
  return fd < 0 ? run_failed(run, call) : 0;
}

int op_mknod(struct run *run, const struct op *op) {
  int dir = run_slot(run, op, F_MKNOD_DIR);
  const char *name = op_text(op, F_MKNOD_NAME);
  uint32_t mode = op_u32(op, F_MKNOD_MODE);
  dev_t device = makedev(op_u32(op, F_MKNOD_MAJOR), op_u32(op, F_MKNOD_MINOR));
  if (strchr(name, '/') != NULL) return run_error(run, CALL_MKNOD, EINVAL);
  if (S_ISDIR(mode) ? mkdirat(dir, name, mode & 07777) < 0 : mknodat(dir, name, mode, device) < 0)
    return run_failed(run, CALL_MKNOD);
  if (fchownat(dir, name, op_u32(op, F_MKNOD_UID), op_u32(op, F_MKNOD_GID), AT_SYMLINK_NOFOLLOW) < 0)
    return run_failed(run, CALL_FCHOWN);
  /* mkdirat keeps no set-id bits and a change of owner takes them away. */
  if ((mode & 07000) != 0 && fchmodat(dir, name, mode & 07777, 0) < 0) return run_failed(run, CALL_FCHMOD);
  return 0;
}

int op_symlink(struct run *run, const struct op *op) {
  int dir = run_slot(run, op, F_SYMLINK_DIR);
  const char *name = op_text(op, F_SYMLINK_NAME);
  const char *target = op_text(op, F_SYMLINK_TARGET);
  char present[PATH_MAX];
  if (strchr(name, '/') != NULL) return run_error(run, CALL_SYMLINK, EINVAL);
  if (symlinkat(target, dir, name) == 0) return 0;
  if (errno != EEXIST) return run_failed(run, CALL_SYMLINK);
  ssize_t length = readlinkat(dir, name, present, sizeof present);
  bool is_same = length >= 0 && (size_t)length == strlen(target) && memcmp(present, target, (size_t)length) == 0;
  return is_same ? 0 : run_error(run, CALL_SYMLINK, EEXIST);
}

/* Opens for writing what `name` in `dir` is: made, or a regular file that is emptied. */
static int open_regular(int dir, const char *name, uint32_t mode) {
  int made = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 07777);
  if (made >= 0 || errno != EEXIST) return made;
  AUTO_FD int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  struct stat st;
  if (fd < 0 || fstat(fd, &st) < 0) return -1;
  if (!S_ISREG(st.st_mode)) return errno = S_ISLNK(st.st_mode) ? ELOOP : EEXIST, -1;
  return reopen(fd, O_WRONLY | O_TRUNC);
}

int op_create_file(struct run *run, const struct op *op) {
  const char *name;
  uint32_t length;
  const uint8_t *data = op_bytes(op, F_CREATE_FILE_DATA, &length);
  AUTO_FD int dir = path_parent(run_slot(run, op, F_CREATE_FILE_ROOT), op_text(op, F_CREATE_FILE_PATH), &name);
  if (dir < 0) return run_failed(run, CALL_OPENAT2);
  AUTO_FD int file = open_regular(dir, name, op_u32(op, F_CREATE_FILE_MODE));
  if (file < 0) return run_failed(run, CALL_OPEN);
  int err = write_all(file, data, length);
  return err < 0 ? run_error(run, CALL_WRITE, -err) : 0;
}

int op_verify_device(struct run *run, const struct op *op) {
  struct stat st;
  dev_t device = makedev(op_u32(op, F_VERIFY_DEVICE_MAJOR), op_u32(op, F_VERIFY_DEVICE_MINOR));
  if (fstat(run_slot(run, op, F_VERIFY_DEVICE_SLOT), &st) < 0) return run_failed(run, CALL_FSTAT);
  return S_ISCHR(st.st_mode) && st.st_rdev == device ? 0 : run_error(run, CALL_FSTAT, ENODEV);
}

/* A regular file below `root`, looked at before it is opened: opening a device or a pipe can do things. -1 and errno. */
static int open_to_read(int root, const char *path) {
  AUTO_FD int fd = path_open(root, path, O_PATH);
  struct stat st;
  if (fd < 0 || fstat(fd, &st) < 0) return -1;
  if (!S_ISREG(st.st_mode)) return errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL, -1;
  return reopen(fd, O_RDONLY);
}

int op_read(struct run *run, const struct op *op) {
  AUTO_FD int file = open_to_read(run_slot(run, op, F_READ_ROOT), op_text(op, F_READ_PATH));
  if (file < 0) return run_emit(run, errno, "", 0);
  size_t size = op_u32(op, F_READ_MAX_BYTES);
  /* Bounded by the schema; pages that are not read into are never there. */
  size_t room = size + 1;
  void *bytes = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (bytes == MAP_FAILED) return run_failed(run, CALL_MMAP);
  ssize_t got = read_whole(file, bytes, size);
  int err = got >= 0 ? run_emit(run, 0, bytes, (uint32_t)got) : run_emit(run, (int)-got, "", 0);
  munmap(bytes, room);
  return err;
}

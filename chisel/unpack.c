/*
 * The writing half of layer extraction. It knows no archive format: the layer's
 * tree is kept by the caller; here every operation names one directory, opened
 * beneath DIR without following any link, and one component in it.
 *
 * Invariant: every path below DIR is opened with RESOLVE_BENEATH |
 * RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV, every final component is used with the
 * call's no-follow form, and every object is created, never opened.
 * Source: openat2(2), docs/layer-streams.md.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include "unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "copy.h"
#include "field.h"
#include "run.h"
#include "stack.h"

#define XATTRS_MAX 256u
#define PATH_LENGTH_MAX 4095u

struct unpack {
  int root;
  int dir;  /* current directory */
  int file; /* open file, -1 when none */
  uid_t uid; /* what new files belong to without a chown */
  gid_t gid;
  uint32_t index;   /* of the running operation */
  const char *call; /* that failed */
  const char *name; /* component the running operation is about */
  char file_name[256]; /* that of the open file */
  char path[PATH_LENGTH_MAX + 1]; /* of `dir`, for the answer */
  struct stack stack;
  bool replaces;      /* DIR is in use: what is in the way of an object goes first */
  bool keeps_kinds;   /* but a directory never for another kind, nor the reverse */
  int whole;          /* then: the root that links lead in, */
  const char *target; /* and where DIR is below it */
};

struct attributes {
  uint32_t mode;
  uint32_t uid;
  uint32_t gid;
  struct timespec mtime;
  uint32_t xattr_count;
  struct fields xattrs; /* each: u16 optional, text name, u32 size, value */
};

static struct attributes read_attributes(struct fields *fields) {
  struct attributes attributes = { .mode = field_u32(fields), .uid = field_u32(fields), .gid = field_u32(fields) };
  attributes.mtime.tv_sec = (time_t)field_u64(fields);
  attributes.mtime.tv_nsec = (long)field_u32(fields);
  attributes.xattr_count = field_u32(fields);
  if (attributes.mtime.tv_nsec > 999999999 || attributes.xattr_count > XATTRS_MAX)
    fields->bad = true;
  attributes.xattrs = *fields;
  for (uint32_t i = 0; i < attributes.xattr_count && !fields->bad; i++) {
    (void)field_u16(fields);
    (void)field_text(fields, 255);
    (void)field_bytes(fields, field_u32(fields));
  }
  return attributes;
}

static int failed(struct unpack *unpack, const char *call) {
  unpack->call = call;
  return errno;
}

/* In a tree in use links and mounts are followed, as their owner meant; what is missing may be made. */
static int open_inside(const struct unpack *unpack, const char *path, bool makes_missing) {
  const struct creation how = { .mode = 0755 };
  char inside[2 * PATH_LENGTH_MAX + 2];
  enum call call;
  *put_text(put_text(put_text(inside, unpack->target), "/"), path) = '\0';
  int dir = path_open(unpack->whole, inside, O_RDONLY | O_DIRECTORY);
  if (dir >= 0 || errno != ENOENT || !makes_missing)
    return dir;
  int made = path_create(unpack->whole, inside, &how, &call);
  if (made < 0)
    return made;
  close(made);
  return path_open(unpack->whole, inside, O_RDONLY | O_DIRECTORY);
}

/* Opens a directory below DIR; the empty path is DIR itself. */
static int open_dir(struct unpack *unpack, const char *path) {
  struct open_how how = {
    .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
    .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
  };
  if (unpack->replaces)
    return open_inside(unpack, path, false);
  return (int)syscall(SYS_openat2, unpack->root, path[0] == '\0' ? "." : path, &how, sizeof how);
}

static int change_dir(struct unpack *unpack, const char *path) {
  unpack->name = "";
  size_t length = strlen(path);
  memcpy(unpack->path, path, length + 1);
  int dir = unpack->replaces ? open_inside(unpack, path, true) : open_dir(unpack, path);
  if (dir < 0)
    return failed(unpack, "openat2");
  close(unpack->dir);
  unpack->dir = dir;
  return 0;
}

static int set_xattrs(struct unpack *unpack, const struct attributes *attributes, int fd, const char *name) {
  struct fields xattrs = attributes->xattrs;
  if (attributes->xattr_count > 0 && fd < 0 && fchdir(unpack->dir) < 0)
    return failed(unpack, "fchdir");
  for (uint32_t i = 0; i < attributes->xattr_count; i++) {
    bool is_optional = field_u16(&xattrs) != 0;
    const char *key = field_text(&xattrs, 255);
    uint32_t size = field_u32(&xattrs);
    const uint8_t *value = field_bytes(&xattrs, size);
    if (xattrs.bad)
      return EPROTO;
    int result = fd >= 0 ? fsetxattr(fd, key, value, size, 0) : lsetxattr(name, key, value, size, 0);
    if (result < 0 && !(is_optional && (errno == ENOTSUP || errno == EPERM)))
      return failed(unpack, fd >= 0 ? "fsetxattr" : "lsetxattr");
  }
  return 0;
}

/* On an open file or directory: owner, then mode (chown clears set-id bits), then attributes, then times. */
static int apply_to_fd(struct unpack *unpack, const struct attributes *attributes, int fd, uint32_t mode_now) {
  const struct timespec times[2] = { attributes->mtime, attributes->mtime };
  bool is_owned = attributes->uid == unpack->uid && attributes->gid == unpack->gid;
  if (!is_owned && fchown(fd, attributes->uid, attributes->gid) < 0)
    return failed(unpack, "fchown");
  if (attributes->mode != mode_now && fchmod(fd, attributes->mode) < 0)
    return failed(unpack, "fchmod");
  int error = set_xattrs(unpack, attributes, fd, NULL);
  if (error != 0)
    return error;
  return futimens(fd, times) < 0 ? failed(unpack, "futimens") : 0;
}

/* On an object without a descriptor (a link, a node), by its name in the current directory. */
static int apply_to_name(struct unpack *unpack, const struct attributes *attributes, const char *name, bool has_mode) {
  const struct timespec times[2] = { attributes->mtime, attributes->mtime };
  bool is_owned = attributes->uid == unpack->uid && attributes->gid == unpack->gid;
  if (!is_owned && fchownat(unpack->dir, name, attributes->uid, attributes->gid, AT_SYMLINK_NOFOLLOW) < 0)
    return failed(unpack, "fchownat");
  /* This process just made the node and nobody else can reach the directory: it is no link. */
  if (has_mode && fchmodat(unpack->dir, name, attributes->mode & 07777, 0) < 0)
    return failed(unpack, "fchmodat");
  int error = set_xattrs(unpack, attributes, -1, name);
  if (error != 0)
    return error;
  if (utimensat(unpack->dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
    return failed(unpack, "utimensat");
  return 0;
}

static int write_data(struct unpack *unpack, int fd, const uint8_t *data, size_t size, uint64_t offset) {
  while (size > 0) {
    ssize_t n = pwrite(fd, data, size, (off_t)offset);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return failed(unpack, "pwrite");
    data += n;
    size -= (size_t)n;
    offset += (uint64_t)n;
  }
  return 0;
}

/* Nothing of another kind is where `unpack->name` will be. 0; EEXIST: the directory that is wanted is there; another errno. */
static int make_way(struct unpack *unpack, bool is_directory) {
  struct stat st;
  if (!unpack->replaces)
    return 0;
  if (fstatat(unpack->dir, unpack->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return errno == ENOENT ? 0 : failed(unpack, "fstatat");
  bool was_directory = S_ISDIR(st.st_mode);
  if (was_directory && is_directory)
    return EEXIST;
  unpack->call = "replace";
  if (was_directory != is_directory && unpack->keeps_kinds)
    return was_directory ? EISDIR : ENOTDIR;
  return unlinkat(unpack->dir, unpack->name, was_directory ? AT_REMOVEDIR : 0) < 0 ? failed(unpack, "unlinkat") : 0;
}

static int create_file(struct unpack *unpack, uint32_t mode) {
  if ((errno = make_way(unpack, false)) != 0)
    return -1;
  int fd = openat(unpack->dir, unpack->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, (mode_t)mode);
  if (fd < 0)
    (void)failed(unpack, "openat");
  return fd;
}

/* A whole file in one operation: the bulk of every layer. */
static int make_file(struct unpack *unpack, struct fields *fields) {
  unpack->name = field_name(fields);
  struct attributes attributes = read_attributes(fields);
  size_t size = fields->left;
  const uint8_t *data = field_bytes(fields, size);
  if (fields->bad || data == NULL || attributes.mode > 07777)
    return EPROTO;
  uint32_t mode = attributes.mode & 0777;
  int fd = create_file(unpack, mode);
  if (fd < 0)
    return errno;
  int error = write_data(unpack, fd, data, size, 0);
  if (error == 0)
    error = apply_to_fd(unpack, &attributes, fd, mode);
  if (close(fd) < 0 && error == 0)
    error = failed(unpack, "close");
  return error;
}

static int open_file(struct unpack *unpack, struct fields *fields) {
  unpack->name = field_name(fields);
  if (fields->bad || fields->left != 0 || unpack->file >= 0)
    return EPROTO;
  unpack->file = create_file(unpack, 0600);
  int error = unpack->file < 0 ? errno : 0;
  /* The operations that follow speak of it, and the input buffer moves on. */
  unpack->name = memcpy(unpack->file_name, unpack->name, strlen(unpack->name) + 1);
  return error;
}

static int write_file(struct unpack *unpack, struct fields *fields) {
  uint64_t offset = field_u64(fields);
  size_t size = fields->left;
  const uint8_t *data = field_bytes(fields, size);
  if (fields->bad || unpack->file < 0 || offset > (uint64_t)INT64_MAX - size)
    return EPROTO;
  return write_data(unpack, unpack->file, data, size, offset);
}

static int close_file(struct unpack *unpack, struct fields *fields) {
  uint64_t size = field_u64(fields);
  struct attributes attributes = read_attributes(fields);
  int fd = unpack->file;
  if (fields->bad || fields->left != 0 || fd < 0 || size > (uint64_t)INT64_MAX || attributes.mode > 07777)
    return EPROTO;
  /* The tail of a sparse file may be a hole. */
  int error = ftruncate(fd, (off_t)size) < 0 ? failed(unpack, "ftruncate") : 0;
  if (error == 0)
    error = apply_to_fd(unpack, &attributes, fd, 0600);
  unpack->file = -1;
  if (close(fd) < 0 && error == 0)
    error = failed(unpack, "close");
  return error;
}

static int make_symlink(struct unpack *unpack, struct fields *fields) {
  unpack->name = field_name(fields);
  const char *target = field_text(fields, PATH_LENGTH_MAX);
  struct attributes attributes = read_attributes(fields);
  if (fields->bad || fields->left != 0)
    return EPROTO;
  int error = make_way(unpack, false);
  if (error != 0)
    return error;
  if (symlinkat(target, unpack->dir, unpack->name) < 0)
    return failed(unpack, "symlinkat");
  return apply_to_name(unpack, &attributes, unpack->name, false);
}

static int make_link(struct unpack *unpack, struct fields *fields) {
  unpack->name = field_name(fields);
  const char *path = field_text(fields, PATH_LENGTH_MAX);
  const char *target = field_name(fields);
  if (fields->bad || fields->left != 0)
    return EPROTO;
  int way = make_way(unpack, false);
  if (way != 0)
    return way;
  int dir = open_dir(unpack, path);
  if (dir < 0)
    return failed(unpack, "openat2");
  int error = linkat(dir, target, unpack->dir, unpack->name, 0) < 0 ? failed(unpack, "linkat") : 0;
  close(dir);
  return error;
}

static int make_node(struct unpack *unpack, struct fields *fields) {
  unpack->name = field_name(fields);
  uint32_t major = field_u32(fields);
  uint32_t minor = field_u32(fields);
  struct attributes attributes = read_attributes(fields);
  uint32_t type = attributes.mode & S_IFMT;
  if (fields->bad || fields->left != 0 || (type != S_IFCHR && type != S_IFBLK && type != S_IFIFO))
    return EPROTO;
  int error = make_way(unpack, false);
  if (error != 0)
    return error;
  /* Where others write too, the name may be a link a moment later: the mode is given at birth. */
  mode_t mode = unpack->replaces ? (mode_t)(attributes.mode & (S_IFMT | 07777)) : (mode_t)(type | 0600);
  if (mknodat(unpack->dir, unpack->name, mode, makedev(major, minor)) < 0)
    return failed(unpack, "mknodat");
  return apply_to_name(unpack, &attributes, unpack->name, !unpack->replaces);
}

static int make_dir(struct unpack *unpack, struct fields *fields) {
  unpack->name = field_name(fields);
  if (fields->bad || fields->left != 0)
    return EPROTO;
  int error = make_way(unpack, true);
  if (error != 0)
    return error == EEXIST ? 0 : error;
  return mkdirat(unpack->dir, unpack->name, 0700) < 0 ? failed(unpack, "mkdirat") : 0;
}

static int remove_name(struct unpack *unpack, struct fields *fields, int flags) {
  unpack->name = field_name(fields);
  if (fields->bad || fields->left != 0)
    return EPROTO;
  return unlinkat(unpack->dir, unpack->name, flags) < 0 ? failed(unpack, "unlinkat") : 0;
}

static int set_attributes(struct unpack *unpack, struct fields *fields) {
  unpack->name = "";
  struct attributes attributes = read_attributes(fields);
  if (fields->bad || fields->left != 0 || attributes.mode > 07777)
    return EPROTO;
  return apply_to_fd(unpack, &attributes, unpack->dir, UINT32_MAX);
}

/* A directory that the layer implies but does not describe looks as it does below. */
static int inherit_attributes(struct unpack *unpack, struct fields *fields) {
  unpack->name = "";
  const char *path = field_text(fields, PATH_LENGTH_MAX);
  struct attributes attributes = read_attributes(fields);
  struct stack_entry entry;
  if (fields->bad || fields->left != 0 || attributes.mode > 07777)
    return EPROTO;
  int error = stack_find(&unpack->stack, path, &entry);
  if (error == ENOENT || error == ENOTDIR)
    return apply_to_fd(unpack, &attributes, unpack->dir, UINT32_MAX);
  if (error != 0) {
    unpack->call = "openat";
    return error;
  }
  if (S_ISDIR(entry.st.st_mode))
    error = stack_copy_attributes(&entry, unpack->dir, "", unpack->dir, &unpack->call);
  if (S_ISDIR(entry.st.st_mode) && error == 0)
    error = set_xattrs(unpack, &attributes, unpack->dir, NULL);
  if (!S_ISDIR(entry.st.st_mode))
    error = apply_to_fd(unpack, &attributes, unpack->dir, UINT32_MAX);
  close(entry.dir);
  return error;
}

static int copy_from_stack(struct unpack *unpack, struct fields *fields) {
  unpack->name = field_name(fields);
  const char *path = field_text(fields, PATH_LENGTH_MAX);
  struct stack_entry entry;
  if (fields->bad || fields->left != 0)
    return EPROTO;
  unpack->call = "openat";
  int error = stack_find(&unpack->stack, path, &entry);
  if (error != 0)
    return error;
  error = stack_copy(&entry, unpack->dir, unpack->name, &unpack->call);
  close(entry.dir);
  return error;
}

/* Only the topmost layers of the stack count: one of them replaces what is below. */
static int limit_stack(struct unpack *unpack, struct fields *fields) {
  uint32_t count = field_u32(fields);
  if (fields->bad || fields->left != 0 || count > unpack->stack.count)
    return EPROTO;
  unpack->stack.count = count;
  return 0;
}

static int run_op(struct unpack *unpack, uint8_t kind, struct fields *fields) {
  switch (kind) {
  case UNPACK_CD: {
    const char *path = field_text(fields, PATH_LENGTH_MAX);
    return fields->bad || fields->left != 0 ? EPROTO : change_dir(unpack, path);
  }
  case UNPACK_MKDIR:
    return make_dir(unpack, fields);
  case UNPACK_FILE:
    return make_file(unpack, fields);
  case UNPACK_OPEN:
    return open_file(unpack, fields);
  case UNPACK_DATA:
    return write_file(unpack, fields);
  case UNPACK_CLOSE:
    return close_file(unpack, fields);
  case UNPACK_SYMLINK:
    return make_symlink(unpack, fields);
  case UNPACK_LINK:
    return make_link(unpack, fields);
  case UNPACK_NODE:
    return make_node(unpack, fields);
  case UNPACK_UNLINK:
    return remove_name(unpack, fields, 0);
  case UNPACK_RMDIR:
    return remove_name(unpack, fields, AT_REMOVEDIR);
  case UNPACK_ATTRIBUTES:
    return set_attributes(unpack, fields);
  case UNPACK_INHERIT:
    return inherit_attributes(unpack, fields);
  case UNPACK_COPY:
    return copy_from_stack(unpack, fields);
  case UNPACK_BELOW:
    return limit_stack(unpack, fields);
  default:
    return EPROTO;
  }
}

/* Input is one fixed buffer; a whole operation always fits. */
static _Alignas(4096) uint8_t input[2u * (UNPACK_OP_MAX + UNPACK_OP_HEADER)];
static size_t input_start, input_end;

/* At least `size` bytes at input_start: 0; EPIPE when stdin ended before. */
static int need(size_t size) {
  if (input_end - input_start >= size)
    return 0;
  if (sizeof input - input_start < size) {
    memmove(input, input + input_start, input_end - input_start);
    input_end -= input_start;
    input_start = 0;
  }
  while (input_end - input_start < size) {
    ssize_t n = read(STDIN_FILENO, input + input_end, sizeof input - input_end);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return errno;
    if (n == 0)
      return EPIPE;
    input_end += (size_t)n;
  }
  return 0;
}

static int run_stream(struct unpack *unpack, uint32_t *flags) {
  unpack->call = "read";
  int error = need(16);
  if (error != 0)
    return error;
  unpack->call = "decode";
  *flags = get_u32(input + input_start + 8);
  if (get_u32(input + input_start) != UNPACK_MAGIC || get_u32(input + input_start + 4) != UNPACK_VERSION)
    return EPROTO;
  input_start += 16;
  for (;; unpack->index++) {
    if (unpack->file < 0)
      unpack->name = "";
    unpack->call = "read";
    error = need(UNPACK_OP_HEADER);
    if (error != 0)
      return error;
    uint32_t size = get_u32(input + input_start);
    uint8_t kind = input[input_start + 4];
    if (size > UNPACK_OP_MAX || (error = need(UNPACK_OP_HEADER + (size_t)size)) != 0) {
      return size > UNPACK_OP_MAX ? EPROTO : error;
    }
    unpack->call = "decode";
    struct fields fields = { .at = input + input_start + UNPACK_OP_HEADER, .left = size };
    if (kind == UNPACK_END)
      return size == 0 && unpack->file < 0 ? 0 : EPROTO;
    error = run_op(unpack, kind, &fields);
    if (error != 0)
      return error;
    input_start += UNPACK_OP_HEADER + size;
  }
}

static void answer(const struct unpack *unpack, int error) {
  char line[128 + PATH_LENGTH_MAX + 256];
  int length = error == 0
    ? snprintf(line, sizeof line, "ok %u\n", unpack->index)
    : snprintf(line, sizeof line, "failed %u %d %s %s%s%s\n", unpack->index, error, unpack->call, unpack->path,
               unpack->path[0] != '\0' && unpack->name[0] != '\0' ? "/" : "", unpack->name);
  for (int done = 0; done < length;) {
    ssize_t n = write(STDOUT_FILENO, line + done, (size_t)(length - done));
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return;
    done += (int)n;
  }
}

int unpack_main(int argc, char **argv) {
  static struct unpack unpack = { .file = -1, .call = "", .name = "" };
  uint32_t flags = 0;
  if (argc < 2)
    return 2;
  umask(0);
  (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  (void)fcntl(STDIN_FILENO, F_SETPIPE_SZ, 1024 * 1024);
  unpack.uid = geteuid();
  unpack.gid = getegid();
  unpack.call = "open";
  unpack.root = open(argv[1], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  unpack.dir = unpack.root < 0 ? -1 : fcntl(unpack.root, F_DUPFD_CLOEXEC, 0);
  /* Files in it must not inherit a group, and nobody looks in before its attributes are set. */
  int error = unpack.dir < 0 || fchown(unpack.root, unpack.uid, unpack.gid) < 0 || fchmod(unpack.root, 0700) < 0 ? errno : 0;
  if (error == 0)
    error = stack_open(&unpack.stack, argv + 2, (size_t)(argc - 2));
  if (error == 0)
    error = run_stream(&unpack, &flags);
  answer(&unpack, error);
  if (error != 0)
    return 1;
  /* Many may wait for the disk at once. */
  (void)madvise(input, sizeof input & ~(size_t)4095, MADV_DONTNEED);
  /* The caller has its answer; the exit code tells it that the files are on the disk. */
  return (flags & UNPACK_SYNC) != 0 && syncfs(unpack.root) < 0 ? 1 : 0;
}

int unpack_into(char **arguments) {
  /* Nothing here belongs to anyone by default: every owner is set. */
  static struct unpack unpack = {
    .file = -1, .dir = -1, .call = "open", .name = "", .replaces = true, .uid = (uid_t)-1, .gid = (gid_t)-1,
  };
  uint32_t flags = 0;
  umask(0);
  (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  unpack.target = arguments[3];
  unpack.keeps_kinds = strchr(arguments[4], COPY_KEEP_KINDS) != NULL;
  unpack.whole = copy_root(arguments);
  int error = unpack.whole < 0 ? -unpack.whole : strlen(unpack.target) > PATH_LENGTH_MAX ? ENAMETOOLONG : 0;
  if (error == 0) {
    unpack.call = "target";
    unpack.dir = open_dir(&unpack, "");
    error = unpack.dir < 0 ? errno : run_stream(&unpack, &flags);
  }
  answer(&unpack, error);
  return error == 0 ? 0 : 1;
}

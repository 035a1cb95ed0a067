/*
 * The reading half of layers: a tree as a stream of entries, then the content
 * of the files that are asked for. The tree may belong to a running container:
 * every step is one component relative to a descriptor, no link is followed,
 * and nothing but a regular file is ever opened.
 * Source: docs/layer-streams.md; getdents64(2).
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "bytes.h"
#include "field.h"
#include "remove.h"
#include "stack.h"

#define PATH_LENGTH_MAX 4095u
#define DEPTH_MAX 2048u
#define XATTR_VALUE_MAX 65536u
#define XATTR_LIST_MAX 65536u
#define DATA_MAX (1024u * 1024u)
#define FRAME_HEADER_BYTES 8u

/* Room for the largest entry: its names, and attributes up to what is checked below. */
static uint8_t output[2u * DATA_MAX];
static size_t output_size;

struct level {
  size_t layer;   /* which directory of the merged ones is being read */
  int64_t offset; /* where in it */
  size_t path;    /* length of the path above */
};

struct walk {
  struct stack stack, below, merged;
  bool is_list;
  bool is_live; /* what a process sees: overlayfs' own traces are hidden, other file systems are in it */
  dev_t device; /* of the tree's root */
  uint64_t entries, bytes;
  const char *call;
  size_t depth;
  char path[PATH_LENGTH_MAX + 2];
  struct level levels[DEPTH_MAX];
};

/* ---- output ---------------------------------------------------------------- */

static int flush(void) {
  size_t done = 0;
  while (done < output_size) {
    ssize_t n = write(STDOUT_FILENO, output + done, output_size - done);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return errno;
    done += (size_t)n;
  }
  output_size = 0;
  return 0;
}

static void add(const void *bytes, size_t size) {
  memcpy(output + output_size, bytes, size);
  output_size += size;
}

static void add_u32(uint32_t value) { add(&value, 4); }
static void add_u64(uint64_t value) { add(&value, 8); }

static void add_text(const char *text, size_t length) {
  uint16_t size = (uint16_t)length;
  add(&size, 2);
  add(text, length);
  add("", 1);
}

/* Begins a frame; end_frame fills in its size. */
static size_t begin_frame(uint32_t kind) {
  size_t at = output_size;
  add_u32(0);
  add_u32(kind);
  return at;
}

static void end_frame(size_t at) { put_u32(output + at, (uint32_t)(output_size - at - FRAME_HEADER_BYTES)); }

/* ---- one entry -------------------------------------------------------------- */

/* A merged tree shows what overlayfs shows. */
static bool is_merged(const struct walk *walk) { return walk->is_live || walk->stack.count > 1; }

/* Appends the attributes of `name` in the current directory of the process. 0 or an errno. */
static int add_xattrs(struct walk *walk, const char *name) {
  static char list[XATTR_LIST_MAX], value[XATTR_VALUE_MAX];
  size_t count_at = output_size;
  uint32_t count = 0;
  add_u32(0);
  walk->call = "llistxattr";
  ssize_t size = llistxattr(name, list, sizeof list);
  if (size < 0)
    return errno == ENOTSUP || errno == ENOENT ? 0 : errno;
  for (const char *key = list; key < list + size; key += strlen(key) + 1) {
    if (is_merged(walk) && stack_is_private_xattr(key))
      continue;
    walk->call = "lgetxattr";
    ssize_t length = lgetxattr(name, key, value, sizeof value);
    if (length < 0 && (errno == ENODATA || errno == ENOENT))
      continue;
    if (length < 0)
      return errno;
    if (output_size + strlen(key) + (size_t)length + 64 > sizeof output)
      return E2BIG;
    add_text(key, strlen(key));
    add_u32((uint32_t)length);
    add(value, (size_t)length);
    count++;
  }
  put_u32(output + count_at, count);
  return 0;
}

/* The type and mode of the same path in the layers below; 0: they do not have it. */
static uint32_t mode_below(const struct walk *walk) {
  struct stack_entry entry;
  if (walk->below.count == 0 || stack_find(&walk->below, walk->path, &entry) != 0)
    return 0;
  close(entry.dir);
  return entry.st.st_mode;
}

static int emit(struct walk *walk, int dir, const char *name, const struct stat *st) {
  char target[PATH_LENGTH_MAX + 1];
  ssize_t target_size = 0;
  if (output_size > DATA_MAX / 2) {
    walk->call = "write";
    int error = flush();
    if (error != 0)
      return error;
  }
  if (S_ISLNK(st->st_mode)) {
    walk->call = "readlinkat";
    target_size = readlinkat(dir, name, target, sizeof target);
    if (target_size < 0)
      return errno;
  }
  walk->call = "fchdir";
  if (fchdir(dir) < 0)
    return errno;
  size_t at = begin_frame(WALK_ENTRY);
  add_u32(st->st_mode);
  add_u32(st->st_uid);
  add_u32(st->st_gid);
  add_u32((uint32_t)st->st_mtim.tv_nsec);
  add_u64((uint64_t)st->st_mtim.tv_sec);
  add_u64((uint64_t)st->st_size);
  add_u64(st->st_dev);
  add_u64(st->st_ino);
  add_u32((uint32_t)st->st_nlink);
  add_u32(major(st->st_rdev));
  add_u32(minor(st->st_rdev));
  add_u32(mode_below(walk));
  add_text(walk->path, strlen(walk->path));
  add_text(target, (size_t)target_size);
  int error = add_xattrs(walk, name);
  if (error == 0)
    end_frame(at);
  else
    output_size = at;
  return error;
}

/* ---- the tree --------------------------------------------------------------- */

/* A name that a directory above shows already, or hides. */
static bool is_hidden(const struct walk *walk, size_t layer, const char *name) {
  struct stat st;
  for (size_t i = 0; i < layer; i++) {
    if (fstatat(walk->merged.fds[i], name, &st, AT_SYMLINK_NOFOLLOW) == 0)
      return true;
  }
  return false;
}

static int enter(struct walk *walk) {
  stack_close(&walk->merged);
  walk->call = "openat";
  int error = stack_directories(&walk->stack, walk->path, &walk->merged);
  /* Removed since it was seen: it is empty. */
  return error == ENOENT || error == ENOTDIR ? 0 : error;
}

/* File systems that show the kernel: their files have no end, or do something when they are read. */
static const uint32_t kernel_views[] = {
  0x9fa0,     /* proc */
  0x62656572, /* sysfs */
  0x27e0eb,   /* cgroup */
  0x63677270, /* cgroup2 */
  0x1cd1,     /* devpts */
  0x19800202, /* mqueue */
  0x64626720, /* debugfs */
  0x74726163, /* tracefs */
  0x73636673, /* securityfs */
  0xcafe4a11, /* bpf */
};

/* A mount point in a live tree that is shown as an empty directory. */
static bool is_kernel_view(const struct walk *walk, int dir, const char *name, const struct stat *st) {
  struct statfs fs;
  if (!walk->is_live || st->st_dev == walk->device)
    return false;
  int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  bool found = fd >= 0 && fstatfs(fd, &fs) == 0;
  if (fd >= 0)
    close(fd);
  for (size_t i = 0; found && i < sizeof kernel_views / sizeof kernel_views[0]; i++) {
    if ((uint32_t)fs.f_type == kernel_views[i])
      return true;
  }
  return false;
}

/* Looks at one name. `*descend`: it is a directory, and walk->path names it. */
static int visit(struct walk *walk, size_t layer, const char *name, bool *descend) {
  struct stat st;
  size_t length = strlen(walk->path);
  *descend = false;
  walk->call = "openat";
  if (length + 1 + strlen(name) > PATH_LENGTH_MAX)
    return ENAMETOOLONG;
  if (is_hidden(walk, layer, name))
    return 0;
  if (fstatat(walk->merged.fds[layer], name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return errno == ENOENT ? 0 : errno;
  /* In a merged tree a whiteout is nothing; alone it is a change. */
  if (stack_is_whiteout(&st) && is_merged(walk))
    return 0;
  if (length > 0)
    walk->path[length++] = '/';
  memcpy(walk->path + length, name, strlen(name) + 1);
  walk->entries++;
  if (S_ISREG(st.st_mode))
    walk->bytes += (uint64_t)st.st_size / (uint64_t)(st.st_nlink == 0 ? 1 : st.st_nlink);
  int error = walk->is_list ? emit(walk, walk->merged.fds[layer], name, &st) : 0;
  if (error == 0 && S_ISDIR(st.st_mode) && !is_kernel_view(walk, walk->merged.fds[layer], name, &st))
    *descend = true;
  else
    walk->path[length > 0 && walk->path[length - 1] == '/' ? length - 1 : 0] = '\0';
  return error == ENOENT ? 0 : error;
}

struct dirent_head {
  uint64_t inode;
  int64_t next;
  uint16_t size;
  uint8_t type;
  char name[];
};

/* Reads on at the current level until a directory to descend into, or the end of the level. */
static int read_level(struct walk *walk, bool *descend) {
  static _Alignas(8) char buffer[32768];
  struct level *level = &walk->levels[walk->depth];
  *descend = false;
  for (; level->layer < walk->merged.count; level->layer++, level->offset = 0) {
    int dir = walk->merged.fds[level->layer];
    walk->call = "lseek";
    if (lseek(dir, level->offset, SEEK_SET) < 0)
      return errno;
    for (;;) {
      walk->call = "getdents64";
      long size = syscall(SYS_getdents64, dir, buffer, sizeof buffer);
      if (size < 0)
        return errno;
      if (size == 0)
        break;
      for (long at = 0; at < size;) {
        const struct dirent_head *entry = (const void *)(buffer + at);
        at += entry->size;
        level->offset = entry->next;
        if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0)
          continue;
        int error = visit(walk, level->layer, entry->name, descend);
        if (error != 0 || *descend)
          return error;
      }
    }
  }
  return 0;
}

static int walk_tree(struct walk *walk) {
  struct stat st;
  walk->call = "fstat";
  if (fstat(walk->stack.fds[0], &st) < 0)
    return errno;
  walk->device = st.st_dev;
  int error = walk->is_list ? emit(walk, walk->stack.fds[0], ".", &st) : 0;
  if (error == 0)
    error = enter(walk);
  while (error == 0) {
    bool descend;
    error = read_level(walk, &descend);
    if (error != 0)
      break;
    if (descend) {
      if (walk->depth + 1 == DEPTH_MAX)
        return ENAMETOOLONG;
      const char *slash = strrchr(walk->path, '/');
      size_t above = slash == NULL ? 0 : (size_t)(slash - walk->path);
      walk->levels[++walk->depth] = (struct level){ .path = above };
    } else {
      if (walk->depth == 0)
        break;
      walk->path[walk->levels[walk->depth--].path] = '\0';
    }
    error = enter(walk);
  }
  stack_close(&walk->merged);
  return error;
}

/* ---- content ---------------------------------------------------------------- */

/* Exactly `size` bytes of a file: what a file lacks is zeros, what it grew is left out. */
static int send_file(struct walk *walk, const char *path, uint64_t size) {
  struct stack_entry entry;
  walk->call = "openat";
  int error = stack_find(&walk->stack, path, &entry);
  int fd = error == 0 ? stack_open_file(&entry) : -1;
  if (error == 0)
    close(entry.dir);
  while (size > 0) {
    size_t wanted = size < DATA_MAX ? (size_t)size : DATA_MAX;
    error = flush();
    if (error != 0)
      break;
    size_t at = begin_frame(WALK_DATA);
    ssize_t n = fd < 0 ? 0 : read(fd, output + output_size, wanted);
    if (n < 0) {
      output_size = at;
      walk->call = "read";
      error = errno;
      break;
    }
    if (n == 0) {
      memset(output + output_size, 0, wanted);
      n = (ssize_t)wanted;
    }
    output_size += (size_t)n;
    size -= (uint64_t)n;
    end_frame(at);
  }
  if (fd >= 0)
    close(fd);
  return size > 0 ? error : flush();
}

/* 1: all read; 0: end of input before the first byte; -1: errno. */
static int read_input(void *bytes, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t n = read(STDIN_FILENO, (uint8_t *)bytes + done, size - done);
    if (n < 0 && errno == EINTR)
      continue;
    if (n == 0 && done == 0)
      return 0;
    if (n <= 0) {
      errno = n == 0 ? EPIPE : errno;
      return -1;
    }
    done += (size_t)n;
  }
  return 1;
}

/* Requests: u32 size of the rest, u64 bytes wanted, text path. */
static int serve(struct walk *walk) {
  static uint8_t request[PATH_LENGTH_MAX + 16];
  uint8_t head[4];
  for (;;) {
    walk->call = "read";
    int got = read_input(head, sizeof head);
    if (got <= 0)
      return got == 0 ? 0 : errno;
    struct fields fields = { .at = request, .left = get_u32(head) };
    if (fields.left > sizeof request)
      return EPROTO;
    if (read_input(request, fields.left) <= 0)
      return EPIPE;
    uint64_t size = field_u64(&fields);
    const char *path = field_text(&fields, PATH_LENGTH_MAX);
    if (fields.bad || fields.left != 0)
      return EPROTO;
    int error = send_file(walk, path, size);
    if (error != 0)
      return error;
  }
}

static int finish(struct walk *walk, int error) {
  if (error == EPIPE)
    return 1;
  size_t at = begin_frame(error == 0 ? WALK_END : WALK_FAILED);
  if (error == 0) {
    add_u64(walk->entries);
    add_u64(walk->bytes);
  } else {
    add_u32((uint32_t)error);
    add_text(walk->call, strlen(walk->call));
    add_text(walk->path, strlen(walk->path));
  }
  end_frame(at);
  return flush() != 0 || error != 0;
}

static struct walk live = { .call = "open", .is_list = true, .is_live = true };

int walk_live(int dir, const char *name, bool is_whole) {
  struct stat st;
  live.stack = (struct stack){ .fds = { dir }, .count = 1 };
  live.call = "fstatat";
  if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return walk_failed(live.call, errno);
  bool is_tree = strcmp(name, ".") == 0;
  if (!is_tree)
    memcpy(live.path, name, strlen(name) + 1); /* one component */
  int error = is_tree && is_whole ? walk_tree(&live) : emit(&live, dir, name, &st);
  if (finish(&live, error) != 0)
    return 1;
  return is_whole && (error = serve(&live)) != 0 ? finish(&live, error) : 0;
}

int walk_failed(const char *call, int error) {
  live.call = call;
  return finish(&live, error);
}

int walk_main(int argc, char **argv) {
  static struct walk walk = { .call = "open" };
  if (argc == 3 && strcmp(argv[1], "remove") == 0) {
    walk.call = "unlinkat";
    return finish(&walk, remove_tree(argv[2]));
  }
  if (argc < 4)
    return 2;
  size_t count = (size_t)strtoul(argv[2], NULL, 10);
  if (count == 0 || count > (size_t)argc - 3)
    return 2;
  (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  walk.is_list = strcmp(argv[1], "list") == 0;
  int error = stack_open(&walk.stack, argv + 3, count);
  if (error == 0)
    error = stack_open(&walk.below, argv + 3 + count, (size_t)argc - 3 - count);
  if (error == 0)
    error = walk_tree(&walk);
  if (finish(&walk, error) != 0)
    return 1;
  return walk.is_list && (error = serve(&walk)) != 0 ? finish(&walk, error) : 0;
}

/*
 * Trees once more. The source may be in use: every step is one component
 * relative to a descriptor, and no link that is found is followed.
 * Source: openat2(2), ioctl_ficlone(2), copy_file_range(2), lseek(2) SEEK_DATA.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include "duplicate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "copy.h"
#include "kernel.h"
#include "remove.h"
#include "run.h"
#include "stack.h"

#define DEPTH_MAX 2048u
#define PATH_LENGTH_MAX 4095u
#define LINKS_MAX (1u << 20)          /* a power of two */
#define LINK_PATHS_MAX (512u << 20)   /* bytes; touched as they are needed */
#define RESOLVE_OWN 0x0fu             /* NO_XDEV | NO_MAGICLINKS | NO_SYMLINKS | BENEATH */

/* A file with several names, and where its copy is. */
struct link {
  dev_t device;
  ino_t inode;
  size_t path; /* offset in `paths`; 0: the slot is empty */
};

struct level {
  int64_t offset; /* where in the directory */
  size_t path;    /* length of the path above */
};

struct duplicate {
  int from, to; /* the two trees */
  dev_t device; /* of the first */
  uint64_t count;
  const char *call;
  struct link *links;
  char *paths;
  size_t link_count, paths_size;
  size_t depth;
  char path[PATH_LENGTH_MAX + 2];
  struct level levels[DEPTH_MAX];
};

struct dirent_head {
  uint64_t inode;
  int64_t next;
  uint16_t size;
  uint8_t type;
  char name[];
};

int duplicate_answer(uint64_t count, int error, const char *call, const char *path) {
  char line[128 + PATH_LENGTH_MAX];
  int length = error == 0 ? snprintf(line, sizeof line, "ok %llu\n", (unsigned long long)count)
                          : snprintf(line, sizeof line, "failed 0 %d %s %s\n", error, call, path);
  return write_all(STDOUT_FILENO, line, (size_t)length) == 0 && error == 0 ? 0 : 1;
}

/* ---- content ---------------------------------------------------------------- */

static bool cannot_share(int error) {
  return error == EXDEV || error == EINVAL || error == EOPNOTSUPP || error == ENOSYS || error == EPERM || error == ETXTBSY;
}

/* Bytes from `at` to `end` by reading and writing; short when the file became shorter. */
static int copy_by_hand(int from, int to, off_t at, off_t end, const char **call) {
  static char buffer[256 * 1024];
  while (at < end) {
    size_t wanted = end - at < (off_t)sizeof buffer ? (size_t)(end - at) : sizeof buffer;
    ssize_t got = pread(from, buffer, wanted, at);
    *call = "pread";
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got < 0 ? errno : 0;
    *call = "pwrite";
    for (ssize_t done = 0; done < got;) {
      ssize_t put = pwrite(to, buffer + done, (size_t)(got - done), at + done);
      if (put < 0 && errno != EINTR) return errno;
      if (put > 0) done += put;
    }
    at += got;
  }
  return 0;
}

static int copy_extent(int from, int to, off_t at, off_t end, const char **call) {
  while (at < end) {
    off_t in = at, out = at;
    size_t wanted = end - at < (1 << 30) ? (size_t)(end - at) : (size_t)1 << 30;
    ssize_t got = copy_file_range(from, &in, to, &out, wanted, 0);
    *call = "copy_file_range";
    if (got < 0 && errno == EINTR) continue;
    /* 0: the end, or a file system that cannot say what it has. */
    if (got == 0 || (got < 0 && cannot_share(errno))) return copy_by_hand(from, to, at, end, call);
    if (got < 0) return errno;
    at += got;
  }
  return 0;
}

int duplicate_content(int from, int to, const char **call) {
  struct stat st;
  if (ioctl(to, FICLONE, from) == 0) return 0;
  *call = "fstat";
  if (fstat(from, &st) < 0) return errno;
  for (off_t at = 0; at < st.st_size;) {
    off_t data = lseek(from, at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;
    if (data < 0) data = at;
    off_t end = lseek(from, data, SEEK_HOLE);
    if (end <= data) end = st.st_size;
    int error = copy_extent(from, to, data, end, call);
    if (error != 0) return error;
    at = end;
  }
  *call = "ftruncate";
  return ftruncate(to, st.st_size) < 0 ? errno : 0;
}

/* ---- several names ---------------------------------------------------------- */

static int make_link_table(struct duplicate *copy) {
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  copy->call = "mmap";
  copy->links = mmap(NULL, LINKS_MAX * sizeof *copy->links, PROT_READ | PROT_WRITE, flags, -1, 0);
  copy->paths = mmap(NULL, LINK_PATHS_MAX, PROT_READ | PROT_WRITE, flags, -1, 0);
  copy->paths_size = 1;
  return copy->links == MAP_FAILED || copy->paths == MAP_FAILED ? errno : 0;
}

/* The slot of a file: its own, or the empty one where it belongs. */
static struct link *find_link(struct duplicate *copy, const struct stat *st) {
  uint64_t hash = ((uint64_t)st->st_ino ^ ((uint64_t)st->st_dev << 40)) * 0x9e3779b97f4a7c15u;
  for (size_t at = (size_t)(hash >> 44);; at = (at + 1) % LINKS_MAX) {
    struct link *link = &copy->links[at % LINKS_MAX];
    if (link->path == 0 || (link->device == st->st_dev && link->inode == st->st_ino)) return link;
  }
}

static int remember_link(struct duplicate *copy, struct link *link, const struct stat *st) {
  size_t size = strlen(copy->path) + 1;
  copy->call = "links";
  if (copy->link_count >= LINKS_MAX - LINKS_MAX / 8 || size > LINK_PATHS_MAX - copy->paths_size) return E2BIG;
  copy->link_count++;
  *link = (struct link){ .device = st->st_dev, .inode = st->st_ino, .path = copy->paths_size };
  memcpy(copy->paths + copy->paths_size, copy->path, size);
  copy->paths_size += size;
  return 0;
}

/* ---- the tree --------------------------------------------------------------- */

/* A directory of one of the trees; the empty path is its top. */
static int open_level(int root, const char *path) {
  return sys_openat2(root, path[0] == '\0' ? "." : path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0, RESOLVE_OWN);
}

static bool is_gone(int error) { return error == ENOENT || error == ENOTDIR || error == ELOOP || error == EXDEV; }

/* Anything but a directory. copy->path names it. */
static int copy_object(struct duplicate *copy, int from, int to, struct stack_entry *entry) {
  struct link *link = entry->st.st_nlink > 1 ? find_link(copy, &entry->st) : NULL;
  if (link != NULL && link->path != 0) {
    copy->call = "linkat";
    return linkat(copy->to, copy->paths + link->path, to, entry->name, 0) < 0 ? errno : 0;
  }
  entry->dir = from;
  int error = stack_copy(entry, to, entry->name, &copy->call);
  if (error == ENOENT) return 0; /* removed since it was seen */
  return error == 0 && link != NULL ? remember_link(copy, link, &entry->st) : error;
}

/* One name. `*descend`: it is a directory with something to copy in it. */
static int copy_name(struct duplicate *copy, int from, int to, const char *name, bool *descend) {
  struct stack_entry entry = { .is_plain = true };
  size_t length = strlen(copy->path);
  copy->call = "fstatat";
  if (length + 1 + strlen(name) > PATH_LENGTH_MAX) return ENAMETOOLONG;
  if (fstatat(from, name, &entry.st, AT_SYMLINK_NOFOLLOW) < 0) return errno == ENOENT ? 0 : errno;
  strncpy(entry.name, name, sizeof entry.name - 1);
  if (length > 0) copy->path[length++] = '/';
  memcpy(copy->path + length, name, strlen(name) + 1);
  copy->count++;
  int error = 0;
  if (S_ISDIR(entry.st.st_mode)) {
    copy->call = "mkdirat";
    error = mkdirat(to, name, 0700) < 0 ? errno : 0;
    *descend = error == 0 && entry.st.st_dev == copy->device;
    entry.dir = from;
    if (error == 0 && !*descend) error = stack_copy_attributes(&entry, to, name, -1, &copy->call);
  } else {
    error = copy_object(copy, from, to, &entry);
  }
  if (error == 0 && !*descend) copy->path[length > 0 ? length - 1 : 0] = '\0';
  return error;
}

/* Goes on in one directory until there is another to descend into, or its end. */
static int copy_level(struct duplicate *copy, int from, int to, bool *descend) {
  static _Alignas(8) char buffer[32768];
  struct level *level = &copy->levels[copy->depth];
  copy->call = "lseek";
  if (lseek(from, level->offset, SEEK_SET) < 0) return errno;
  for (;;) {
    copy->call = "getdents64";
    long size = syscall(SYS_getdents64, from, buffer, sizeof buffer);
    if (size <= 0) return size < 0 ? errno : 0;
    for (long at = 0; at < size;) {
      const struct dirent_head *entry = (const void *)(buffer + at);
      at += entry->size;
      level->offset = entry->next;
      if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0) continue;
      int error = copy_name(copy, from, to, entry->name, descend);
      if (error != 0 || *descend) return error;
    }
  }
}

/* The directory is done: it gets the attributes of the first, and its times stay. */
static int finish_level(struct duplicate *copy, int from, int to) {
  struct stack_entry entry = { .dir = from, .name = ".", .is_plain = true };
  copy->call = "fstat";
  return fstat(from, &entry.st) < 0 ? errno : stack_copy_attributes(&entry, to, ".", to, &copy->call);
}

/* One visit of a directory. `*more`: there is another directory to look at. */
static int visit_level(struct duplicate *copy, bool *more) {
  bool descend = false;
  copy->call = "openat2";
  AUTO_FD int from = open_level(copy->from, copy->path);
  if (from < 0 && (copy->depth == 0 || !is_gone(errno))) return errno;
  AUTO_FD int to = open_level(copy->to, copy->path);
  if (to < 0) return errno;
  int error = from < 0 ? 0 : copy_level(copy, from, to, &descend);
  if (error == 0 && !descend && from >= 0) error = finish_level(copy, from, to);
  if (error != 0) return error;
  if (descend) {
    const char *slash = strrchr(copy->path, '/');
    if (copy->depth + 1 == DEPTH_MAX) return ENAMETOOLONG;
    copy->levels[++copy->depth] = (struct level){ .path = slash == NULL ? 0 : (size_t)(slash - copy->path) };
    return 0;
  }
  *more = copy->depth > 0;
  if (*more) copy->path[copy->levels[copy->depth--].path] = '\0';
  return 0;
}

int duplicate_main(int argc, char **argv) {
  static struct duplicate copy = { .call = "root" };
  struct stat st;
  if (argc != 6) return 2;
  umask(0);
  (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  AUTO_FD int root = copy_root(argv + 1);
  if (root < 0) return duplicate_answer(0, -root, copy.call, "");
  copy.call = "path";
  copy.from = path_open(root, argv[4], O_RDONLY | O_DIRECTORY);
  if (copy.from < 0 || fstat(copy.from, &st) < 0) return duplicate_answer(0, errno, copy.call, argv[4]);
  copy.device = st.st_dev;
  copy.call = "target";
  copy.to = open(argv[5], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  int error = copy.to < 0 ? errno : make_link_table(&copy);
  for (bool more = true; error == 0 && more;) error = visit_level(&copy, &more);
  return duplicate_answer(copy.count, error, copy.call, copy.path);
}

/* ---- merging ---------------------------------------------------------------- */

static int merge(int from, int to, uint64_t *count, const char **call) {
  _Alignas(8) char buffer[8192];
  struct stack_entry entry = { .dir = from, .name = ".", .is_plain = true };
  for (;;) {
    *call = "getdents64";
    long size = syscall(SYS_getdents64, from, buffer, sizeof buffer);
    if (size < 0) return errno;
    if (size == 0) break;
    for (long at = 0; at < size;) {
      const struct dirent_head *each = (const void *)(buffer + at);
      at += each->size;
      if (strcmp(each->name, ".") == 0 || strcmp(each->name, "..") == 0) continue;
      *call = "renameat2";
      if (syscall(SYS_renameat2, from, each->name, to, each->name, 1u /* NOREPLACE */) == 0) ++*count;
      else if (errno != EEXIST) return errno;
    }
  }
  *call = "fstat";
  return fstat(from, &entry.st) < 0 ? errno : stack_copy_attributes(&entry, to, ".", to, call);
}

int merge_main(int argc, char **argv) {
  const char *call = "open";
  uint64_t count = 0;
  if (argc != 3) return 2;
  AUTO_FD int from = open(argv[1], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  AUTO_FD int to = open(argv[2], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  int error = from < 0 || to < 0 ? errno : merge(from, to, &count, &call);
  if (error == 0) {
    call = "unlinkat";
    error = remove_tree(argv[1]);
  }
  return duplicate_answer(count, error, call, "");
}

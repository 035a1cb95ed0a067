/*
 * Paths below a root that someone else may write: resolved once, by the
 * kernel, then used only by descriptor.
 *
 * Invariant: no component is looked up but by openat2(RESOLVE_IN_ROOT |
 * RESOLVE_NO_MAGICLINKS) or, when it was just made, in its parent's descriptor
 * without following it. Whoever renames things meanwhile can make this fail or
 * make it land elsewhere below the root, never outside.
 * Source: openat2(2).
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "run.h"

#define LINKS_MAX 40     /* as the kernel follows */
#define RENAME_TRIES 128 /* EAGAIN: something was renamed while ".." was resolved */

/* The path to make: bounded, rewritten when a link shows up in it. */
struct walk {
  char path[PATH_MAX];
  size_t at; /* start of the component that is being made */
};

int path_open(int root, const char *path, uint64_t flags) {
  int fd = -1;
  if (path[0] == '\0') path = ".";
  for (int tries = 0; tries < RENAME_TRIES; tries++) {
    fd = sys_openat2(root, path, flags | O_CLOEXEC, (flags & O_CREAT) != 0 ? 0600 : 0, K_RESOLVE_IN_ROOT | K_RESOLVE_NO_MAGICLINKS);
    if (fd >= 0 || errno != EAGAIN) break;
  }
  return fd;
}

int path_parent(int root, const char *path, const char **name) {
  char parent[PATH_MAX];
  const char *slash = strrchr(path, '/');
  size_t length = slash == NULL ? 0 : (size_t)(slash - path);
  if (length >= sizeof parent) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(parent, path, length);
  parent[length] = '\0';
  *name = slash == NULL ? path : slash + 1;
  if (**name == '\0' || strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0) {
    errno = EISDIR;
    return -1;
  }
  return path_open(root, parent, O_PATH | O_DIRECTORY);
}

/* Put the target of the link `fd` in the place of the component it stands for. */
static int follow_link(struct walk *walk, int fd, size_t next) {
  char target[PATH_MAX];
  ssize_t length = readlinkat(fd, "", target, sizeof target);
  if (length < 0) return -1;
  size_t before = target[0] == '/' ? 0 : walk->at;
  size_t rest = strlen(walk->path + next) + 1;
  if (before + (size_t)length + rest > sizeof walk->path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memmove(walk->path + before + length, walk->path + next, rest);
  memcpy(walk->path + before, target, (size_t)length);
  return 0;
}

/* Make `name` in `dir` unless it is there: its O_PATH descriptor, which may be a link's. */
static int make_component(int dir, const char *name, bool is_file, const struct creation *how, enum call *call) {
  *call = is_file ? CALL_MKNOD : CALL_MKDIR;
  bool is_new = (is_file ? mknodat(dir, name, S_IFREG | (how->mode & 0666), 0) : mkdirat(dir, name, how->mode)) == 0;
  if (!is_new && errno != EEXIST) return -1;
  *call = CALL_OPEN;
  AUTO_FD int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  struct stat st;
  if (fd < 0 || fstat(fd, &st) < 0) return -1;
  *call = CALL_FCHOWN;
  if (is_new && (is_file ? !S_ISREG(st.st_mode) : !S_ISDIR(st.st_mode))) {
    errno = EEXIST; /* exchanged since */
    return -1;
  }
  if (is_new && fchownat(fd, "", how->uid, how->gid, AT_EMPTY_PATH) < 0) return -1;
  return fd_take(&fd);
}

/* The deepest directory of the path that exists; walk->at is where the rest starts. */
static int open_existing(int root, struct walk *walk) {
  int dir;
  do {
    while (walk->at > 0 && walk->path[walk->at - 1] != '/') walk->at--;
    while (walk->at > 0 && walk->path[walk->at - 1] == '/') walk->at--;
    char cut = walk->path[walk->at];
    walk->path[walk->at] = '\0';
    dir = path_open(root, walk->path, O_PATH | O_DIRECTORY);
    walk->path[walk->at] = cut;
  } while (dir < 0 && errno == ENOENT && walk->at > 0);
  return dir;
}

/* Make what is missing. The last component's descriptor; -1 and errno; -2: met a link, the path is another now. */
static int create_missing(int root, struct walk *walk, const struct creation *how, enum call *call) {
  AUTO_FD int dir = open_existing(root, walk);
  if (dir < 0) return -1;
  for (;;) {
    while (walk->path[walk->at] == '/') walk->at++;
    size_t next = walk->at + strcspn(walk->path + walk->at, "/");
    if (next == walk->at) return fd_take(&dir);
    char name[NAME_MAX + 1];
    size_t length = next - walk->at;
    if (length > NAME_MAX) return errno = ENAMETOOLONG, -1;
    memcpy(name, walk->path + walk->at, length);
    name[length] = '\0';
    bool is_last = walk->path[next + strspn(walk->path + next, "/")] == '\0';
    if (strcmp(name, "..") == 0) return errno = ENOENT, -1;
    AUTO_FD int fd = strcmp(name, ".") == 0 ? fcntl(dir, F_DUPFD_CLOEXEC, 3)
                                            : make_component(dir, name, is_last && how->is_file, how, call);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) return -1;
    if (S_ISLNK(st.st_mode)) return follow_link(walk, fd, next) < 0 ? -1 : -2;
    if (!S_ISDIR(st.st_mode) && !(is_last && how->is_file)) return errno = ENOTDIR, -1;
    int parent = dir;
    dir = fd_take(&fd);
    close(parent);
    walk->at = next;
  }
}

int path_create(int root, const char *path, const struct creation *how, enum call *call) {
  struct walk walk;
  size_t length = strlen(path);
  if (length >= sizeof walk.path) return errno = ENAMETOOLONG, -1;
  memcpy(walk.path, path, length + 1);
  for (int links = 0; links <= LINKS_MAX; links++) {
    *call = CALL_OPENAT2;
    int fd = path_open(root, walk.path, how->is_file ? O_PATH : O_PATH | O_DIRECTORY);
    if (fd >= 0 || errno != ENOENT) return fd;
    walk.at = strlen(walk.path);
    while (walk.at > 0 && walk.path[walk.at - 1] == '/') walk.at--;
    fd = create_missing(root, &walk, how, call);
    if (fd != -2) return fd;
  }
  return errno = ELOOP, -1;
}

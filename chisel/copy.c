/*
 * The way to files of a container: the root that a process sees, and a path in
 * it. The root is another's to change at any moment: the path is resolved once,
 * by the kernel, inside it; below that every step is one component relative to
 * a descriptor (walk.c reads, unpack.c writes).
 * Source: openat2(2) RESOLVE_IN_ROOT, proc(5) /proc/PID/root.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include "copy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "bytes.h"
#include "chisel.h"
#include "kernel.h"
#include "run.h"
#include "walk.h"

enum { PID, TICKS, BELOW, PATH, COUNT };

int copy_root(char *const *arguments) {
  char path[64 + PATH_MAX];
  uint64_t ticks = 0;
  pid_t pid = (pid_t)strtol(arguments[PID], NULL, 10);
  if (strlen(arguments[BELOW]) >= PATH_MAX) return -ENAMETOOLONG;
  char *end = put_text(put_decimal(put_text(path, "/proc/"), (uint64_t)pid), "/root");
  *put_text(end, arguments[BELOW]) = '\0';
  AUTO_FD int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return errno == ENOENT ? -ESRCH : -errno;
  /* Who has this pid and this start time now had both when the root was opened. */
  int err = start_ticks_of(pid, &ticks);
  if (err < 0) return err;
  return ticks == strtoull(arguments[TICKS], NULL, 10) ? fd_take(&root) : -ESRCH;
}

/* A path that ends in `/` or `/.` is what is there behind links; of any other the last component is not followed. */
static bool names_directory(const char *path) {
  size_t length = strlen(path);
  return length == 0 || path[length - 1] == '/' || (length > 1 && strcmp(path + length - 2, "/.") == 0);
}

/* The directory to look at, or that holds the last component, which `name` is then. -1 and errno. */
static int open_place(int root, const char *path, const char **name) {
  *name = ".";
  AUTO_FD int dir = names_directory(path) ? path_open(root, path, O_PATH | O_DIRECTORY) : path_parent(root, path, name);
  if (dir < 0) return -1;
  int inner = openat(dir, *name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  bool is_other = inner < 0 && (errno == ENOTDIR || errno == ELOOP);
  if (!is_other) *name = ".";
  return is_other ? openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : inner;
}

/* Where `path` leads, as its mount namespace shows it; nothing when it leads nowhere. */
static int resolve(int root, const char *path) {
  char link[64], target[PATH_MAX];
  AUTO_FD int fd = path_open(root, path, O_PATH);
  if (fd < 0) return 0;
  *put_decimal(put_text(link, "/proc/self/fd/"), (uint64_t)fd) = '\0';
  ssize_t length = readlink(link, target, sizeof target);
  return length > 0 && write_all(STDOUT_FILENO, target, (size_t)length) == 0 ? 0 : 1;
}

int copy_main(int argc, char **argv) {
  const char *verb = argc > 1 ? argv[1] : "";
  if (strcmp(verb, "in") == 0 && argc == 2 + COUNT + 1) return unpack_into(argv + 2);
  if (argc != 2 + COUNT) return 2;
  (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  const char *path = argv[2 + PATH], *name;
  AUTO_FD int root = copy_root(argv + 2);
  if (strcmp(verb, "resolve") == 0) return root < 0 ? 1 : resolve(root, path);
  if (root < 0) return walk_failed("root", -root);
  int dir = open_place(root, path, &name);
  return dir < 0 ? walk_failed("path", errno) : walk_live(dir, name, strcmp(verb, "list") == 0);
}

int hold_main(int argc, char **argv) {
  uint64_t ticks = 0;
  if (argc != 3) return 2;
  pid_t pid = (pid_t)strtol(argv[1], NULL, 10);
  AUTO_FD int process = sys_pidfd_open(pid);
  if (process < 0 || start_ticks_of(pid, &ticks) < 0 || ticks != strtoull(argv[2], NULL, 10)) return 1;
  struct pollfd gone = { .fd = process, .events = POLLIN };
  while (poll(&gone, 1, -1) < 0 && errno == EINTR) {}
  return 0;
}

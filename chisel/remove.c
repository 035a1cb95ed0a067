/*
 * See remove.h. A directory in a directory is first moved up to the top of the
 * tree under a number: so every directory is emptied at depth one, with one
 * rename each, and a tree of a million levels costs no more than a flat one.
 * Source: unlinkat(2), renameat2(2) (RENAME_NOREPLACE).
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include "remove.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOREPLACE 1u

struct removal {
  int top;
  uint64_t number; /* of the next directory that is moved up */
};

struct dirent_head {
  uint64_t inode;
  int64_t next;
  uint16_t size;
  uint8_t type;
  char name[];
};

static bool is_dots(const char *name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

/* Moves the directory `name` of `dir` to the top. 0 or an errno. */
static int move_up(struct removal *removal, int dir, const char *name) {
  char free_name[32];
  for (;;) {
    snprintf(free_name, sizeof free_name, "%llx", (unsigned long long)removal->number++);
    if (syscall(SYS_renameat2, dir, name, removal->top, free_name, NOREPLACE) == 0)
      return 0;
    if (errno != EEXIST)
      return errno;
  }
}

/* Removes one name that is no directory, or an empty one. 0, ENOTEMPTY or another errno. */
static int remove_name(int dir, const char *name) {
  if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
    return 0;
  if (errno != EISDIR && errno != EPERM)
    return errno;
  int error = errno;
  if (unlinkat(dir, name, AT_REMOVEDIR) == 0)
    return 0;
  return errno == ENOTDIR ? error : errno;
}

/* Empties an open directory: what is in it is removed or moved up. 0 or an errno. */
static int empty(struct removal *removal, int dir) {
  _Alignas(8) char buffer[8192];
  for (;;) {
    /* From the start each time: names vanish under the reader. */
    if (lseek(dir, 0, SEEK_SET) < 0)
      return errno;
    long size = syscall(SYS_getdents64, dir, buffer, sizeof buffer);
    if (size < 0)
      return errno;
    bool found = false;
    for (long at = 0; at < size;) {
      const struct dirent_head *entry = (const void *)(buffer + at);
      at += entry->size;
      if (is_dots(entry->name))
        continue;
      found = true;
      int error = remove_name(dir, entry->name);
      if (error == ENOTEMPTY || error == EEXIST)
        error = move_up(removal, dir, entry->name);
      if (error != 0)
        return error;
    }
    if (!found)
      return 0;
  }
}

/* Empties and removes one directory of the top. 0 or an errno. */
static int remove_at_top(struct removal *removal, const char *name) {
  int error = remove_name(removal->top, name);
  if (error != ENOTEMPTY && error != EEXIST)
    return error;
  int dir = openat(removal->top, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (dir < 0)
    return errno == ENOENT ? 0 : errno;
  error = empty(removal, dir);
  close(dir);
  return error != 0 ? error : remove_name(removal->top, name);
}

int remove_tree(const char *path) {
  _Alignas(8) char buffer[8192];
  struct removal removal = { .top = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) };
  int error = removal.top < 0 ? errno : 0;
  for (bool found = true; error == 0 && found;) {
    found = false;
    long size = lseek(removal.top, 0, SEEK_SET) < 0 ? -1 : syscall(SYS_getdents64, removal.top, buffer, sizeof buffer);
    if (size < 0)
      error = errno;
    for (long at = 0; error == 0 && at < size;) {
      const struct dirent_head *entry = (const void *)(buffer + at);
      at += entry->size;
      if (is_dots(entry->name))
        continue;
      found = true;
      error = remove_at_top(&removal, entry->name);
    }
  }
  if (removal.top >= 0)
    close(removal.top);
  if (error == 0 && rmdir(path) < 0)
    error = errno;
  return error;
}

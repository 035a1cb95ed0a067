/* See stack.h. Layers are immutable and carve's own: what is looked up does not change meanwhile. */
#define _GNU_SOURCE
#include "stack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "duplicate.h"

#define XATTR_VALUE_MAX 65536
#define XATTR_LIST_SIZE 65536

int stack_open(struct stack *stack, char *const *paths, size_t count) {
  stack->count = 0;
  if (count > STACK_MAX)
    return E2BIG;
  for (size_t i = 0; i < count; i++) {
    int fd = open(paths[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
      return errno;
    stack->fds[stack->count++] = fd;
  }
  return 0;
}

bool stack_is_whiteout(const struct stat *st) {
  return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

bool stack_is_opaque(int dir) {
  char value = 0;
  if (fgetxattr(dir, "trusted.overlay.opaque", &value, 1) == 1 && value == 'y')
    return true;
  return fgetxattr(dir, "user.overlay.opaque", &value, 1) == 1 && value == 'y';
}

bool stack_is_private_xattr(const char *name) {
  return strncmp(name, "trusted.overlay.", 16) == 0 || strncmp(name, "user.overlay.", 13) == 0;
}

/* The next component of `*path` into `name`; false at the end or when it is not a plain name. */
static bool next_component(const char **path, char name[256], int *error) {
  size_t length = strcspn(*path, "/");
  *error = 0;
  if (length == 0)
    return false;
  if (length > 255 || (length <= 2 && strncmp(*path, "..", length) == 0)) {
    *error = EINVAL;
    return false;
  }
  memcpy(name, *path, length);
  name[length] = '\0';
  *path += length;
  if (**path == '/')
    (*path)++;
  return true;
}

enum found { FOUND, NOT_HERE, HIDDEN, FAILED };

/* Looks in one layer. NOT_HERE: a lower layer may have it. HIDDEN: none below can show it. */
static enum found find_in_layer(int layer, const char *path, struct stack_entry *entry, int *error) {
  bool opaque = false;
  int dir = fcntl(layer, F_DUPFD_CLOEXEC, 0);
  if (dir < 0) {
    *error = errno;
    return FAILED;
  }
  while (next_component(&path, entry->name, error)) {
    opaque = opaque || stack_is_opaque(dir);
    if (fstatat(dir, entry->name, &entry->st, AT_SYMLINK_NOFOLLOW) < 0) {
      *error = errno;
      close(dir);
      return *error == ENOENT ? (opaque ? HIDDEN : NOT_HERE) : FAILED;
    }
    if (stack_is_whiteout(&entry->st) || (*path != '\0' && !S_ISDIR(entry->st.st_mode))) {
      *error = *path == '\0' ? ENOENT : ENOTDIR;
      close(dir);
      return HIDDEN;
    }
    if (*path == '\0') {
      entry->dir = dir;
      return FOUND;
    }
    int child = openat(dir, entry->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    *error = errno;
    close(dir);
    if (child < 0)
      return FAILED;
    dir = child;
  }
  close(dir);
  if (*error == 0)
    *error = EINVAL;
  return FAILED;
}

/* The root shows what the topmost layer says of it. */
static int find_root(const struct stack *stack, struct stack_entry *entry) {
  if (stack->count == 0)
    return ENOENT;
  memcpy(entry->name, ".", 2);
  if (fstat(stack->fds[0], &entry->st) < 0)
    return errno;
  entry->dir = fcntl(stack->fds[0], F_DUPFD_CLOEXEC, 0);
  return entry->dir < 0 ? errno : 0;
}

int stack_find(const struct stack *stack, const char *path, struct stack_entry *entry) {
  if (path[0] == '\0')
    return find_root(stack, entry);
  entry->is_plain = false;
  for (size_t i = 0; i < stack->count; i++) {
    int error = 0;
    switch (find_in_layer(stack->fds[i], path, entry, &error)) {
    case FOUND:
      return 0;
    case NOT_HERE:
      break;
    case HIDDEN:
    case FAILED:
      return error;
    }
  }
  return ENOENT;
}

void stack_close(struct stack *stack) {
  while (stack->count > 0)
    close(stack->fds[--stack->count]);
}

/* One step down: of every directory in `from` the child `name`, as long as nothing above hides it. */
static int step_down(struct stack *from, const char *name, struct stack *to) {
  to->count = 0;
  for (size_t i = 0; i < from->count; i++) {
    struct stat st;
    if (fstatat(from->fds[i], name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
      if (errno == ENOENT)
        continue;
      return errno;
    }
    if (!S_ISDIR(st.st_mode))
      break;
    int child = openat(from->fds[i], name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    /* It may have been replaced meanwhile: then it is no directory that shows here. */
    if (child < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
      break;
    if (child < 0)
      return errno;
    to->fds[to->count++] = child;
    if (stack_is_opaque(child))
      break;
  }
  return to->count == 0 ? ENOENT : 0;
}

int stack_directories(const struct stack *stack, const char *path, struct stack *merged) {
  static struct stack other;
  struct stack *from = merged, *to = &other;
  char name[256];
  int error = 0;
  merged->count = other.count = 0;
  for (size_t i = 0; i < stack->count; i++) {
    int copy = fcntl(stack->fds[i], F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
      return errno;
    merged->fds[merged->count++] = copy;
  }
  while (error == 0 && next_component(&path, name, &error)) {
    error = step_down(from, name, to);
    stack_close(from);
    struct stack *swap = from;
    from = to;
    to = swap;
  }
  if (error != 0)
    stack_close(from);
  else if (from != merged)
    *merged = *from;
  return error;
}

int stack_open_file(const struct stack_entry *entry) {
  char name[32] = "/proc/self/fd/";
  struct stat st;
  int place = openat(entry->dir, entry->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (place < 0)
    return -1;
  /* A name may be a device by now, whose open has effects: only what was looked at is opened. */
  int fd = -1;
  if (fstat(place, &st) == 0) {
    errno = ENOENT;
    if (S_ISREG(st.st_mode)) {
      char digits[12];
      size_t at = sizeof digits;
      for (unsigned value = (unsigned)place; at == sizeof digits || value > 0; value /= 10)
        digits[--at] = (char)('0' + value % 10);
      memcpy(name + 14, digits + at, sizeof digits - at);
      fd = open(name, O_RDONLY | O_CLOEXEC);
    }
  }
  int error = errno;
  close(place);
  errno = error;
  return fd;
}

/* lgetxattr and lsetxattr see a bare name in the current directory only. */
static int copy_one_xattr(int from, const char *from_name, int to, const char *to_name, int fd, const char *key) {
  static char value[XATTR_VALUE_MAX];
  if (fchdir(from) < 0)
    return errno;
  ssize_t size = lgetxattr(from_name, key, value, sizeof(value));
  if (size < 0)
    return errno;
  if (fd >= 0)
    return fsetxattr(fd, key, value, (size_t)size, 0) < 0 ? errno : 0;
  if (fchdir(to) < 0)
    return errno;
  return lsetxattr(to_name, key, value, (size_t)size, 0) < 0 ? errno : 0;
}

static int copy_xattrs(const struct stack_entry *entry, int dir, const char *name, int fd) {
  static char list[XATTR_LIST_SIZE];
  if (fchdir(entry->dir) < 0)
    return errno;
  ssize_t size = llistxattr(entry->name, list, sizeof(list));
  if (size < 0)
    return errno == ENOTSUP ? 0 : errno;
  for (const char *key = list; key < list + size; key += strlen(key) + 1) {
    if (!entry->is_plain && stack_is_private_xattr(key))
      continue;
    int error = copy_one_xattr(entry->dir, entry->name, dir, name, fd, key);
    if (error != 0 && !(entry->is_plain && (error == ENOTSUP || error == ENODATA)))
      return error;
  }
  return 0;
}

int stack_copy_attributes(const struct stack_entry *entry, int dir, const char *name, int fd, const char **call) {
  const struct timespec times[2] = { entry->st.st_mtim, entry->st.st_mtim };
  bool is_link = S_ISLNK(entry->st.st_mode);
  *call = "fchownat";
  if (fd >= 0 ? fchown(fd, entry->st.st_uid, entry->st.st_gid) < 0
        : fchownat(dir, name, entry->st.st_uid, entry->st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
    return errno;
  *call = "fchmodat";
  if (!is_link && (fd >= 0 ? fchmod(fd, entry->st.st_mode & 07777) < 0
         : fchmodat(dir, name, entry->st.st_mode & 07777, 0) < 0))
    return errno;
  *call = "setxattr";
  int error = copy_xattrs(entry, dir, name, fd);
  if (error != 0)
    return error;
  *call = "utimensat";
  if (fd >= 0 ? futimens(fd, times) < 0 : utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
    return errno;
  return 0;
}

static int copy_file(const struct stack_entry *entry, int dir, const char *name, const char **call) {
  *call = "openat";
  int from = stack_open_file(entry);
  if (from < 0)
    return errno;
  int to = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  int error = to < 0 ? errno : duplicate_content(from, to, call);
  if (error == 0)
    error = stack_copy_attributes(entry, dir, name, to, call);
  close(from);
  if (to >= 0 && close(to) < 0 && error == 0) {
    *call = "close";
    error = errno;
  }
  return error;
}

int stack_copy(const struct stack_entry *entry, int dir, const char *name, const char **call) {
  char target[PATH_MAX];
  if (S_ISREG(entry->st.st_mode))
    return copy_file(entry, dir, name, call);
  if (S_ISLNK(entry->st.st_mode)) {
    *call = "readlinkat";
    ssize_t size = readlinkat(entry->dir, entry->name, target, sizeof(target) - 1);
    if (size < 0)
      return errno;
    target[size] = '\0';
    *call = "symlinkat";
    if (symlinkat(target, dir, name) < 0)
      return errno;
  } else {
    *call = "mknodat";
    if (S_ISDIR(entry->st.st_mode))
      return EPERM;
    if (mknodat(dir, name, (entry->st.st_mode & S_IFMT) | 0600, entry->st.st_rdev) < 0)
      return errno;
  }
  return stack_copy_attributes(entry, dir, name, -1, call);
}

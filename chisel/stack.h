/*
 * A stack of unpacked layers, looked at as overlayfs would show it, without
 * mounting it. Everything is relative to directory descriptors; no link found
 * on disk is followed.
 * Source: Documentation/filesystems/overlayfs.rst (whiteouts, opaque directories).
 */
#ifndef CARVE_STACK_H
#define CARVE_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#define STACK_MAX 500

struct stack {
  int fds[STACK_MAX]; /* top first */
  size_t count;
};

/* An object of the merged view: entry `name` of directory `dir` (owned; close it). */
struct stack_entry {
  int dir;
  char name[256];
  struct stat st;
  bool is_plain; /* not of an overlay: all of its attributes are its own; what the target cannot have is left out */
};

/* Opens the directories `paths` (host paths, top first). 0 or an errno. */
int stack_open(struct stack *stack, char *const *paths, size_t count);

/* Finds `path` (relative, no "." or ".."). 0, ENOENT, ENOTDIR or another errno. */
int stack_find(const struct stack *stack, const char *path, struct stack_entry *entry);

/*
 * Opens every directory of the stack that shows at `path` ("" is the root), top
 * first, into `merged`; stack_close frees them. 0 or an errno; none is ENOENT.
 */
int stack_directories(const struct stack *stack, const char *path, struct stack *merged);
void stack_close(struct stack *stack);

/* Opens a regular file for reading without ever opening anything else. The descriptor, or -1 and errno. */
int stack_open_file(const struct stack_entry *entry);

/* True for overlayfs' whiteout: a character device 0:0. */
bool stack_is_whiteout(const struct stat *st);

/* True when the open directory hides what is below it in lower layers. */
bool stack_is_opaque(int dir);

/* True for attributes that belong to overlayfs itself and are never copied. */
bool stack_is_private_xattr(const char *name);

/*
 * Copies owner, mode, times and extended attributes from `entry` to `name` in
 * `dir`; an open `fd` of the target is used where there is one (else -1).
 * 0 or an errno; `call` then names the failing call.
 */
int stack_copy_attributes(const struct stack_entry *entry, int dir, const char *name, int fd, const char **call);

/* Creates `name` in `dir` as a copy of `entry` (anything but a directory) with its attributes. 0 or an errno. */
int stack_copy(const struct stack_entry *entry, int dir, const char *name, const char **call);

#endif

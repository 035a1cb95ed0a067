/*
 * libFuzzer target: any bytes as the operations of `chisel unpack`, in a fresh
 * directory of FUZZ_DIR (default: the current one) over a layer below. Whatever
 * they say, nothing beside the directory changes; ASan and UBSan watch the rest.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint8_t *bytes_left;
static size_t size_left;

/* In place of stdin. */
static ssize_t read_bytes(int fd, void *to, size_t size) {
  size_t taken = size < size_left ? size : size_left;
  (void)fd;
  memcpy(to, bytes_left, taken);
  bytes_left += taken;
  size_left -= taken;
  return (ssize_t)taken;
}

#define read read_bytes
#include "../unpack.c"
#undef read

#include "../remove.h"

#define PLACES 4
static const char *const places[PLACES] = { "below", "below/file", "canary", "canary/file" };
static struct stat before[PLACES];

static void must(bool holds) {
  if (holds)
    return;
  perror("fuzz/unpack");
  __builtin_trap();
}

static void put_file(const char *path) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0640);
  must(fd >= 0 && write(fd, "content", 7) == 7 && close(fd) == 0);
}

static void prepare(void) {
  static bool is_prepared;
  if (is_prepared)
    return;
  is_prepared = true;
  const char *folder = getenv("FUZZ_DIR");
  must(folder == NULL || chdir(folder) == 0);
  must(mkdir("canary", 0700) == 0 || errno == EEXIST);
  must(mkdir("below", 0750) == 0 || errno == EEXIST);
  must(mkdir("below/dir", 0711) == 0 || errno == EEXIST);
  put_file("below/file");
  put_file("below/dir/file");
  put_file("canary/file");
  (void)symlink("../canary/file", "below/link");
  for (int i = 0; i < PLACES; i++)
    must(stat(places[i], &before[i]) == 0);
  umask(0);
}

static void check_places(void) {
  for (int i = 0; i < PLACES; i++) {
    struct stat now;
    must(stat(places[i], &now) == 0);
    must(now.st_ino == before[i].st_ino && now.st_mode == before[i].st_mode && now.st_nlink == before[i].st_nlink);
    must(now.st_ctim.tv_sec == before[i].st_ctim.tv_sec && now.st_ctim.tv_nsec == before[i].st_ctim.tv_nsec);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static const struct unpack fresh = { .file = -1, .dir = -1, .call = "", .name = "" };
  static struct unpack unpack;
  static char below[] = "below";
  char *lower[] = { below, NULL };
  uint32_t flags = 0;
  prepare();
  /* The code under test goes to other directories on its way. */
  int home = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  must(home >= 0 && mkdir("run", 0700) == 0);
  unpack = fresh;
  unpack.root = open("run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  unpack.dir = fcntl(unpack.root, F_DUPFD_CLOEXEC, 0);
  must(unpack.dir >= 0 && stack_open(&unpack.stack, lower, 1) == 0);
  size_t opened = unpack.stack.count;
  input_start = input_end = 0;
  bytes_left = bytes;
  size_left = size;
  int error = run_stream(&unpack, &flags);
  must(error >= 0 && unpack.call != NULL && unpack.name != NULL);
  unpack.stack.count = opened;
  stack_close(&unpack.stack);
  close(unpack.root);
  close(unpack.dir);
  if (unpack.file >= 0)
    close(unpack.file);
  must(fchdir(home) == 0 && close(home) == 0 && remove_tree("run") == 0);
  check_places();
  return 0;
}

/*
 * chisel COMMAND: the mechanism below carve's TypeScript. Takes no decision,
 * reads no environment, and runs only from a sealed copy of itself, so that no
 * container can reach the file it came from.
 * Source: memfd_create(2), execveat(2).
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "chisel.h"
#include "copy.h"
#include "duplicate.h"
#include "kernel.h"

#define CHISEL_VERSION "chisel 1\n"

#ifdef __SANITIZE_ADDRESS__
/* Looking for leaks needs ptrace, which a host that cannot be traced forbids; and there is no heap here. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; }
#endif

/* 0, 1, 2 are open and nothing else is; no signal state is inherited. */
static void start_clean(void) {
  sigset_t none;
  sigemptyset(&none);
  for (int number = 1; number < _NSIG; number++) signal(number, SIG_DFL);
  signal(SIGPIPE, SIG_IGN);
  sigprocmask(SIG_SETMASK, &none, NULL);
  int fd;
  do fd = open("/dev/null", O_RDWR); while (fd >= 0 && fd <= 2);
  /* A filter that does not know the call: what we were given stays open here, but never in a program (close-fds). */
  if (sys_close_range(3, ~0u, 0) < 0 && fd > 2) close(fd);
}

/* A sealed copy of `file`; -1 and errno. */
static int seal_copy(int file) {
  struct stat st;
  if (fstat(file, &st) < 0) return -1;
  AUTO_FD int copy = (int)syscall(SYS_memfd_create, "chisel", K_MFD_CLOEXEC | K_MFD_ALLOW_SEALING | K_MFD_EXEC);
  bool knows_exec = copy >= 0;
  if (copy < 0) copy = (int)syscall(SYS_memfd_create, "chisel", K_MFD_CLOEXEC | K_MFD_ALLOW_SEALING);
  if (copy < 0) return -1;
  for (off_t left = st.st_size; left > 0;) {
    ssize_t put = sendfile(copy, file, NULL, (size_t)left);
    if (put <= 0) return -1;
    left -= put;
  }
  if (fcntl(copy, K_F_ADD_SEALS, K_SEALS_ALWAYS | (knows_exec ? K_SEAL_EXEC : 0)) < 0) return -1;
  return fd_take(&copy);
}

/* Returns when this process runs from a sealed copy; 0 or -errno. */
static int run_sealed(char **argv) {
  char *const no_environment[] = { NULL };
  AUTO_FD int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (self < 0) return -errno;
  int seals = fcntl(self, K_F_GET_SEALS);
  if (seals >= 0 && (seals & (int)K_SEALS_ALWAYS) == (int)K_SEALS_ALWAYS) return 0;
  AUTO_FD int copy = seal_copy(self);
  if (copy < 0) return -errno;
  syscall(SYS_execveat, copy, "", argv, no_environment, K_AT_EMPTY_PATH);
  return -errno;
}

/* `chisel check`: is stdin a plan? One line; for tests of the decoder. */
static int check_main(void) {
  static uint8_t bytes[PLAN_MAX_BYTES];
  static struct plan plan;
  struct report report;
  char line[64];
  ssize_t size = read_whole(STDIN_FILENO, bytes, sizeof bytes);
  if (size < 0) {
    complain("chisel check", "cannot read a plan from stdin", (int)-size);
    return 1;
  }
  int err = plan_decode(bytes, (size_t)size, &plan, &report);
  char *at = put_text(line, err == 0 ? "ok " : "refused ");
  at = put_decimal(at, err == 0 ? plan.count : report.index);
  if (err != 0) at = put_decimal(put_text(at, " "), (uint64_t)report.err);
  at = put_text(at, "\n");
  return write_all(STDOUT_FILENO, line, (size_t)(at - line)) == 0 && err == 0 ? 0 : 1;
}

/* walk.c is not in every build. */
#pragma weak walk_main

static int dispatch(int argc, char **argv) {
  const char *command = argc > 1 ? argv[1] : "";
  if (strcmp(command, "host") == 0 && argc == 2) return host_main();
  if (strcmp(command, "keep") == 0 && argc <= 3) return keep_main(argc == 3);
  if (strcmp(command, "check") == 0 && argc == 2) return check_main();
  if (strcmp(command, "unpack") == 0) return unpack_main(argc - 1, argv + 1);
  if (strcmp(command, "walk") == 0 && walk_main != NULL) return walk_main(argc - 1, argv + 1);
  if (strcmp(command, "copy") == 0) return copy_main(argc - 1, argv + 1);
  if (strcmp(command, "hold") == 0) return hold_main(argc - 1, argv + 1);
  if (strcmp(command, "duplicate") == 0) return duplicate_main(argc - 1, argv + 1);
  if (strcmp(command, "merge") == 0) return merge_main(argc - 1, argv + 1);
  if (strcmp(command, "quota") == 0) return quota_main(argc - 1, argv + 1);
  if (strcmp(command, "version") == 0) return write_all(STDOUT_FILENO, CHISEL_VERSION, strlen(CHISEL_VERSION)) == 0 ? 0 : 1;
  complain("chisel", "usage: chisel host | keep [NAME] | unpack DIR [LOWER...] | walk ... | copy ... | duplicate ... | merge FROM TO | quota DIR ID BYTES | hold PID TICKS | check | version", 0);
  return 2;
}

int main(int argc, char **argv) {
  start_clean();
  int err = run_sealed(argv);
  if (err < 0) {
    complain("chisel", "cannot run from a sealed copy in memory (it needs /proc, and vm.memfd_noexec below 2)", -err);
    return 1;
  }
  prctl(PR_SET_NAME, "chisel", 0, 0, 0);
  /* Buffers are large and seldom full: where huge pages come unasked a touch of one would cost each monitor megabytes. Forks inherit it. */
  extern char __bss_start[], _end[];
  madvise((void *)(((uintptr_t)__bss_start + 65535) & ~(uintptr_t)65535), (size_t)(_end - __bss_start), MADV_NOHUGEPAGE);
  return dispatch(argc, argv);
}

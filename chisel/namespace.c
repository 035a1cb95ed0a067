/*
 * Namespaces and the processes that hold them.
 * Source: namespaces(7), user_namespaces(7), pidfd_open(2), proc(5).
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "run.h"

#define STAT_MAX 1024u /* /proc/PID/stat: 52 numbers and a name of 64 bytes at most */

int op_unshare(struct run *run, const struct op *op) {
  return syscall(SYS_unshare, op_u64(op, F_UNSHARE_FLAGS)) < 0 ? run_failed(run, CALL_UNSHARE) : 0;
}

int op_setns(struct run *run, const struct op *op) {
  int fd = run_slot(run, op, F_SETNS_SLOT);
  return setns(fd, (int)op_u64(op, F_SETNS_FLAGS)) < 0 ? run_failed(run, CALL_SETNS) : 0;
}

/* "/proc/PID/NAME" of a process; at most 31 bytes of name. */
static int open_of_process(pid_t pid, const char *name, int flags) {
  char path[64];
  char *end = put_decimal(put_text(path, "/proc/"), (uint64_t)pid);
  *put_text(put_text(end, "/"), name) = '\0';
  return open(path, flags | O_CLOEXEC);
}

int start_ticks_of(pid_t pid, uint64_t *out) {
  char text[STAT_MAX];
  AUTO_FD int file = open_of_process(pid, "stat", O_RDONLY);
  if (file < 0) return errno == ENOENT ? -ESRCH : -errno;
  ssize_t length = read_whole(file, text, sizeof text - 1);
  if (length < 0) return (int)length;
  text[length] = '\0';
  /* The name of field 2 may hold anything; the numbers start after its last parenthesis. */
  const char *at = strrchr(text, ')');
  for (int field = 2; field < 22 && at != NULL; field++) at = strchr(at + 1, ' ');
  if (at == NULL) return -EPROTO;
  *out = 0;
  for (at++; *at >= '0' && *at <= '9'; at++) *out = *out * 10 + (uint64_t)(*at - '0');
  return 0;
}

int op_pidfd(struct run *run, const struct op *op) {
  pid_t pid = (pid_t)op_u32(op, F_PIDFD_PID);
  uint64_t expected = op_u64(op, F_PIDFD_START_TICKS), ticks = 0;
  /* First the descriptor, then the look: the number may be another process' by now. */
  AUTO_FD int fd = sys_pidfd_open(pid);
  if (fd < 0) return run_failed(run, CALL_PIDFD_OPEN);
  int err = expected == 0 ? 0 : start_ticks_of(pid, &ticks);
  if (err < 0) return run_error(run, CALL_READ, -err);
  if (ticks != expected) return run_error(run, CALL_PIDFD_OPEN, ESRCH);
  run_fill(run, op, F_PIDFD_SLOT, fd_take(&fd));
  return 0;
}

static int write_of_process(struct run *run, pid_t pid, const char *name, const char *text, enum call call) {
  AUTO_FD int file = open_of_process(pid, name, O_WRONLY);
  size_t length = strlen(text);
  /* A map is taken in one write or not at all. */
  bool is_done = file >= 0 && write(file, text, length) == (ssize_t)length;
  return is_done ? 0 : run_failed(run, call);
}

int write_id_maps(struct run *run, pid_t pid, const char *uid_map, const char *gid_map, bool deny) {
  int err = deny ? write_of_process(run, pid, "setgroups", "deny", CALL_SETGROUPS_DENY) : 0;
  if (err == 0 && uid_map[0] != '\0') err = write_of_process(run, pid, "uid_map", uid_map, CALL_UID_MAP);
  if (err == 0 && gid_map[0] != '\0') err = write_of_process(run, pid, "gid_map", gid_map, CALL_GID_MAP);
  return err;
}

/* A process that only holds a new user namespace until it is killed, or we are. Reachable as in spawn.c. */
static pid_t fork_holder(void) {
  struct k_clone_args args = { .flags = K_CLONE_NEWUSER, .exit_signal = SIGCHLD };
  pid_t caller = getpid();
  prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  pid_t pid = (pid_t)syscall(K_CLONE3, &args, sizeof args);
  if (pid < 0 && (errno == ENOSYS || errno == EPERM)) pid = (pid_t)syscall(SYS_clone, K_CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    while (getppid() == caller) pause();
    _exit(0);
  }
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  return pid;
}

int op_userns(struct run *run, const struct op *op) {
  pid_t pid = fork_holder();
  if (pid < 0) return run_failed(run, CALL_CLONE3);
  int err = write_id_maps(run, pid, op_text(op, F_USERNS_UID_MAP), op_text(op, F_USERNS_GID_MAP), false);
  int fd = err < 0 ? -1 : open_of_process(pid, "ns/user", O_RDONLY);
  if (err == 0 && fd < 0) err = run_failed(run, CALL_OPEN);
  kill(pid, SIGKILL);
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
  if (err == 0) run_fill(run, op, F_USERNS_SLOT, fd);
  return err;
}

/*
 * The caller's half of a spawn: ops, clone3, and what the child says until its
 * execve closed the socket or an op failed.
 *
 * Invariant: nothing here waits for what the child does in namespaces that it
 * joined, where others may stop it.
 * Source: clone(2), unix(7).
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "run.h"

/* The clone op, read once. */
struct cloning {
  uint64_t flags;
  int cgroup;
  const char *uid_map;
  const char *gid_map;
  bool deny_setgroups;
  bool waits; /* the child waits until we did something to it */
};

static struct cloning read_clone(const struct run *run, const struct op *op) {
  struct cloning cloning = {
    .flags = op_u64(op, F_CLONE_FLAGS),
    .cgroup = run_slot(run, op, F_CLONE_CGROUP),
    .uid_map = op_text(op, F_CLONE_UID_MAP),
    .gid_map = op_text(op, F_CLONE_GID_MAP),
    .deny_setgroups = op_u32(op, F_CLONE_DENY_SETGROUPS) != 0,
  };
  cloning.waits = (cloning.flags & K_CLONE_NEWUSER) != 0;
  return cloning;
}

/* clone3, or what clone(2) can do of it; 0 in the child, -1 and errno. */
static pid_t clone_child(struct cloning *cloning, int *pidfd) {
  struct k_clone_args args = {
    .flags = cloning->flags | K_CLONE_PIDFD | (cloning->cgroup >= 0 ? K_CLONE_INTO_CGROUP : 0),
    .pidfd = (uint64_t)(uintptr_t)pidfd,
    .exit_signal = SIGCHLD,
    .cgroup = cloning->cgroup >= 0 ? (uint64_t)cloning->cgroup : 0,
  };
  pid_t pid = (pid_t)syscall(K_CLONE3, &args, sizeof args);
  bool is_absent = pid < 0 && (errno == ENOSYS || errno == EPERM);
  if (!is_absent || (cloning->flags & K_CLONE_NEWTIME) != 0) return pid;
  /* A filter around us hides clone3: the cgroup is entered by a write then. */
  cloning->waits |= cloning->cgroup >= 0;
  return (pid_t)syscall(SYS_clone, cloning->flags | K_CLONE_PIDFD | SIGCHLD, 0, pidfd, 0, 0);
}

/* What a child that waits needs from us; it goes on when it reads the byte. */
static int release_child(struct run *run, const struct cloning *cloning, pid_t pid, int socket) {
  char text[24];
  if ((cloning->flags & K_CLONE_NEWUSER) != 0) {
    int err = write_id_maps(run, pid, cloning->uid_map, cloning->gid_map, cloning->deny_setgroups);
    if (err < 0) return err;
  } else {
    format_decimal(text, (uint64_t)pid);
    AUTO_FD int procs = openat(cloning->cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC);
    if (procs < 0 || write(procs, text, strlen(text)) < 0) return run_failed(run, CALL_CLONE3);
  }
  return write(socket, "", 1) == 1 ? 0 : run_failed(run, CALL_WRITE);
}

/* One message; its length, 0 at the end of file, -1 and errno. Descriptors that came with it are in `fds`. */
static ssize_t receive(int socket, struct message *message, int fds[MESSAGE_FDS]) {
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(MESSAGE_FDS * sizeof(int))];
  } control;
  struct iovec data = { .iov_base = message, .iov_len = sizeof *message };
  struct msghdr header = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
  ssize_t got;
  do got = recvmsg(socket, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT); while (got < 0 && errno == EINTR);
  const struct cmsghdr *first = got > 0 ? CMSG_FIRSTHDR(&header) : NULL;
  for (unsigned i = 0; i < MESSAGE_FDS; i++) fds[i] = -1;
  if (first != NULL && first->cmsg_level == SOL_SOCKET && first->cmsg_type == SCM_RIGHTS) memcpy(fds, CMSG_DATA(first), first->cmsg_len - CMSG_LEN(0));
  return got;
}

/* Until execve closed the child's end, or an op failed there: as spawn_settle. */
static int listen_to_child(struct spawned *child, int *console, struct report *report) {
  for (;;) {
    struct message message;
    int fds[MESSAGE_FDS];
    ssize_t got = receive(child->socket, &message, fds);
    if (got < 0 && errno == EAGAIN) return 1;
    if (got == 0 && child->is_late) return 0;
    if (got != (ssize_t)sizeof message) {
      /* It died without a word. */
      *report = (struct report){ child->clone, ECHILD, CALL_WAITPID };
      for (unsigned i = 0; i < MESSAGE_FDS; i++) fd_cleanup(&fds[i]);
      return -ECHILD;
    }
    if (message.kind == MESSAGE_CONSOLE && *console < 0) *console = fd_take(&fds[0]);
    if (message.kind == MESSAGE_LATE) child->is_late = true;
    for (unsigned i = 0; i < MESSAGE_FDS; i++) {
      if (message.kind == MESSAGE_RESOLVER && child->resolver[i] < 0) child->resolver[i] = fd_take(&fds[i]);
      fd_cleanup(&fds[i]);
    }
    if (message.kind != MESSAGE_REPORT) continue;
    *report = message.report;
    return report->err > 0 ? -report->err : -EIO;
  }
}

int spawn_settle(struct spawned *child, int *console, struct report *report) {
  *report = (struct report){ 0 };
  int err = listen_to_child(child, console, report);
  if (err > 0) return err;
  close(fd_take(&child->socket));
  if (err == 0) {
    err = start_ticks_of(child->pid, &child->start_ticks);
    if (err == 0) return 0;
    *report = (struct report){ child->clone, -err, CALL_READ };
  }
  syscall(SYS_pidfd_send_signal, child->pidfd, SIGKILL, NULL, 0);
  fd_cleanup(console);
  *console = -1;
  return err;
}

static void end_child(int pidfd) {
  siginfo_t info;
  syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
  while (syscall(SYS_waitid, 3 /* P_PIDFD */, pidfd, &info, WEXITED, NULL) < 0 && errno == EINTR) continue;
}

/*
 * The child: the rest of the plan. Never returns; the last op is exec. What the
 * caller has open is closed first: in a namespace that is joined someone may
 * look into this process.
 */
static _Noreturn void run_child(struct run *run, const struct cloning *cloning, const struct spawn_io *io) {
  struct message message = { .kind = MESSAGE_REPORT, .report = { .index = run->plan->clone } };
  char go;
  int err = child_shed(run, io);
  run->owns_userns = (cloning->flags & K_CLONE_NEWUSER) != 0;
  if (cloning->waits && read(run->parent, &go, 1) != 1) _exit(EXIT_SPAWN);
  if (cloning->waits) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (err < 0) message.report = (struct report){ run->plan->clone, -err, run->call };
  else run_ops(run, run->plan->clone + 1, run->plan->count, &message.report);
  (void)!write(run->parent, &message, sizeof message);
  _exit(EXIT_SPAWN);
}

/*
 * Where our root is not the host's, the child's /proc/PID/uid_map is ours to
 * write only while the child may be traced, which it inherits here; it ends
 * that when it goes on.
 */
static pid_t clone_reachable_child(struct cloning *cloning, int *pidfd) {
  if (cloning->waits) prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  pid_t pid = clone_child(cloning, pidfd);
  if (cloning->waits && pid != 0) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  return pid;
}

static int clone_and_release(struct run *run, const struct spawn_io *io, struct spawned *out) {
  struct cloning cloning = read_clone(run, &run->plan->ops[run->plan->clone]);
  int sockets[2];
  if ((cloning.flags & ~(uint64_t)K_CLONE_NAMESPACES) != 0) return run_error(run, CALL_CLONE3, EINVAL);
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0) return run_failed(run, CALL_SOCKETPAIR);
  AUTO_FD int ours = sockets[0];
  AUTO_FD int theirs = sockets[1];
  AUTO_FD int pidfd = -1;
  pid_t pid = clone_reachable_child(&cloning, &pidfd);
  if (pid == 0) {
    run->parent = theirs;
    run_child(run, &cloning, io);
  }
  if (pid < 0) return run_failed(run, CALL_CLONE3);
  int err = cloning.waits ? release_child(run, &cloning, pid, ours) : 0;
  if (err < 0) {
    end_child(pidfd);
    return err;
  }
  *out = (struct spawned){ .pid = pid, .pidfd = fd_take(&pidfd), .socket = fd_take(&ours), .resolver = { -1, -1 }, .clone = run->plan->clone };
  return 0;
}

int plan_spawn(const struct plan *plan, uint32_t first, const struct spawn_io *io, struct spawned *out,
               struct report *report) {
  struct slots slots;
  struct run run;
  *out = (struct spawned){ .pid = -1, .pidfd = -1, .socket = -1, .resolver = { -1, -1 } };
  *report = (struct report){ .index = plan->count, .err = EINVAL, .call = CALL_DECODE };
  if (plan->clone >= plan->count || first > plan->clone) return -EINVAL;
  slots_init(&slots);
  run_init(&run, plan, &slots);
  int err = run_ops(&run, first, plan->clone, report);
  if (err == 0) {
    err = clone_and_release(&run, io, out);
    *report = err < 0 ? (struct report){ plan->clone, -err, run.call } : (struct report){ 0 };
  }
  run_close(&run);
  slots_close(&slots);
  return err;
}

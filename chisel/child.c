/*
 * The last steps of a new process: its streams, its console, what it inherits,
 * and execve.
 *
 * Invariants: nothing is searched in the environment, only in what the plan
 * gives; when execve succeeded nothing of the chisel is left in the process but
 * descriptors 0, 1, 2 and those the plan preserves.
 * Source: execve(2), pty(7), ioctl_tty(2), close_range(2).
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "run.h"

#define RESOLVER_BACKLOG 32
#define PTS_MAJOR_FIRST 136u
#define PTS_MAJOR_LAST 143u

/* ---- messages to the caller ------------------------------------------------------ */

int run_tell_late(struct run *run) {
  struct message message = { .kind = MESSAGE_LATE };
  if (run->told_late) return 0;
  run->told_late = true;
  /* A filter may forbid the write; a caller that is gone may not be outlived. */
  return write(run->parent, &message, sizeof message) < 0 && errno == EPIPE ? -EPIPE : 0;
}

/* A message with descriptors. */
static int send_fds(int socket, enum message_kind kind, const int *fds, uint32_t count) {
  struct message message = { .kind = kind };
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(MESSAGE_FDS * sizeof(int))];
  } control = { .room = { 0 } };
  struct iovec data = { .iov_base = &message, .iov_len = sizeof message };
  struct msghdr header = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = (socklen_t)CMSG_SPACE(count * sizeof(int)) };
  struct cmsghdr *first = CMSG_FIRSTHDR(&header);
  first->cmsg_level = SOL_SOCKET;
  first->cmsg_type = SCM_RIGHTS;
  first->cmsg_len = (socklen_t)CMSG_LEN(count * sizeof(int));
  memcpy(CMSG_DATA(first), fds, count * sizeof(int));
  return sendmsg(socket, &header, 0) < 0 ? -1 : 0;
}

/* ---- standard streams --------------------------------------------------------------- */

/* A pipe or socket becomes the process' own: it may open /dev/stdout again. Devices keep their owner. */
static int own_stream(int fd, uid_t uid, gid_t gid) {
  struct stat st;
  if (fstat(fd, &st) < 0) return -1;
  if (!S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode)) return 0;
  if (st.st_uid == uid && st.st_gid == gid) return 0;
  /* EINVAL, EPERM: ids that this user namespace does not map, or one that may not change owners. */
  return fchown(fd, uid, gid) == 0 || errno == EINVAL || errno == EPERM ? 0 : -1;
}

int op_stdio(struct run *run, const struct op *op) {
  uid_t uid = op_u32(op, F_STDIO_UID);
  gid_t gid = op_u32(op, F_STDIO_GID);
  for (int i = 0; i < 3; i++) {
    if (own_stream(i, uid, gid) < 0) return run_failed(run, CALL_FCHOWN);
  }
  return 0;
}

/* The lowest descriptor from `from` on that the run needs, INT_MAX after the last. */
static int next_kept(const struct run *run, int from) {
  int next = run->parent >= from ? run->parent : INT_MAX;
  for (unsigned i = 0; i < SLOT_COUNT; i++) {
    int fd = run->slots->fd[i];
    if (fd >= from && fd < next) next = fd;
  }
  return next;
}

int child_shed(struct run *run, const struct spawn_io *io) {
  const int given[3] = { io->in, io->out, io->err };
  /* Where a console will stand, the caller's own stdin, which is the null device. */
  for (int i = 0; i < 3; i++) {
    if (dup2(given[i] >= 0 ? given[i] : STDIN_FILENO, i) < 0) return run_failed(run, CALL_DUP3);
  }
  run->empty = run->stage = -1; /* mounts of the caller's namespace */
  for (int from = 3;;) {
    int kept = next_kept(run, from);
    /* Where the call is missing, CLOEXEC closes them in the end. */
    if (kept > from) sys_close_range((unsigned)from, (unsigned)kept - 1u, 0);
    if (kept == INT_MAX) return 0;
    from = kept + 1;
  }
}

/* A new pair of the devpts that `devpts` is the root of, nothing else: the peer, -1 and errno. */
static int open_console(int devpts, int *master) {
  struct statfs fs;
  struct stat st;
  int unlock = 0;
  if (fstatfs(devpts, &fs) < 0) return -1;
  if (fs.f_type != K_DEVPTS_MAGIC) return errno = ENODEV, -1;
  *master = sys_openat2(devpts, "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC, 0,
                        K_RESOLVE_BENEATH | K_RESOLVE_NO_SYMLINKS | K_RESOLVE_NO_XDEV);
  if (*master < 0 || fstat(*master, &st) < 0) return -1;
  if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2)) return errno = ENODEV, -1;
  if (ioctl(*master, TIOCSPTLCK, &unlock) < 0) return -1;
  AUTO_FD int peer = ioctl(*master, K_TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (peer < 0 || fstat(peer, &st) < 0 || fstatfs(peer, &fs) < 0) return -1;
  bool is_pts = S_ISCHR(st.st_mode) && major(st.st_rdev) >= PTS_MAJOR_FIRST && major(st.st_rdev) <= PTS_MAJOR_LAST;
  if (!is_pts || fs.f_type != K_DEVPTS_MAGIC) return errno = ENODEV, -1;
  return fd_take(&peer);
}

int op_console(struct run *run, const struct op *op) {
  AUTO_FD int master = -1;
  AUTO_FD int peer = open_console(run_slot(run, op, F_CONSOLE_DEVPTS), &master);
  struct winsize size = {
    .ws_row = (unsigned short)op_u32(op, F_CONSOLE_ROWS), .ws_col = (unsigned short)op_u32(op, F_CONSOLE_COLUMNS),
  };
  if (peer < 0) return run_failed(run, CALL_IOCTL);
  if (size.ws_row != 0 && ioctl(master, TIOCSWINSZ, &size) < 0) return run_failed(run, CALL_IOCTL);
  if (fchown(peer, op_u32(op, F_CONSOLE_UID), (gid_t)-1) < 0 && errno != EINVAL && errno != EPERM)
    return run_failed(run, CALL_FCHOWN);
  if (send_fds(run->parent, MESSAGE_CONSOLE, &master, 1) < 0) return run_failed(run, CALL_SENDMSG);
  if (setsid() < 0 && getsid(0) != getpid()) return run_failed(run, CALL_SETSID);
  if (ioctl(peer, TIOCSCTTY, 0) < 0) return run_failed(run, CALL_IOCTL);
  for (int i = 0; i < 3; i++) {
    if (dup2(peer, i) < 0) return run_failed(run, CALL_DUP3);
  }
  run_fill(run, op, F_CONSOLE_SLOT, fd_take(&peer));
  return 0;
}

/* ---- the resolver's sockets -------------------------------------------------------------- */

int op_resolver(struct run *run, const struct op *op) {
  const struct sockaddr_in address = {
    .sin_family = AF_INET, .sin_port = htons((uint16_t)op_u32(op, F_RESOLVER_PORT)),
    .sin_addr = { htonl(op_u32(op, F_RESOLVER_ADDRESS)) },
  };
  AUTO_FD int datagrams = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  AUTO_FD int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (datagrams < 0 || listener < 0) return run_failed(run, CALL_SOCKET);
  const struct sockaddr *at = (const struct sockaddr *)&address;
  if (bind(datagrams, at, sizeof address) < 0 || bind(listener, at, sizeof address) < 0) return run_failed(run, CALL_BIND);
  if (listen(listener, RESOLVER_BACKLOG) < 0) return run_failed(run, CALL_LISTEN);
  const int fds[MESSAGE_FDS] = { datagrams, listener };
  return send_fds(run->parent, MESSAGE_RESOLVER, fds, MESSAGE_FDS) < 0 ? run_failed(run, CALL_SENDMSG) : 0;
}

int op_close_fds(struct run *run, const struct op *op) {
  (void)run;
  (void)op;
  if (sys_close_range(3, ~0u, K_CLOSE_RANGE_CLOEXEC) == 0) return 0;
  /* A filter around us that does not know the call: the descriptors of a new process have low numbers. */
  for (int fd = 3; fd < 1024; fd++) fcntl(fd, F_SETFD, FD_CLOEXEC);
  return 0;
}

/* ---- execve ---------------------------------------------------------------------------- */

/* The texts of a field as the array that execve takes, after `before` bytes of `room`; the bytes used. */
static size_t lay_out(char **room, const struct op *op, unsigned field) {
  struct texts texts = op_texts(op, field);
  size_t count = 0;
  const char *text;
  while ((text = texts_next(&texts)) != NULL) room[count++] = (char *)(uintptr_t)text;
  room[count++] = NULL;
  return count;
}

/* What execve said about one file: a missing interpreter is told from a missing file. */
static enum call call_of_failure(const char *path) {
  int saved = errno;
  bool is_interpreter = (saved == ENOENT || saved == ENOTDIR) && faccessat(AT_FDCWD, path, F_OK, 0) == 0;
  errno = saved;
  return is_interpreter ? CALL_INTERPRETER : CALL_EXECVE;
}

/* As execvp(3), but in the plan's directories; returns only on failure. */
static int execute_searched(struct run *run, const struct op *op, char *const *argv, char *const *env) {
  struct texts search = op_texts(op, F_EXEC_SEARCH);
  const char *dir;
  size_t length = strlen(argv[0]);
  int worst = ENOENT;
  enum call call = CALL_EXECVE;
  while ((dir = texts_next(&search)) != NULL) {
    char path[PATH_MAX];
    size_t at = strlen(dir);
    if (at == 0 || length == 0 || at + length + 2 > sizeof path) continue;
    memcpy(path, dir, at);
    path[at] = '/';
    memcpy(path + at + 1, argv[0], length + 1);
    execve(path, argv, env);
    enum call failed = call_of_failure(path);
    if (errno == ENOENT || errno == ENOTDIR) {
      if (worst == ENOENT && failed == CALL_INTERPRETER) call = failed;
    } else if (errno == EACCES) {
      worst = EACCES;
      call = CALL_EXECVE;
    } else {
      return run_failed(run, CALL_EXECVE);
    }
  }
  return run_error(run, call, worst);
}

/*
 * Signals as a new program expects them: none blocked, none ignored. A monitor
 * ignores none (main.c, monitor-start.c).
 */
static void reset_signals(void) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

static int execute(struct run *run, const struct op *op, char *const *argv, char *const *env) {
  reset_signals();
  if (strchr(argv[0], '/') == NULL) return execute_searched(run, op, argv, env);
  execve(argv[0], argv, env);
  return run_failed(run, call_of_failure(argv[0]));
}

int op_exec(struct run *run, const struct op *op) {
  size_t room = (op_texts(op, F_EXEC_ARGV).left + op_texts(op, F_EXEC_ENV).left + 2u) * sizeof(char *);
  if (op_texts(op, F_EXEC_ARGV).left == 0) return run_error(run, CALL_EXECVE, EINVAL);
  /* Bounded by the schema: 65536 pointers each. */
  char **argv = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (argv == MAP_FAILED) return run_failed(run, CALL_MMAP);
  char **env = argv + lay_out(argv, op, F_EXEC_ARGV);
  lay_out(env, op, F_EXEC_ENV);
  if (run_tell_late(run) < 0) return run_error(run, CALL_WRITE, EPIPE);
  int err = op_u32(op, F_EXEC_INIT) == 0 ? 0 : init_fork(run);
  return err < 0 ? err : execute(run, op, argv, env);
}

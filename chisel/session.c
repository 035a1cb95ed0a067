/*
 * Starting, feeding, reading and reaping one process. See session.h.
 * Source: pipe(7), pty(7), ioctl_tty(2), pidfd_open(2), waitid(2).
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pages.h"
#include "wait.h"

#ifndef F_SETPIPE_SZ
#define F_SETPIPE_SZ 1031
#endif
#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif
#ifndef P_PIDFD
#define P_PIDFD 3
#endif

#define HOLD_US 10000000u      /* longest wait for expected clients */
#define KEEPER_RETRY_US 100000u
#define BUSY_READ 32768u       /* a read of so many bytes makes the pipe larger */
#define SMALL_READ 8192u
#define BURST_GAP_US 1000u     /* small reads closer than this are a burst */
#define BURST_READS 4u
#define BURST_REST_US 700u

struct session sessions[SESSION_MAX];
uint32_t session_count;
uint8_t session_held[SESSION_MAX][SESSION_HELD_MAX] __attribute__((aligned(4096)));
static uint64_t pipe_limit;

void session_set_pipe_limit(uint64_t bytes) { pipe_limit = bytes; }

struct session *session_find(uint32_t id) {
  for (uint32_t i = 0; i < session_count; i++) {
    if (sessions[i].state != SESSION_FREE && sessions[i].id == id) return &sessions[i];
  }
  return NULL;
}

struct session *session_reserve(bool is_first) {
  if (is_first) return &sessions[0];
  struct session *oldest = NULL;
  for (uint32_t i = 1; i < SESSION_MAX; i++) {
    struct session *session = &sessions[i];
    if (session->state == SESSION_FREE) return session;
    if (session->state == SESSION_ENDED && (oldest == NULL || session->end_us < oldest->end_us)) oldest = session;
  }
  if (oldest != NULL) session_free(oldest);
  return oldest;
}

/* A pipe of which one end goes to the process and ours does not block. */
static int make_pipe(int *ours, int *theirs, bool is_input) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
  *ours = ends[is_input ? 1 : 0];
  *theirs = ends[is_input ? 0 : 1];
  return fcntl(*ours, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int make_pipes(struct session *session, bool open_stdin, struct spawn_io *io) {
  int status = make_pipe(&session->output[0].fd, &io->out, false);
  if (status == 0) status = make_pipe(&session->output[1].fd, &io->err, false);
  if (status != 0) return status;
  if (open_stdin) return make_pipe(&session->input, &io->in, true);
  io->in = open("/dev/null", O_RDONLY | O_CLOEXEC);
  return io->in < 0 ? -errno : 0;
}

/* Take over the console: not blocking, and held open from the other side. */
static int keep_console(struct session *session, int console, bool open_stdin) {
  if (console < 0) return -ENOTTY;
  session->output[0].fd = console;
  session->input = open_stdin ? console : -1;
  if (fcntl(console, F_SETFL, O_RDWR | O_NONBLOCK) < 0) return -errno;
  session->keeper = ioctl(console, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  return 0;
}

/* Nobody in it. */
static const struct session empty = {
    .pidfd = -1, .input = -1, .console = -1, .keeper = -1, .ticket_pid = -1, .ticket_input = -1,
    .output = {{.fd = -1, .ticket = -1}, {.fd = -1, .ticket = -1}}, .process = {.pidfd = -1, .socket = -1, .resolver = {-1, -1}},
};

int session_start(struct session *session, const struct plan *plan, const struct session_settings *settings, struct report *report) {
  *session = empty;
  session->id = settings->id;
  session->state = SESSION_STARTING;
  session->tty = settings->tty;
  session->open_stdin = settings->open_stdin;
  session->stdin_once = settings->stdin_once && !settings->tty;
  session->is_input_full = true;
  session->expected = settings->expected;
  struct spawn_io io = {.in = -1, .out = -1, .err = -1};
  *report = (struct report){.call = CALL_PIPE};
  int status = settings->tty ? 0 : make_pipes(session, settings->open_stdin, &io);
  if (status == 0) status = plan_spawn(plan, settings->first, &io, &session->process, report);
  fd_cleanup(&io.in);
  fd_cleanup(&io.out);
  fd_cleanup(&io.err);
  session->pidfd = session->process.pidfd;
  if (session_index(session) >= session_count) session_count = session_index(session) + 1;
  if (status == 0) return 0;
  if (report->err == 0) report->err = -status;
  session_free(session);
  return status;
}

int session_settle(struct session *session, struct report *report) {
  int status = spawn_settle(&session->process, &session->console, report);
  if (status > 0) return status;
  int console = fd_take(&session->console);
  if (status == 0 && session->tty) {
    status = keep_console(session, console, session->open_stdin);
    if (status < 0) *report = (struct report){.err = -status, .call = CALL_IOCTL};
  } else {
    fd_cleanup(&console);
  }
  if (status < 0) {
    session_signal(session, SIGKILL);
    session->id = UINT32_MAX; /* nobody's */
    return status;
  }
  session->state = SESSION_RUNNING;
  session->is_input_full = false;
  session->started_ns = realtime_ns();
  session->hold_until_us = monotonic_us() + HOLD_US;
  return 0;
}

bool session_bury(struct session *session, bool waits) {
  siginfo_t info = {0};
  int status;
  do status = waitid((idtype_t)P_PIDFD, (id_t)session->pidfd, &info, waits ? WEXITED : WEXITED | WNOHANG); while (status < 0 && errno == EINTR);
  if (status == 0 && info.si_pid == 0) return false;
  session_free(session);
  return true;
}

bool session_has_news(const struct session *session) { return wait_result(session->ticket_pid) != 0; }

bool session_is_expecting(const struct session *session) {
  return session->attached < session->expected && wait_now_us() < session->hold_until_us;
}

size_t session_write(struct session *session, const uint8_t *bytes, size_t count) {
  if (session->input < 0) return count;
  session->output[0].burst = session->output[1].burst = 0;
  ssize_t done;
  do done = write(session->input, bytes, count); while (done < 0 && errno == EINTR);
  if (done > 0) return (size_t)done;
  if (done == 0 || errno == EAGAIN) {
    session->is_input_full = true;
    return 0;
  }
  /* It closed its stdin: what comes is of no use to anyone. */
  if (session->tty) session->input = -1;
  else fd_cleanup(&session->input);
  session->input = -1;
  return count;
}

void session_end_input(struct session *session) {
  session->is_input_full = false;
  if (session->tty) return;
  fd_cleanup(&session->input);
  session->input = -1;
}

int session_signal(const struct session *session, uint32_t number) {
  if (session->state != SESSION_STARTING && session->state != SESSION_RUNNING) return -ESRCH;
  if (number == 0 || number > 64) return -EINVAL;
  return syscall(SYS_pidfd_send_signal, session->pidfd, (int)number, NULL, 0) < 0 ? -errno : 0;
}

int session_resize(const struct session *session, uint32_t rows, uint32_t columns) {
  if (!session->tty) return -ENOTTY;
  if (session->output[0].fd < 0) return -ESRCH;
  struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
  return ioctl(session->output[0].fd, TIOCSWINSZ, &size) < 0 ? -errno : 0;
}

void session_close_output(struct session *session, uint32_t which) {
  struct output *output = &session->output[which];
  if (session->tty && session->input == output->fd) session->input = -1;
  fd_cleanup(&output->fd);
  output->fd = -1;
}

/* Every holder of the console is gone, or it was hung up: while the process lives it may be opened again. */
static void revive_console(struct session *session) {
  struct output *output = &session->output[0];
  fd_cleanup(&session->keeper);
  session->keeper = ioctl(output->fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  output->rest_until_us = monotonic_us() + KEEPER_RETRY_US;
}

/* A process that writes many small pieces is read in larger ones, a little later. */
static void pace(struct session *session, struct output *output, size_t count) {
  if (count >= BUSY_READ && !session->tty && !session->is_pipe_enlarged) {
    session->is_pipe_enlarged = true;
    for (uint32_t i = 0; i < 2; i++) {
      if (session->output[i].fd >= 0) fcntl(session->output[i].fd, F_SETPIPE_SZ, (int)pipe_limit);
    }
  }
  if (count >= SMALL_READ) {
    output->burst = 0;
    return;
  }
  uint64_t now_us = monotonic_us();
  output->burst = now_us - output->read_us > BURST_GAP_US ? 0 : output->burst < BURST_READS ? (uint8_t)(output->burst + 1) : output->burst;
  if (output->burst >= BURST_READS) output->rest_until_us = now_us + BURST_REST_US;
  output->read_us = now_us + (output->burst >= BURST_READS ? BURST_REST_US : 0);
}

size_t session_read(struct session *session, uint32_t which, uint8_t *buffer, size_t size) {
  struct output *output = &session->output[which];
  if (output->fd < 0) return 0;
  ssize_t count;
  do count = read(output->fd, buffer, size); while (count < 0 && errno == EINTR);
  if (count > 0) {
    if (session->state == SESSION_DRAINING) output->drained += (uint32_t)count;
    pace(session, output, (size_t)count);
    return (size_t)count;
  }
  if (count < 0 && errno == EAGAIN) return 0;
  if (session->tty && session->state == SESSION_RUNNING) revive_console(session);
  else session_close_output(session, which);
  return 0;
}

bool session_reap(struct session *session) {
  if (session->state != SESSION_RUNNING || !session_has_news(session)) return false;
  siginfo_t info = {0};
  if (waitid((idtype_t)P_PIDFD, (id_t)session->pidfd, &info, WEXITED | WNOHANG) < 0) {
    if (errno == EINTR) return false;
    info.si_code = CLD_KILLED;
    info.si_status = SIGKILL;
  } else if (info.si_pid == 0) {
    return false;
  }
  session->signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
  session->code = info.si_code == CLD_EXITED ? info.si_status & 0xff : 128 + info.si_status;
  session->exited_ns = realtime_ns();
  session->end_us = wait_now_us();
  session->state = SESSION_DRAINING;
  session->is_input_full = false;
  if (!session->tty) fd_cleanup(&session->input);
  session->input = -1;
  fd_cleanup(&session->pidfd);
  fd_cleanup(&session->keeper);
  session->pidfd = session->keeper = -1;
  session->output[0].rest_until_us = session->output[1].rest_until_us = 0;
  return true;
}

bool session_is_drained(const struct session *session) {
  return session->state == SESSION_DRAINING && session->output[0].fd < 0 && session->output[1].fd < 0 && session->held == 0;
}

void session_free(struct session *session) {
  if (!session->tty) fd_cleanup(&session->input);
  fd_cleanup(&session->pidfd);
  fd_cleanup(&session->process.socket);
  fd_cleanup(&session->process.resolver[0]);
  fd_cleanup(&session->process.resolver[1]);
  fd_cleanup(&session->console);
  fd_cleanup(&session->keeper);
  fd_cleanup(&session->output[0].fd);
  fd_cleanup(&session->output[1].fd);
  *session = empty;
  release_pages(session_held[session_index(session)], SESSION_HELD_MAX);
  while (session_count > 0 && sessions[session_count - 1].state == SESSION_FREE) session_count--;
}

void session_wait(struct session *session, bool reads) {
  bool is_starting = session->state == SESSION_STARTING;
  session->ticket_pid = wait_for(session->process.socket >= 0 ? session->process.socket : session->pidfd, POLLIN);
  session->ticket_input = session->is_input_full && !is_starting ? wait_for(session->input, POLLOUT) : -1;
  for (uint32_t i = 0; i < 2; i++) {
    struct output *output = &session->output[i];
    output->ticket = -1;
    if (!reads || is_starting || output->fd < 0) continue;
    if (output->rest_until_us > wait_now_us()) wait_until_us(output->rest_until_us);
    else output->ticket = wait_for(output->fd, POLLIN);
  }
}

void session_wake(struct session *session) {
  if (wait_result(session->ticket_input) != 0) session->is_input_full = false;
}

bool session_is_readable(const struct session *session, uint32_t which) {
  return wait_result(session->output[which].ticket) != 0;
}

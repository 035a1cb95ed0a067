/*
 * The parent of one container: starts its process, keeps its streams, tells
 * its end. One poll(2) loop; see session.h, log.h, client.h, attach.h.
 *
 * Invariants: the process never waits for a daemon, a disk or a client that
 * did not ask for it; its exit record is on disk before anyone hears of its
 * end; nobody's slowness delays either.
 * Source: docs/chisel-protocol.md.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "attach.h"
#include "exit-record.h"
#include "json-log.h"
#include "pages.h"
#include "wait.h"

#define SOCKET_NAME "monitor.sock"
#define BACKLOG 4096            /* a full one makes connect(2) fail at once */
#define STREAM 1                /* the daemon's stream for frames */
#define READS_PER_ROUND 16
#define DRAIN_US 250000u        /* someone else holds the pipes of a process that is gone */
#define DRAIN_MAX_US 2000000u   /* and goes on writing */
#define EXECS_END_US 2000000u   /* killed execs are waited for */
#define NOTIFY_US 10000000u     /* a daemon that does not read its stream */
#define IDLE_US 2000000u        /* buffers are given back after so long without output */
#define PIPE_MAX (1u << 20)

enum phase { PHASE_RUN, PHASE_LINGER, PHASE_FLUSH };

static struct {
  uint8_t phase;
  bool is_dirty;            /* buffers were touched */
  int run_dir;
  int listener;
  uint64_t start_id;        /* frame id of START, for EXITED */
  uint64_t ended_us;        /* when everything of the process was read */
  uint64_t used_us;         /* when buffers were last used */
  struct log log;
  struct json_log json;
  struct exit_record record;
  struct report report;
  uint8_t *after;           /* the after-plan, in pages of its own */
  uint32_t after_bytes;
  uint32_t notice_bytes;    /* frames for the daemon that it did not take yet */
  uint8_t notice[128];
  char title[256];
} monitor;

static struct plan plan;
static uint8_t input[LOG_RECORD_MAX] __attribute__((aligned(4096)));

/* ---- setting up ------------------------------------------------------------ */

static void ignore(int number) { (void)number; }

/*
 * Handlers that do nothing, instead of SIG_IGN: execve resets them, so that
 * neither the container nor an exec inherits anything.
 */
static void ignore_signals(void) {
  static const int numbers[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGALRM, SIGUSR1, SIGUSR2, SIGVTALRM,
                                SIGPROF, SIGXCPU, SIGXFSZ, SIGIO, SIGPWR, SIGTSTP, SIGTTIN, SIGTTOU};
  struct sigaction action = {.sa_handler = ignore, .sa_flags = SA_RESTART};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) sigaction(numbers[i], &action, NULL);
}

/*
 * What `ps` shows: the kernel reads it from our memory. Telling it where needs
 * CAP_SYS_RESOURCE; else the title takes the room of the host's arguments.
 */
static void set_title(const char *title) {
  strncpy(monitor.title, title, sizeof monitor.title - 1);
  prctl(PR_SET_NAME, "carve-monitor");
  unsigned long start = (unsigned long)monitor.title;
  if (prctl(PR_SET_MM, PR_SET_MM_ARG_START, start, 0, 0) == 0) {
    prctl(PR_SET_MM, PR_SET_MM_ARG_END, start + strlen(monitor.title) + 1, 0, 0);
    return;
  }
  size_t room = strlen(program_invocation_name) + sizeof " host";
  strncpy(program_invocation_name, monitor.title, room - 1);
}

/* Bound relative to the directory itself: its path may be longer than a socket address. */
static int listen_in(int dir) {
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SOCKET_NAME};
  AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 || fchdir(dir) < 0) return -errno;
  unlink(SOCKET_NAME);
  mode_t mask = umask(0177);
  int status = bind(fd, (struct sockaddr *)&address, sizeof address);
  umask(mask);
  if (status < 0 || listen(fd, BACKLOG) < 0) status = -errno;
  if (chdir("/") < 0 && status == 0) status = -errno;
  return status < 0 ? status : fd_take(&fd);
}

static int open_dir(const char *path) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

static int set_up(const struct op *op) {
  set_title(op_text(op, F_MONITOR_TITLE));
  monitor.report.call = CALL_OPEN;
  monitor.run_dir = open_dir(op_text(op, F_MONITOR_RUN_DIR));
  if (monitor.run_dir < 0) return monitor.run_dir;
  int state_dir = open_dir(op_text(op, F_MONITOR_STATE_DIR));
  if (state_dir < 0) return state_dir;
  monitor.report.call = CALL_WRITE;
  int status = exit_record_prepare(&monitor.record, state_dir, op_text(op, F_MONITOR_OOM_PATH));
  if (status < 0) return status;
  monitor.report.call = CALL_BIND;
  monitor.listener = listen_in(monitor.run_dir);
  if (monitor.listener < 0) return monitor.listener;
  monitor.log = (struct log){.dir = state_dir, .kind = op_u32(op, F_MONITOR_LOG_KIND)};
  log_init(&monitor.log, op_u64(op, F_MONITOR_LOG_MAX_BYTES), op_u32(op, F_MONITOR_LOG_MAX_FILES));
  if (monitor.log.kind == LOG_JSON) json_log_init(&monitor.json, state_dir, op_u64(op, F_MONITOR_LOG_MAX_BYTES), op_u32(op, F_MONITOR_LOG_MAX_FILES));
  uint64_t pipe_bytes = log_capacity(&monitor.log) / 4;
  session_set_pipe_limit(pipe_bytes > PIPE_MAX ? PIPE_MAX : pipe_bytes);
  return 0;
}

/* ---- the daemon's stream ------------------------------------------------------ */

/* As much as goes without waiting. A frame goes whole or not at all. */
static void notify(void) {
  while (monitor.notice_bytes > 0) {
    uint32_t size = get_u32(monitor.notice) + 4;
    struct pollfd ready = {.fd = STREAM, .events = POLLOUT};
    if (poll(&ready, 1, 0) <= 0) return;
    ssize_t done = send(STREAM, monitor.notice, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (done < 0 && errno == ENOTSOCK) done = write(STREAM, monitor.notice, size);
    if (done < 0 && (errno == EAGAIN || errno == EINTR)) return;
    /* A stream without a daemon: the record on disk speaks. */
    monitor.notice_bytes = done < 0 ? 0 : monitor.notice_bytes - size;
    memmove(monitor.notice, monitor.notice + size, monitor.notice_bytes);
  }
}

static void add_notice(uint16_t kind, const uint8_t *payload, uint32_t length) {
  uint8_t *frame = monitor.notice + monitor.notice_bytes;
  frame_header(frame, kind, monitor.start_id, length);
  memcpy(frame + FRAME_HEADER, payload, length);
  monitor.notice_bytes += FRAME_HEADER + length;
  notify();
}

static void tell_started(void) {
  const struct session *process = &sessions[0];
  uint8_t payload[REPORT_BYTES + 24] = {0};
  report_encode(payload, &monitor.report);
  if (monitor.report.err == 0) {
    put_u32(payload + REPORT_BYTES, (uint32_t)process->process.pid);
    put_u64(payload + REPORT_BYTES + 4, process->process.start_ticks);
    put_u32(payload + REPORT_BYTES + 12, (uint32_t)getpid());
    put_u64(payload + REPORT_BYTES + 16, process->started_ns);
  }
  add_notice(FRAME_STARTED, payload, sizeof payload);
}

/* ---- output ---------------------------------------------------------------------- */

static void keep_output(uint8_t stream, uint32_t count) {
  if (monitor.log.kind == LOG_SPOOL && !attach_has_listeners()) return;
  struct cursor place = log_append(&monitor.log, input, count, stream);
  if (monitor.log.kind == LOG_JSON) json_log_append(&monitor.json, stream, get_u64(input + 8), input + LOG_HEAD, count);
  attach_record(input, place);
}

/* One piece of output from there to where it belongs; false: nothing now, or it must wait. */
static bool move_output(struct session *session, uint32_t which) {
  uint8_t stream = (uint8_t)(which + 1);
  if (session_index(session) == 0) {
    if (attach_holds_process()) return false;
    monitor.is_dirty = true;
    monitor.used_us = wait_now_us();
    size_t count = session_read(session, which, input + LOG_HEAD, LOG_PAYLOAD_MAX);
    if (count > 0) keep_output(stream, (uint32_t)count);
    return count > 0;
  }
  if (session->held > 0 || session_is_expecting(session)) return false;
  uint8_t *held = session_held[session_index(session)] + STREAM_HEADER;
  size_t count = session_read(session, which, held, SESSION_HELD_MAX - STREAM_HEADER);
  if (count > 0) attach_exec_output(session, stream, (uint32_t)count);
  return count > 0;
}

static bool may_read(const struct session *session) {
  if (session_index(session) == 0) return !attach_holds_process();
  if (session->held == 0 && session_is_expecting(session)) wait_until_us(session->hold_until_us);
  return session->held == 0 && !session_is_expecting(session);
}

static void read_outputs(struct session *session) {
  for (uint32_t which = 0; which < 2; which++) {
    if (!session_is_readable(session, which)) continue;
    for (int i = 0; i < READS_PER_ROUND && move_output(session, which); i++) {
      if (session->output[which].rest_until_us > wait_now_us()) break;
    }
  }
}

/*
 * What a process that is gone wrote is read to the end. Its pipes may be held
 * by others: an exec's are closed at once, the container's own after a while.
 */
static void drain(struct session *session) {
  uint64_t now_us = wait_now_us();
  bool is_process = session_index(session) == 0;
  for (uint32_t which = 0; which < 2; which++) {
    uint32_t reads = 0;
    while (move_output(session, which)) {
      if (is_process && ++reads % READS_PER_ROUND == 0 && monotonic_us() > session->end_us + DRAIN_MAX_US) break;
    }
    if (!may_read(session)) continue;
    if (!is_process || now_us >= session->end_us + DRAIN_US) session_close_output(session, which);
  }
}

/* ---- the end ------------------------------------------------------------------------ */

static void run_after_plan(void) {
  struct slots slots;
  struct report ignored;
  if (monitor.after_bytes == 0 || plan_decode(monitor.after, monitor.after_bytes, &plan, &ignored) != 0) return;
  slots_init(&slots);
  for (uint32_t i = 0; i < plan.count; i++) plan_run(&plan, &slots, i, i + 1, NULL, &ignored);
  slots_close(&slots);
}

static bool are_execs_gone(void) {
  for (uint32_t i = 1; i < session_count; i++) {
    if (sessions[i].state == SESSION_RUNNING) return false;
  }
  return true;
}

/* Without a process to be inside of, an exec has no reason to live. */
static void kill_execs(void) {
  for (uint32_t i = 1; i < session_count; i++) session_signal(&sessions[i], SIGKILL);
}

/* Everything was read: write the record, seal the log, clean up. */
static void conclude(void) {
  struct session *process = &sessions[0];
  exit_record_write(&monitor.record, process);
  attach_retain();
  log_finish(&monitor.log);
  if (monitor.log.kind == LOG_JSON) json_log_finish(&monitor.json, process->exited_ns);
  attach_end_watchers();
  run_after_plan();
  monitor.phase = PHASE_LINGER;
}

/* Expected clients came or the time is over: nobody else comes in, and everybody hears. */
static void announce(void) {
  uint8_t payload[EXITED_BYTES];
  unlinkat(monitor.run_dir, SOCKET_NAME, 0);
  client_accept(monitor.listener);
  fd_cleanup(&monitor.listener);
  monitor.listener = -1;
  client_encode_exit(payload, &sessions[0]);
  add_notice(FRAME_EXITED, payload, sizeof payload);
  client_tell_end(&sessions[0]);
  monitor.ended_us = wait_now_us();
  monitor.phase = PHASE_FLUSH;
}

static void end_session(struct session *session) {
  if (session_index(session) != 0) {
    session->is_told = client_tell_end(session);
    return;
  }
  session->is_oom = exit_record_was_oom(&monitor.record);
  kill_execs();
}

static void settle_session(struct session *session) {
  if (session_reap(session)) end_session(session);
  if (session->state != SESSION_DRAINING) return;
  drain(session);
  if (!session_is_drained(session)) return;
  if (session_index(session) != 0) {
    if (session_is_expecting(session)) return;
    attach_close_exec(session);
    session->state = SESSION_ENDED;
    if (session->is_told) session_free(session);
  } else if (monitor.phase == PHASE_RUN && (are_execs_gone() || wait_now_us() >= session->end_us + EXECS_END_US)) {
    conclude();
  }
}

/* ---- the loop ---------------------------------------------------------------------------- */

/* Idle pages are the kernel's again: a monitor waits for years. */
static void release_buffers(void) {
  if (!monitor.is_dirty) return;
  if (wait_now_us() < monitor.used_us + IDLE_US) {
    wait_until_us(monitor.used_us + IDLE_US);
    return;
  }
  monitor.is_dirty = false;
  release_pages(input, sizeof input);
  release_pages(attach_scratch, ATTACH_SCRATCH);
  log_release(&monitor.log);
  json_log_release();
}

/* A process that is gone, but something of it is not. */
static void wait_for_end(const struct session *session) {
  bool is_open = session->output[0].fd >= 0 || session->output[1].fd >= 0;
  if (is_open && may_read(session)) wait_until_us(session->end_us + DRAIN_US);
  else if (!is_open && session_index(session) == 0 && monitor.phase == PHASE_RUN) wait_until_us(session->end_us + EXECS_END_US);
  else if (!is_open && session->held == 0 && session_is_expecting(session)) wait_until_us(session->hold_until_us);
}

static void wait_for_all(int16_t *listener, int16_t *stream) {
  uint64_t disk_ms = log_deadline(&monitor.log);
  wait_begin();
  release_buffers();
  for (uint32_t i = 0; i < client_count; i++) {
    if (clients[i].kind != CLIENT_FREE) client_wait(&clients[i]);
  }
  for (uint32_t i = 0; i < session_count; i++) {
    struct session *session = &sessions[i];
    if (session->state == SESSION_FREE || session->state == SESSION_ENDED) continue;
    session_wait(session, may_read(session));
    if (session->state == SESSION_DRAINING) wait_for_end(session);
  }
  *listener = monitor.listener >= 0 && client_can_accept() ? wait_for(monitor.listener, POLLIN) : -1;
  *stream = monitor.notice_bytes > 0 ? wait_for(STREAM, POLLOUT) : -1;
  if (disk_ms != UINT64_MAX) wait_until_us(disk_ms * 1000u);
  if (monitor.phase == PHASE_LINGER) wait_until_us(sessions[0].hold_until_us);
  if (monitor.phase == PHASE_FLUSH && monitor.notice_bytes > 0) wait_until_us(monitor.ended_us + NOTIFY_US);
  wait_run();
}

static void serve_round(void) {
  int16_t listener;
  int16_t stream;
  wait_for_all(&listener, &stream);
  for (uint32_t i = 0; i < session_count; i++) {
    session_wake(&sessions[i]);
    read_outputs(&sessions[i]);
  }
  for (uint32_t i = 0; i < client_count; i++) {
    if (clients[i].kind != CLIENT_FREE) client_serve(&clients[i]);
  }
  if (wait_result(listener) != 0) client_accept(monitor.listener);
  if (wait_result(stream) != 0) notify();
  if (monitor.log.is_in_memory) {
    log_tick(&monitor.log, monotonic_ms());
    attach_tell_watchers();
  }
  /* The container's own process last: its end waits for that of its execs. */
  for (uint32_t i = session_count; i-- > 0;) settle_session(&sessions[i]);
}

/* True when the monitor's work is done. */
static bool is_over(void) {
  if (monitor.phase == PHASE_LINGER && !session_is_expecting(&sessions[0])) announce();
  if (monitor.phase != PHASE_FLUSH) return false;
  bool is_told = monitor.notice_bytes == 0 || wait_now_us() >= monitor.ended_us + NOTIFY_US;
  return attach_flush() && is_told;
}

/* ---- the start ------------------------------------------------------------------------------ */

/* `u32 n`, plan, `u32 m`, after-plan; checked before anything is done. */
static int decode_start(const struct frame *start) {
  const uint8_t *payload = start->payload;
  monitor.report = (struct report){.call = CALL_DECODE};
  if (start->length < 8) return -EPROTO;
  uint32_t n = get_u32(payload);
  if (n > start->length - 8) return -EPROTO;
  uint32_t m = get_u32(payload + 4 + n);
  if (m != start->length - 8 - n) return -EPROTO;
  if (m > 0) {
    int status = plan_decode(payload + 8 + n, m, &plan, &monitor.report);
    if (status != 0) return status;
    if (plan.clone < plan.count) return -EINVAL;
    monitor.after = mmap(NULL, m, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (monitor.after == MAP_FAILED) return -ENOMEM;
    memcpy(monitor.after, payload + 8 + n, m);
    monitor.after_bytes = m;
  }
  int status = plan_decode(payload + 4, n, &plan, &monitor.report);
  if (status != 0) return status;
  return plan.count > 0 && plan.ops[0].code == OP_MONITOR && plan.clone < plan.count ? 0 : -EINVAL;
}

static int start_process(const struct frame *start) {
  int status = decode_start(start);
  if (status != 0) return status;
  const struct op *op = &plan.ops[0];
  status = set_up(op);
  if (status != 0) return status;
  const struct session_settings settings = {
      .id = 0, .tty = op_u32(op, F_MONITOR_TTY) != 0, .open_stdin = op_u32(op, F_MONITOR_OPEN_STDIN) != 0,
      .stdin_once = op_u32(op, F_MONITOR_STDIN_ONCE) != 0, .expected = op_u32(op, F_MONITOR_EXPECTED_CLIENTS), .first = 1,
  };
  status = session_start(session_reserve(true), &plan, &settings, &monitor.report);
  if (status != 0) return status;
  exit_record_watch(&monitor.record, op_text(op, F_MONITOR_OOM_PATH));
  attach_init(&monitor.log);
  monitor.report = (struct report){0};
  return 0;
}

/* Nothing stays of a start that failed. */
static void undo_start(void) {
  exit_record_discard(&monitor.record);
  if (monitor.listener >= 0) unlinkat(monitor.run_dir, SOCKET_NAME, 0);
  run_after_plan();
}

/* Pages that only the start needed: the plan, and the stack below us. */
static void release_start(void) {
  uintptr_t page = (uintptr_t)__builtin_frame_address(0) & ~(uintptr_t)(PAGE_BYTES - 1);
  release_pages(&plan, sizeof plan);
  release_pages((void *)(page - 64 * PAGE_BYTES), 62 * PAGE_BYTES);
  host_release_frames();
}

int monitor_main(const struct frame *start) {
  monitor.start_id = start->id;
  monitor.listener = monitor.run_dir = -1;
  monitor.record.fd = -1;
  setsid();
  ignore_signals();
  int status = start_process(start);
  if (status != 0) {
    if (monitor.report.err == 0) monitor.report.err = -status;
    undo_start();
    tell_started();
    return 0;
  }
  tell_started();
  release_start();
  do serve_round(); while (!is_over());
  return 0;
}

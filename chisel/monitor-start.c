/*
 * The beginning of a monitor: its title, directories, socket and process. See monitor.h.
 * Source: docs/chisel-protocol.md; signal(7), unix(7), prctl(2) PR_SET_MM.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include "monitor.h"

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
#include "relay.h"
#include "resolver.h"

#define BURIAL_MS 5000 /* a killed process that cannot end within this time waits for a device */
#define BACKLOG 4096 /* a full one makes connect(2) fail at once */

struct plan monitor_plan;

/*
 * Blocked, not ignored: a call that waits is not interrupted, and the new
 * process, which unblocks them before execve, inherits nothing. One that comes
 * to it before then waits until then.
 */
static void block_signals(void) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  signal(SIGPIPE, SIG_DFL);
}

/*
 * What `ps` shows: the kernel reads it from our memory. Telling it where needs
 * CAP_SYS_RESOURCE; else the title takes the room of the host's arguments.
 */
void monitor_set_title(const char *title, const char *name) {
  strncpy(monitor.title, title, sizeof monitor.title - 1);
  prctl(PR_SET_NAME, name);
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
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = MONITOR_SOCKET};
  AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 || fchdir(dir) < 0) return -errno;
  unlink(MONITOR_SOCKET);
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
  monitor_set_title(op_text(op, F_MONITOR_TITLE), "carve-monitor");
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
  session_set_pipe_limit(pipe_bytes > SESSION_PIPE_MAX ? SESSION_PIPE_MAX : pipe_bytes);
  return 0;
}

void monitor_run_after_plan(void) {
  struct slots slots;
  struct report ignored;
  if (monitor.after_bytes == 0 || plan_decode(monitor.after, monitor.after_bytes, &monitor_plan, &ignored) != 0) return;
  slots_init(&slots);
  for (uint32_t i = 0; i < monitor_plan.count; i++) {
    if (op_is_ready(&monitor_plan.ops[i], &slots)) plan_run(&monitor_plan, &slots, i, i + 1, NULL, &ignored);
  }
  slots_close(&slots);
}

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
    int status = plan_decode(payload + 8 + n, m, &monitor_plan, &monitor.report);
    if (status != 0) return status;
    if (monitor_plan.clone < monitor_plan.count) return -EINVAL;
    monitor.after = mmap(NULL, m, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (monitor.after == MAP_FAILED) return -ENOMEM;
    memcpy(monitor.after, payload + 8 + n, m);
    monitor.after_bytes = m;
  }
  int status = plan_decode(payload + 4, n, &monitor_plan, &monitor.report);
  if (status != 0) return status;
  return monitor_plan.count > 0 && monitor_plan.ops[0].code == OP_MONITOR && monitor_plan.clone < monitor_plan.count ? 0 : -EINVAL;
}

/* A killed process that does not go either is left to whoever reaps for the host. */
static void bury_in_time(struct session *process) {
  struct pollfd end = {.fd = process->pidfd, .events = POLLIN};
  if (poll(&end, 1, BURIAL_MS) > 0) session_bury(process, true);
}

/*
 * Nobody is served before the container's own process runs, so its way there
 * has an end: in namespaces that it joined others may stop it.
 */
static int start_process(const struct session_settings *settings, uint32_t start_ms) {
  struct session *process = session_reserve(true);
  uint64_t deadline_ms = monotonic_ms() + start_ms;
  int status = session_start(process, &monitor_plan, settings, &monitor.report);
  if (status != 0) return status;
  while ((status = session_settle(process, &monitor.report)) > 0) {
    struct pollfd news = {.fd = process->process.socket, .events = POLLIN};
    uint64_t now_ms = monotonic_ms();
    if (now_ms < deadline_ms) {
      poll(&news, 1, (int)(deadline_ms - now_ms));
      continue;
    }
    session_signal(process, SIGKILL);
    monitor.report = (struct report){monitor_plan.clone, ETIMEDOUT, CALL_WAITPID};
    status = -ETIMEDOUT;
    break;
  }
  if (status < 0) bury_in_time(process);
  return status;
}

int monitor_start(const struct frame *start) {
  block_signals();
  int status = decode_start(start);
  if (status != 0) return status;
  const struct op *op = &monitor_plan.ops[0];
  status = set_up(op);
  if (status != 0) return status;
  const struct session_settings settings = {
      .id = 0, .tty = op_u32(op, F_MONITOR_TTY) != 0, .open_stdin = op_u32(op, F_MONITOR_OPEN_STDIN) != 0,
      .stdin_once = op_u32(op, F_MONITOR_STDIN_ONCE) != 0, .expected = op_u32(op, F_MONITOR_EXPECTED_CLIENTS), .first = 1,
  };
  status = start_process(&settings, op_u32(op, F_MONITOR_START_MS));
  if (status != 0) return status;
  exit_record_watch(&monitor.record, op_text(op, F_MONITOR_OOM_PATH));
  attach_init(&monitor.log);
  resolver_init(&monitor_plan, sessions[0].process.resolver);
  relay_init();
  monitor.report = (struct report){0};
  return 0;
}

void monitor_undo_start(void) {
  exit_record_discard(&monitor.record);
  if (monitor.listener >= 0) unlinkat(monitor.run_dir, MONITOR_SOCKET, 0);
  monitor_run_after_plan();
}

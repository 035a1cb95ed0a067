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
#include "monitor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attach.h"
#include "kernel.h"
#include "pages.h"
#include "relay.h"
#include "resolver.h"
#include "wait.h"

#define EXECS_END_US 2000000u   /* killed execs are waited for */
#define NOTIFY_US 10000000u     /* a daemon that does not read its stream */

struct monitor monitor;

/* ---- the daemon's stream ------------------------------------------------------ */

/* As much as goes without waiting. A frame goes whole or not at all. */
void monitor_flush_notices(void) {
  while (monitor.notice_bytes > 0) {
    uint32_t size = get_u32(monitor.notice) + 4;
    struct pollfd ready = {.fd = DAEMON_STREAM, .events = POLLOUT};
    if (poll(&ready, 1, 0) <= 0) return;
    ssize_t done = send(DAEMON_STREAM, monitor.notice, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (done < 0 && errno == ENOTSOCK) done = write(DAEMON_STREAM, monitor.notice, size);
    if (done < 0 && (errno == EAGAIN || errno == EINTR)) return;
    /* A stream without a daemon: the record on disk speaks. */
    monitor.notice_bytes = done < 0 ? 0 : monitor.notice_bytes - size;
    memmove(monitor.notice, monitor.notice + size, monitor.notice_bytes);
  }
}

void monitor_notify(uint16_t kind, const uint8_t *payload, uint32_t length) {
  uint8_t *frame = monitor.notice + monitor.notice_bytes;
  frame_header(frame, kind, monitor.start_id, length);
  memcpy(frame + FRAME_HEADER, payload, length);
  monitor.notice_bytes += FRAME_HEADER + length;
  monitor_flush_notices();
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
  monitor_notify(FRAME_STARTED, payload, sizeof payload);
}

/* ---- the end ------------------------------------------------------------------------ */

static bool are_execs_gone(void) {
  for (uint32_t i = 1; i < session_count; i++) {
    if (sessions[i].state == SESSION_STARTING || sessions[i].state == SESSION_RUNNING) return false;
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
  monitor_run_after_plan();
  relay_end();
  /* After the packet filter sends nothing here any more. */
  reserved_port_release(0, NULL);
  monitor.phase = PHASE_LINGER;
}

/* Expected clients came or the time is over: nobody else comes in, and everybody hears. */
static void announce(void) {
  uint8_t payload[EXITED_BYTES];
  unlinkat(monitor.run_dir, MONITOR_SOCKET, 0);
  client_accept(monitor.listener);
  fd_cleanup(&monitor.listener);
  monitor.listener = -1;
  client_encode_exit(payload, &sessions[0]);
  monitor_notify(FRAME_EXITED, payload, sizeof payload);
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
  resolver_end();
  relay_finish();
  kill_execs();
}

/* An exec on its way to its program: others may stop it there, so nobody waits for it. */
static void settle_start(struct session *session) {
  if (!session_has_news(session)) return;
  if (session->process.socket >= 0) client_settle_exec(session);
  else session_bury(session, false);
}

static void settle_session(struct session *session) {
  if (session->state == SESSION_STARTING) settle_start(session);
  if (session_reap(session)) end_session(session);
  if (session->state != SESSION_DRAINING) return;
  monitor_drain(session);
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

/* A process that is gone, but something of it is not. */
static void wait_for_end(const struct session *session) {
  bool is_open = session->output[0].fd >= 0 || session->output[1].fd >= 0;
  if (is_open && monitor_may_read(session)) wait_until_us(session->end_us + DRAIN_US);
  else if (!is_open && session_index(session) == 0 && monitor.phase == PHASE_RUN) wait_until_us(session->end_us + EXECS_END_US);
  else if (!is_open && session->held == 0 && session_is_expecting(session)) wait_until_us(session->hold_until_us);
}

static void wait_for_all(int16_t *listener, int16_t *stream) {
  uint64_t disk_ms = log_deadline(&monitor.log);
  wait_begin();
  monitor_release_buffers();
  resolver_wait();
  relay_wait();
  for (uint32_t i = 0; i < client_count; i++) {
    if (clients[i].kind != CLIENT_FREE) client_wait(&clients[i]);
  }
  for (uint32_t i = 0; i < session_count; i++) {
    struct session *session = &sessions[i];
    if (session->state == SESSION_FREE || session->state == SESSION_ENDED) continue;
    session_wait(session, monitor_may_read(session));
    if (session->state == SESSION_DRAINING) wait_for_end(session);
  }
  *listener = monitor.listener >= 0 && client_can_accept() ? wait_for(monitor.listener, POLLIN) : -1;
  *stream = monitor.notice_bytes > 0 ? wait_for(DAEMON_STREAM, POLLOUT) : -1;
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
    monitor_read_outputs(&sessions[i]);
  }
  for (uint32_t i = 0; i < client_count; i++) {
    if (clients[i].kind != CLIENT_FREE) client_serve(&clients[i]);
  }
  if (wait_result(listener) != 0) client_accept(monitor.listener);
  if (wait_result(stream) != 0) monitor_flush_notices();
  resolver_serve();
  relay_serve();
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

/* ---- its life ------------------------------------------------------------------------------- */

/* The last frame, if the daemon takes it in time: the exit status. Otherwise the host says LOST, so that nobody waits for ever. */
static int last_word(void) {
  struct pollfd stream = {.fd = DAEMON_STREAM, .events = POLLOUT};
  if (monitor.notice_bytes > 0) poll(&stream, 1, (int)(NOTIFY_US / 1000u));
  monitor_flush_notices();
  return monitor.notice_bytes == 0 ? 0 : 1;
}

/* Pages that only the start needed: the plan, and the stack below us. */
static void release_start(void) {
  uintptr_t page = (uintptr_t)__builtin_frame_address(0) & ~(uintptr_t)(PAGE_BYTES - 1);
  release_pages(&monitor_plan, sizeof monitor_plan);
  release_pages((void *)(page - 64 * PAGE_BYTES), 62 * PAGE_BYTES);
  host_release_frames();
}

int monitor_main(const struct frame *start) {
  monitor.start_id = start->id;
  monitor.listener = monitor.run_dir = -1;
  monitor.record.fd = -1;
  setsid();
  /* The container and its execs get a new one, not the keys of who started the daemon. A kernel may have none. */
  syscall(SYS_keyctl, K_JOIN_SESSION_KEYRING, NULL);
  int status = monitor_start(start);
  if (status != 0) {
    if (monitor.report.err == 0) monitor.report.err = -status;
    monitor_undo_start();
    tell_started();
    return last_word();
  }
  tell_started();
  release_start();
  do serve_round(); while (!is_over());
  return monitor.notice_bytes == 0 ? 0 : 1;
}

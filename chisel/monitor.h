/*
 * The state of a monitor, and the parts of its life: monitor-start.c makes it,
 * monitor-output.c moves output, monitor.c holds the loop and the end.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHISEL_MONITOR_H
#define CHISEL_MONITOR_H

#include "exit-record.h"
#include "json-log.h"
#include "log.h"

#define MONITOR_SOCKET "monitor.sock"

/* How far its process is: running; gone, expected clients to come; told, clients to flush. */
enum phase { PHASE_RUN, PHASE_LINGER, PHASE_FLUSH };

struct monitor {
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
};

extern struct monitor monitor;
/* Decoded plans: of the start, then of the end. */
extern struct plan monitor_plan;

/* Of this process, as `ps` shows it, and of its only thread. */
void monitor_set_title(const char *title, const char *name);
/* Start the process of a START frame; 0, or -errno with monitor.report set and something to undo. */
int monitor_start(const struct frame *start);
/* Run every op of the after-plan, whatever fails. */
void monitor_run_after_plan(void);
/* Nothing stays of a start that failed. */
void monitor_undo_start(void);

/* Add a frame for the daemon; it goes when the stream takes it. */
void monitor_notify(uint16_t kind, const uint8_t *payload, uint32_t length);
/* The stream may take frames again. */
void monitor_flush_notices(void);
#define DAEMON_STREAM 1 /* its descriptor */

/* True when output of the session may be read now; sets the deadline when it may later. */
bool monitor_may_read(const struct session *session);
/* After a round: what is readable goes where it belongs. */
void monitor_read_outputs(struct session *session);
/*
 * What a process that is gone wrote is read to the end. Its pipes may be held
 * by others: an exec's are closed at once, the container's own after a while.
 */
void monitor_drain(struct session *session);
/* The longest silence, in microseconds, of pipes of the container's own process that others hold. */
#define DRAIN_US 250000u
/* Give idle buffers back, or set the deadline when they will be idle. */
void monitor_release_buffers(void);

#endif

/*
 * Output: from processes into the log and to clients. See monitor.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include "monitor.h"

#include "attach.h"
#include "pages.h"
#include "wait.h"

#define READS_PER_ROUND 16
#define IDLE_US 2000000u      /* buffers are given back after so long without output */

static uint8_t input[LOG_RECORD_MAX] __attribute__((aligned(4096)));

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

bool monitor_may_read(const struct session *session) {
  if (session_index(session) == 0) return !attach_holds_process();
  if (session->held == 0 && session_is_expecting(session)) wait_until_us(session->hold_until_us);
  return session->held == 0 && !session_is_expecting(session);
}

void monitor_read_outputs(struct session *session) {
  for (uint32_t which = 0; which < 2; which++) {
    if (!session_is_readable(session, which)) continue;
    for (int i = 0; i < READS_PER_ROUND && move_output(session, which); i++) {
      if (session->output[which].rest_until_us > wait_now_us()) break;
    }
  }
}

void monitor_drain(struct session *session) {
  uint64_t now_us = wait_now_us();
  bool is_process = session_index(session) == 0;
  for (uint32_t which = 0; which < 2; which++) {
    const struct output *output = &session->output[which];
    /* More than a pipe holds is none of what the process wrote. */
    while (output->drained < SESSION_PIPE_MAX && move_output(session, which)) continue;
    if (!monitor_may_read(session)) continue;
    bool is_late = now_us >= session->end_us + DRAIN_US || output->drained >= SESSION_PIPE_MAX;
    if (!is_process || is_late) session_close_output(session, which);
  }
}

void monitor_release_buffers(void) {
  if (attach_scratch_used) {
    attach_scratch_used = false;
    monitor.is_dirty = true;
    monitor.used_us = wait_now_us();
  }
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

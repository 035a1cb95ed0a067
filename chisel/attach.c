/*
 * Output of the container's process to its clients. See attach.h.
 *
 * Clients of the container's process are cursors in its log: one that keeps up
 * is served from memory, one that lags from the segments.
 * Source: docs/chisel-protocol.md "Output"; unix(7).
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include "attach.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "wait.h"

#define BATCHES 4           /* sends to one lagging client per round */
#define PARTS 64            /* records of one send */
#define STALL_US 10000000u  /* a client of a process that is gone may take nothing for so long */
#define PATIENT_US 900000000u /* the same for a lossless one: a person may be paging through it */
#define OVERRUN_US 60000000u /* longest time a client that was left behind may take to notice */

static struct log *spool;
static struct cursor run_start = {.fd = -1}; /* the first byte of this run, while expected clients are to come */
static uint64_t written;                     /* record bytes since then */
uint8_t attach_scratch[ATTACH_SCRATCH] __attribute__((aligned(4096)));
bool attach_scratch_used;

bool attach_is_wanted(const struct client *client, uint8_t stream) {
  return (client->streams & (stream == 1 ? ATTACH_STDOUT : ATTACH_STDERR)) != 0;
}

/* The newest segment is given up: whoever reads it keeps his own descriptor, or loses his place. */
static void keep_place(struct cursor *place, int fd, uint32_t number, uint64_t size) {
  if (place->number == number && place->at >= size) {
    place->number = number + 1;
    place->at = LOG_HEADER;
  } else if (place->number == number && fd >= 0) {
    place->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (place->fd < 0) place->number = 0;
  } else if (fd < 0) {
    place->number = 0;
  }
}

static void leave_segment(int fd, uint32_t number, uint64_t size) {
  if (run_start.number != 0) keep_place(&run_start, fd, number, size);
  for (uint32_t i = 0; i < client_count; i++) {
    if (clients[i].kind == CLIENT_PROCESS) keep_place(&clients[i].place, fd, number, size);
  }
}

void attach_init(struct log *log) {
  spool = log;
  spool->leave = leave_segment;
  if (sessions[0].expected > 0) run_start = log_end(log);
}

/* Nobody is expected any more: the beginning of the run is nobody's. */
static void forget_run_start(void) {
  fd_cleanup(&run_start.fd);
  run_start = (struct cursor){.fd = -1};
}

static void begin_process(struct client *client) {
  struct session *process = &sessions[0];
  client->kind = CLIENT_PROCESS;
  if ((client->streams & ATTACH_REPLAY) != 0) {
    client->place = log_begin(spool, &client->unread);
  } else if (run_start.number != 0 && session_is_expecting(process)) {
    client->place = run_start;
    client->unread = written;
    if (run_start.fd >= 0) client->place.fd = fcntl(run_start.fd, F_DUPFD_CLOEXEC, 3);
  } else {
    client->place = log_end(spool);
  }
  process->attached++;
  if (!session_is_expecting(process)) forget_run_start();
}

int attach_begin(struct client *client, uint32_t streams, uint32_t session_id) {
  struct session *session = session_find(session_id);
  if (streams > 31) return -EINVAL;
  if (session == NULL || session->state == SESSION_ENDED) return -ESRCH;
  client->streams = (uint8_t)streams;
  client->moved_us = wait_now_us();
  if (session_id == 0) {
    begin_process(client);
    return 0;
  }
  client->kind = CLIENT_EXEC;
  client->session = session_index(session);
  client->sent = session->held;
  session->attached++;
  return 0;
}

bool attach_has_listeners(void) {
  if (session_is_expecting(&sessions[0])) return true;
  for (uint32_t i = 0; i < client_count; i++) {
    if (clients[i].kind == CLIENT_PROCESS) return true;
  }
  return false;
}

/* A lossless client is farther behind than this many bytes. */
static bool is_someone_behind(uint64_t bytes) {
  for (uint32_t i = 0; i < client_count; i++) {
    const struct client *client = &clients[i];
    if (client->kind == CLIENT_PROCESS && (client->streams & ATTACH_LOSSLESS) != 0 && client->unread > bytes) return true;
  }
  return false;
}

bool attach_holds_process(void) {
  const struct session *process = &sessions[0];
  uint64_t most = log_is_near_reset(spool) ? 0 : log_capacity(spool) / 2;
  if (process->state != SESSION_RUNNING) {
    /* Only the pipes' rest comes, which the other half of the log takes; the memory segment has no other half. */
    if (most > 0 || wait_now_us() >= process->end_us + STALL_US || !is_someone_behind(0)) return false;
    wait_until_us(process->end_us + STALL_US);
    return true;
  }
  if (session_is_expecting(process) && written > most) {
    wait_until_us(process->hold_until_us);
    return true;
  }
  return is_someone_behind(most);
}

size_t attach_send_parts(struct client *client, struct iovec *parts, size_t count) {
  const struct msghdr message = {.msg_iov = parts, .msg_iovlen = (typeof((struct msghdr){0}.msg_iovlen))count};
  ssize_t sent;
  do sent = sendmsg(client->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL); while (sent < 0 && errno == EINTR);
  if (sent > 0) {
    client->moved_us = wait_now_us();
    return (size_t)sent;
  }
  if (sent < 0 && errno != EAGAIN) client->is_output_dead = true;
  return 0;
}

void attach_end_output(struct client *client) {
  if (client->has_input_ended || (client->streams & ATTACH_STDIN) == 0) {
    client_drop(client);
    return;
  }
  client->streams &= ATTACH_STDIN;
  /* Nobody waits for it to take what is held for an exec's other clients. */
  client->sent = client->kind == CLIENT_EXEC ? sessions[client->session].held : 0;
  client->unread = 0;
  if (client->kind != CLIENT_PROCESS) return;
  fd_cleanup(&client->place.fd);
  client->place = log_end(spool);
}

uint8_t *attach_put_stream_header(uint8_t *payload, uint8_t stream, uint32_t count) {
  uint8_t *header = payload - STREAM_HEADER;
  header[0] = stream;
  header[1] = header[2] = header[3] = 0;
  header[4] = (uint8_t)(count >> 24);
  header[5] = (uint8_t)(count >> 16);
  header[6] = (uint8_t)(count >> 8);
  header[7] = (uint8_t)count;
  return header;
}

static uint32_t header_size(void) { return sessions[0].tty ? 0 : STREAM_HEADER; }

static void offer_record(struct client *client, uint8_t *shown, uint32_t size, uint32_t length, struct cursor place, uint8_t stream) {
  bool is_at_end = client->place.number == place.number && client->place.at == place.at;
  if (!is_at_end || client->sent > 0) {
    client->unread += length;
    return;
  }
  if (attach_is_wanted(client, stream)) {
    struct iovec part = {.iov_base = shown, .iov_len = size};
    size_t sent = attach_send_parts(client, &part, 1);
    if (sent < size) {
      client->sent = (uint32_t)sent;
      client->unread += length;
      if (client->is_output_dead) attach_end_output(client);
      return;
    }
  }
  client->place.at += length;
}

void attach_record(uint8_t *record, struct cursor place) {
  uint32_t n = get_u32(record);
  uint32_t length = n + LOG_HEAD + LOG_TAIL;
  uint8_t stream = record[4];
  attach_put_stream_header(record + LOG_HEAD, stream, n);
  uint8_t *shown = record + LOG_HEAD - header_size();
  written += length;
  for (uint32_t i = 0; i < client_count; i++) {
    if (clients[i].kind == CLIENT_PROCESS) offer_record(&clients[i], shown, n + header_size(), length, place, stream);
  }
  attach_tell_watchers();
}

/* How much of the record at `record` the client still gets to see. */
static uint32_t shown_size(const struct client *client, const uint8_t *record) {
  if ((record[5] & LOG_FLAG_NOTE) != 0 || !attach_is_wanted(client, record[4])) return 0;
  return get_u32(record) + header_size();
}

/* The client got `sent` more bytes of the records at attach_scratch, of which `count` bytes are there. */
static void advance(struct client *client, size_t sent, size_t count) {
  size_t at = 0;
  uint32_t length;
  while ((length = log_record_length(attach_scratch + at, count - at)) != 0) {
    uint32_t left = shown_size(client, attach_scratch + at);
    left = left > client->sent ? left - client->sent : 0;
    if (sent < left) {
      client->sent += (uint32_t)sent;
      return;
    }
    sent -= left;
    at += length;
    client->sent = 0;
    client->place.at += length;
    client->unread = client->unread > length ? client->unread - length : 0;
  }
}

/* The records at attach_scratch as parts of a message; `*used`: bytes of the records looked at. */
static size_t collect_parts(const struct client *client, size_t count, struct iovec *parts, size_t *used, size_t *total) {
  size_t found = 0;
  size_t at = 0;
  uint32_t skip = client->sent;
  uint32_t length;
  *total = 0;
  while (found < PARTS && (length = log_record_length(attach_scratch + at, count - at)) != 0) {
    uint8_t *record = attach_scratch + at;
    uint32_t shown = shown_size(client, record);
    if (shown > skip) {
      attach_put_stream_header(record + LOG_HEAD, record[4], get_u32(record));
      parts[found++] = (struct iovec){.iov_base = record + LOG_HEAD - header_size() + skip, .iov_len = shown - skip};
      *total += shown - skip;
    }
    skip = 0;
    at += length;
  }
  *used = at;
  return found;
}

/* Its place was rotated away: say so where there is a stream for such words, and close. */
static void tell_overrun(struct client *client) {
  static const char text[] = "carve: output was skipped: this reader fell behind the log\n";
  uint8_t frame[STREAM_HEADER + sizeof text];
  memcpy(frame + STREAM_HEADER, text, sizeof text - 1);
  attach_put_stream_header(frame + STREAM_HEADER, 3, sizeof text - 1);
  struct iovec part = {.iov_base = frame, .iov_len = STREAM_HEADER + sizeof text - 1};
  bool is_possible = client->sent == 0 && header_size() != 0;
  if (!is_possible) client_drop(client);
  else if (attach_send_parts(client, &part, 1) > 0 || client->is_output_dead) client_finish(client);
}

static void serve_process(struct client *client) {
  attach_scratch_used = true;
  for (int batch = 0; batch < BATCHES; batch++) {
    uint32_t number = client->place.number;
    int got = log_read(spool, &client->place, attach_scratch, sizeof attach_scratch);
    if (got < 0 || (client->sent > 0 && client->place.number != number)) {
      tell_overrun(client);
      return;
    }
    struct iovec parts[PARTS];
    size_t used;
    size_t total;
    size_t count = collect_parts(client, (size_t)got, parts, &used, &total);
    if (used == 0) return;
    size_t sent = count == 0 ? 0 : attach_send_parts(client, parts, count);
    if (client->is_output_dead) {
      attach_end_output(client);
      return;
    }
    advance(client, sent, used);
    if (sent < total) return;
  }
}

bool attach_wants_output(const struct client *client) {
  if (client->is_output_dead) return false;
  if (client->kind == CLIENT_PROCESS) return client->place.number != spool->number || client->place.at != spool->size;
  return client->kind == CLIENT_EXEC && client->sent < sessions[client->session].held;
}

void attach_serve_output(struct client *client) {
  if (!attach_wants_output(client)) return;
  if (client->kind == CLIENT_PROCESS) serve_process(client);
  else attach_serve_exec(client);
}

bool attach_is_late(const struct client *client) {
  uint64_t since_us = client->moved_us;
  uint64_t patience_us = STALL_US;
  if (client->kind == CLIENT_WATCH) return false;
  if (client->kind == CLIENT_CLOSING) {
    patience_us = STALL_US;
  } else if (client->kind == CLIENT_PROCESS && client->place.number + 1 < spool->oldest) {
    patience_us = OVERRUN_US;
  } else {
    const struct session *session = &sessions[client->session];
    if (session->state < SESSION_DRAINING || !attach_wants_output(client)) return false;
    if (since_us < session->end_us) since_us = session->end_us;
    if (client->kind == CLIENT_PROCESS && (client->streams & ATTACH_LOSSLESS) != 0) patience_us = PATIENT_US;
  }
  wait_until_us(since_us + patience_us);
  return wait_now_us() >= since_us + patience_us;
}

void attach_retain(void) {
  uint32_t from = spool->number;
  if (run_start.number != 0 && run_start.number < from) from = run_start.number;
  for (uint32_t i = 0; i < client_count; i++) {
    const struct client *client = &clients[i];
    if (client->kind == CLIENT_PROCESS && client->place.number != 0 && client->place.number < from) from = client->place.number;
  }
  log_retain(spool, from);
}

bool attach_flush(void) {
  bool is_done = true;
  for (uint32_t i = 0; i < client_count; i++) {
    struct client *client = &clients[i];
    if (client->kind == CLIENT_PROCESS && !attach_wants_output(client)) client_finish(client);
    if (client->kind == CLIENT_PROCESS || client->kind == CLIENT_CLOSING) is_done = false;
    else if (client->kind != CLIENT_FREE) client_drop(client);
  }
  return is_done;
}

/*
 * Accepting, reading frames, answering requests. See client.h.
 * Source: docs/chisel-protocol.md "The monitor's socket"; unix(7).
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include "attach.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pages.h"
#include "relay.h"
#include "wait.h"

#define ACCEPT_BATCH 16
#define FRAMES_PER_ROUND 64
#define ACCEPT_PAUSE_US 100000u /* after accept(2) failed for want of descriptors or memory */
#define LARGE_FRAME_US 10000000u /* longest time one client may keep the shared buffer */
#define EXEC_FIELDS 20u         /* bytes of an EXEC payload before its plan */

struct client clients[CLIENT_MAX];
uint32_t client_count;

static uint64_t accept_pause_until_us;
/* The one frame that is longer than CLIENT_HEAD, and whose it is. Others wait. */
static uint8_t large[FRAME_HEADER + FRAME_MAX] __attribute__((aligned(4096)));
static struct client *large_owner;
static uint64_t large_until_us;
static struct plan exec_plan;

void client_drop(struct client *client) {
  if (client == large_owner) large_owner = NULL;
  if (client->place.fd >= 0) close(client->place.fd);
  fd_cleanup(&client->fd);
  bool is_exec = client->kind == CLIENT_EXEC;
  uint32_t session = client->session;
  for (uint32_t i = 1; i < session_count; i++) {
    if (sessions[i].asker == client) sessions[i].asker = NULL;
  }
  *client = (struct client){.fd = -1, .place = {.fd = -1}};
  if (is_exec) attach_release_held(&sessions[session]);
  while (client_count > 0 && clients[client_count - 1].kind == CLIENT_FREE) client_count--;
}

void client_finish(struct client *client) {
  if (client->has_input_ended || client->is_output_dead || shutdown(client->fd, SHUT_WR) < 0) {
    client_drop(client);
    return;
  }
  if (client->place.fd >= 0) close(client->place.fd);
  client->place.fd = -1;
  client->kind = CLIENT_CLOSING;
  client->streams = 0;
  client->moved_us = wait_now_us();
}

bool client_can_accept(void) {
  if (wait_now_us() < accept_pause_until_us) {
    wait_until_us(accept_pause_until_us);
    return false;
  }
  if (client_count < CLIENT_MAX) return true;
  for (uint32_t i = 0; i < CLIENT_MAX; i++) {
    if (clients[i].kind == CLIENT_FREE) return true;
  }
  return false;
}

/* The socket's directory is ours alone; this is the second lock on the same door. */
static bool is_trusted(int fd) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return false;
  return peer.uid == 0 || peer.uid == geteuid();
}

void client_accept(int listener) {
  for (int i = 0; i < ACCEPT_BATCH && client_can_accept(); i++) {
    AUTO_FD int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) accept_pause_until_us = wait_now_us() + ACCEPT_PAUSE_US;
      return;
    }
    if (!is_trusted(fd)) continue;
    uint32_t at = 0;
    while (clients[at].kind != CLIENT_FREE) at++;
    clients[at] = (struct client){.fd = fd_take(&fd), .kind = CLIENT_NEW, .place = {.fd = -1}, .ticket = -1, .moved_us = wait_now_us()};
    if (at >= client_count) client_count = at + 1;
  }
}

bool client_send(struct client *client, uint16_t kind, uint64_t id, const void *payload, uint32_t length) {
  uint8_t frame[FRAME_HEADER + 128];
  frame_header(frame, kind, id, length);
  memcpy(frame + FRAME_HEADER, payload, length);
  size_t total = FRAME_HEADER + length;
  if (send(client->fd, frame, total, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)total) return true;
  client_drop(client);
  return false;
}

static void answer(struct client *client, uint64_t id, int status) {
  uint8_t payload[REPORT_BYTES];
  const struct report report = {.err = -status};
  report_encode(payload, &report);
  client_send(client, FRAME_DONE, id, payload, sizeof payload);
}

void client_encode_exit(uint8_t *out, const struct session *session) {
  put_u32(out, (uint32_t)session->code);
  put_u32(out + 4, (uint32_t)session->signal);
  put_u32(out + 8, session->is_oom);
  put_u64(out + 12, session->started_ns);
  put_u64(out + 20, session->exited_ns);
  put_u32(out + 28, (uint32_t)session->process.pid);
}

bool client_tell_end(const struct session *session) {
  uint8_t payload[EXITED_BYTES];
  client_encode_exit(payload, session);
  bool is_told = false;
  for (uint32_t i = 0; i < client_count; i++) {
    if (clients[i].kind == CLIENT_CONTROL && client_send(&clients[i], FRAME_EXITED, session->id, payload, sizeof payload)) is_told = true;
  }
  return is_told;
}

/* STATE, then the ends that no control client heard of. */
static void begin_control(struct client *client, uint64_t id) {
  const struct session *process = &sessions[0];
  uint8_t payload[24];
  put_u32(payload, (uint32_t)process->process.pid);
  put_u64(payload + 4, process->process.start_ticks);
  put_u64(payload + 12, process->started_ns);
  put_u32(payload + 20, (uint32_t)getpid());
  client->kind = CLIENT_CONTROL;
  if (!client_send(client, FRAME_STATE, id, payload, sizeof payload)) return;
  for (uint32_t i = 1; i < session_count; i++) {
    struct session *session = &sessions[i];
    if (session->state < SESSION_DRAINING || session->is_told) continue;
    uint8_t end[EXITED_BYTES];
    client_encode_exit(end, session);
    if (!client_send(client, FRAME_EXITED, session->id, end, sizeof end)) return;
    session->is_told = true;
    if (session->state == SESSION_ENDED) session_free(session);
  }
}

static void answer_exec(struct client *client, uint64_t id, const struct session *session, const struct report *report) {
  uint8_t payload[REPORT_BYTES + 24] = {0};
  report_encode(payload, report);
  if (report->err == 0) {
    put_u32(payload + REPORT_BYTES, (uint32_t)session->process.pid);
    put_u64(payload + REPORT_BYTES + 4, session->process.start_ticks);
    put_u32(payload + REPORT_BYTES + 12, (uint32_t)getpid());
    put_u64(payload + REPORT_BYTES + 16, session->started_ns);
  }
  client_send(client, FRAME_STARTED, id, payload, sizeof payload);
}

/* Check what the host checks of a start plan, and that the process stays in the container's own namespaces. */
static int decode_exec(const uint8_t *payload, uint32_t length, struct report *report) {
  *report = (struct report){.call = CALL_DECODE};
  if (length < EXEC_FIELDS || get_u32(payload + 16) != length - EXEC_FIELDS) return -EPROTO;
  if (get_u32(payload) == 0 || get_u32(payload) > INT32_MAX) return -EINVAL;
  if (get_u32(payload + 4) > 1 || get_u32(payload + 8) > 1 || get_u32(payload + 12) > 64) return -EINVAL;
  if (sessions[0].state != SESSION_RUNNING) return -ESRCH;
  if (session_find(get_u32(payload)) != NULL) return -EEXIST;
  int status = plan_decode(payload + EXEC_FIELDS, length - EXEC_FIELDS, &exec_plan, report);
  if (status != 0) return status;
  if (exec_plan.clone >= exec_plan.count || exec_plan.ops[0].code == OP_MONITOR) return -EINVAL;
  return op_u64(&exec_plan.ops[exec_plan.clone], F_CLONE_FLAGS) == 0 ? 0 : -EINVAL;
}

static void serve_exec(struct client *client, uint64_t id, const uint8_t *payload, uint32_t length) {
  struct report report;
  struct session *session = NULL;
  int status = decode_exec(payload, length, &report);
  if (status == 0) {
    session = session_reserve(false);
    if (session == NULL) status = -EAGAIN;
  }
  if (status == 0) {
    const struct session_settings settings = {
        .id = get_u32(payload), .tty = get_u32(payload + 4) != 0, .open_stdin = get_u32(payload + 8) != 0,
        .stdin_once = true, .expected = get_u32(payload + 12), .first = 0,
    };
    status = session_start(session, &exec_plan, &settings, &report);
  }
  release_pages(&exec_plan, sizeof exec_plan);
  if (status == 0) {
    session->asker = client;
    session->ask_id = id;
    return;
  }
  if (report.err == 0) report.err = -status;
  answer_exec(client, id, session, &report);
}

void client_settle_exec(struct session *session) {
  struct report report;
  int status = session_settle(session, &report);
  if (status > 0) return;
  struct client *asker = session->asker;
  session->asker = NULL;
  if (status < 0) attach_close_exec(session);
  if (asker != NULL) answer_exec(asker, session->ask_id, session, &report);
}

/* `u32 protocol, u32 port`, then the address. */
static int serve_release(const uint8_t *payload, uint32_t length) {
  union endpoint at;
  if (length < 8 || !endpoint_read(&at, payload + 8, length - 8, get_u32(payload + 4))) return -EPROTO;
  relay_release((int)get_u32(payload), &at);
  return 0;
}

static void serve_request(struct client *client, const struct frame *frame) {
  const uint8_t *payload = frame->payload;
  struct session *session;
  switch (frame->kind) {
    case FRAME_SIGNAL:
      if (frame->length < 4) break;
      session = session_find(frame->length >= 8 ? get_u32(payload + 4) : 0);
      answer(client, frame->id, session == NULL ? -ESRCH : session_signal(session, get_u32(payload)));
      return;
    case FRAME_RESIZE:
      if (frame->length < 12 || get_u32(payload + 4) > UINT16_MAX || get_u32(payload + 8) > UINT16_MAX) break;
      session = session_find(get_u32(payload));
      answer(client, frame->id, session == NULL ? -ESRCH : session_resize(session, get_u32(payload + 4), get_u32(payload + 8)));
      return;
    case FRAME_RELEASE:
      answer(client, frame->id, serve_release(payload, frame->length));
      return;
    case FRAME_EXEC:
      serve_exec(client, frame->id, payload, frame->length);
      return;
    default:
      break;
  }
  answer(client, frame->id, -EPROTO);
}

static void serve_frame(struct client *client, const struct frame *frame) {
  if (client->kind == CLIENT_CONTROL) {
    serve_request(client, frame);
  } else if (frame->kind == FRAME_CONTROL) {
    begin_control(client, frame->id);
  } else if (frame->kind == FRAME_ATTACH && frame->length == 4) {
    int status = attach_begin(client, get_u32(frame->payload), (uint32_t)frame->id);
    answer(client, frame->id, status);
    if (status != 0 && client->kind != CLIENT_FREE) client_drop(client);
  } else if (frame->kind == FRAME_WATCH) {
    client->kind = CLIENT_WATCH;
    client->is_dirty = true;
    answer(client, frame->id, 0);
  } else {
    client_drop(client);
  }
}

/* Where the frame's bytes go; NULL: the shared buffer is taken, wait. */
static uint8_t *frame_room(struct client *client, uint32_t total) {
  if (total <= CLIENT_HEAD) return client->head;
  if (large_owner != NULL && large_owner != client) return NULL;
  if (large_owner == NULL) {
    large_owner = client;
    large_until_us = wait_now_us() + LARGE_FRAME_US;
    memcpy(large, client->head, FRAME_HEADER);
  }
  return large;
}

/* Exactly the frame, so that raw bytes after an ATTACH stay in the socket. False: nothing more now. */
static bool read_frame(struct client *client) {
  struct frame frame = {0};
  uint32_t total = FRAME_HEADER;
  uint8_t *room = client->head;
  if (client->have >= FRAME_HEADER) {
    if (frame_parse_header(client->head, &frame) != 0) {
      client_drop(client);
      return false;
    }
    total = FRAME_HEADER + frame.length;
    if (total > CLIENT_HEAD && client->kind == CLIENT_NEW) {
      client_drop(client);
      return false;
    }
    room = frame_room(client, total);
    if (room == NULL) return false;
  }
  while (client->have < total) {
    ssize_t got = recv(client->fd, room + client->have, total - client->have, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return false;
    if (got <= 0) {
      client_drop(client);
      return false;
    }
    client->have += (uint32_t)got;
  }
  if (total == FRAME_HEADER && (frame_parse_header(client->head, &frame) != 0 || frame.length > 0)) {
    return true;
  }
  frame.payload = room + FRAME_HEADER;
  client->have = 0;
  serve_frame(client, &frame);
  if (room == large) {
    if (large_owner == client) large_owner = NULL;
    release_pages(large, sizeof large);
  }
  return client->kind == CLIENT_NEW || client->kind == CLIENT_CONTROL;
}

void client_wait(struct client *client) {
  short events = 0;
  client->ticket = -1;
  if (client->kind == CLIENT_NEW || client->kind == CLIENT_CONTROL) {
    if (large_owner == client) wait_until_us(large_until_us);
    bool is_waiting = large_owner != NULL && large_owner != client && client->have >= FRAME_HEADER;
    if (is_waiting) return;
    events = POLLIN;
  } else {
    if (attach_is_late(client)) {
      client_drop(client);
      return;
    }
    if (attach_wants_input(client)) events = POLLIN;
    if (attach_wants_output(client)) events = (short)(events | POLLOUT);
    /* With unread input that cannot be used now a hang-up would be reported again and again. */
    if (events == 0 && !client->has_input_ended) return;
  }
  client->ticket = wait_for(client->fd, events);
}

void client_serve(struct client *client) {
  if (client == large_owner && wait_now_us() >= large_until_us) {
    client_drop(client);
    return;
  }
  short ready = wait_result(client->ticket);
  if (ready == 0) return;
  if (client->kind == CLIENT_NEW || client->kind == CLIENT_CONTROL) {
    for (int i = 0; i < FRAMES_PER_ROUND && read_frame(client); i++) continue;
    return;
  }
  if ((ready & POLLOUT) != 0) attach_serve_output(client);
  if (client->kind == CLIENT_FREE) return;
  if ((ready & (POLLIN | POLLHUP | POLLERR)) == 0) return;
  if (!client->has_input_ended) attach_serve_input(client);
  else if ((ready & (POLLHUP | POLLERR)) != 0) client_drop(client);
}

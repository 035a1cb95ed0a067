/*
 * Output of execs to their clients: one held piece for all of them, the next
 * is read when everyone has it. So a slow client holds its exec back, and
 * nothing else. See attach.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include "attach.h"

#include <sys/uio.h>

static bool is_client_of(const struct client *client, const struct session *session) {
  return client->kind == CLIENT_EXEC && client->session == session_index(session);
}

void attach_release_held(struct session *session) {
  for (uint32_t i = 0; i < client_count; i++) {
    if (is_client_of(&clients[i], session) && clients[i].sent < session->held) return;
  }
  session->held = 0;
}

void attach_serve_exec(struct client *client) {
  struct session *session = &sessions[client->session];
  struct iovec part = {.iov_base = session_held[client->session] + client->sent, .iov_len = session->held - client->sent};
  client->sent += (uint32_t)attach_send_parts(client, &part, 1);
  if (client->is_output_dead) attach_end_output(client);
  attach_release_held(session);
}

void attach_exec_output(struct session *session, uint8_t stream, uint32_t count) {
  uint8_t *held = session_held[session_index(session)];
  attach_put_stream_header(held + STREAM_HEADER, stream, count);
  session->held = STREAM_HEADER + count;
  /* All are to be served before the first is: one that has everything must not release what others wait for. */
  for (uint32_t i = 0; i < client_count; i++) {
    if (!is_client_of(&clients[i], session)) continue;
    clients[i].sent = attach_is_wanted(&clients[i], stream) ? (session->tty ? STREAM_HEADER : 0) : session->held;
  }
  for (uint32_t i = 0; i < client_count; i++) {
    if (is_client_of(&clients[i], session) && clients[i].sent < session->held) attach_serve_exec(&clients[i]);
  }
  attach_release_held(session);
}

void attach_close_exec(const struct session *session) {
  for (uint32_t i = 0; i < client_count; i++) {
    if (is_client_of(&clients[i], session)) client_finish(&clients[i]);
  }
}

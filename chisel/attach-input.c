/*
 * What comes from attached clients: input for processes, and what watchers
 * ask. See attach.h.
 *
 * Input is looked at in the client's socket and taken from there only as far
 * as the process took it, so that nothing is stored here.
 * Source: recv(2) MSG_PEEK; docs/chisel-protocol.md "Streams".
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include "attach.h"

#include <errno.h>
#include <sys/socket.h>

static void tell_watcher(struct client *client) {
  if (!client->is_armed || !client->is_dirty) return;
  client->is_armed = client->is_dirty = false;
  if (send(client->fd, "\1", 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1) client_drop(client);
}

void attach_tell_watchers(void) {
  for (uint32_t i = 0; i < client_count; i++) {
    if (clients[i].kind != CLIENT_WATCH) continue;
    clients[i].is_dirty = true;
    tell_watcher(&clients[i]);
  }
}

void attach_end_watchers(void) {
  for (uint32_t i = 0; i < client_count; i++) {
    if (clients[i].kind == CLIENT_WATCH) client_drop(&clients[i]);
  }
}

bool attach_wants_input(const struct client *client) {
  if (client->has_input_ended) return false;
  return (client->streams & ATTACH_STDIN) == 0 || !sessions[client->session].is_input_full;
}

static void end_input(struct client *client) {
  struct session *session = &sessions[client->session];
  client->has_input_ended = true;
  if ((client->streams & ATTACH_STDIN) != 0 && session->stdin_once) session_end_input(session);
  if (client->is_output_dead || client->kind == CLIENT_WATCH || client->kind == CLIENT_CLOSING) client_drop(client);
}

void attach_serve_input(struct client *client) {
  bool is_stdin = (client->streams & ATTACH_STDIN) != 0;
  if (!attach_wants_input(client)) return;
  attach_scratch_used = true;
  ssize_t got = recv(client->fd, attach_scratch, sizeof attach_scratch, MSG_DONTWAIT | (is_stdin ? MSG_PEEK : 0));
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    end_input(client);
    return;
  }
  if (client->kind == CLIENT_WATCH) {
    client->is_armed = true;
    tell_watcher(client);
  }
  if (!is_stdin) return;
  size_t taken = session_write(&sessions[client->session], attach_scratch, (size_t)got);
  if (taken > 0) recv(client->fd, attach_scratch, taken, MSG_DONTWAIT);
}

/*
 * Connections of the relay. What one side sent is looked at in its socket, put
 * into the other's, and taken from there as far as that took it: nothing is
 * stored here, and who reads slowly holds up its own sender only.
 * Source: tcp(7), recv(2) MSG_PEEK and MSG_TRUNC, socket(7) SO_LINGER.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>

#include "relay-internal.h"
#include "wait.h"

#define PAIRS 384u
#define ACCEPTS_MAX 16u       /* of one port in one round */
#define MOVES_MAX 4u          /* of one direction in one round */
#define SILENT_US 60000000u   /* so silent a connection makes room for a new one */
#define REST_US 100000u       /* after there was no descriptor */
#define FULL_US 1000000u      /* until a full house is looked at again */
#define SYNS 3                /* about 15 s to be answered */
#define KEEP_IDLE_S 300       /* who went away without a word is found out */

struct pair {
  int fd[2];          /* who came; who is reached. -1: free */
  int16_t ticket[2];
  bool is_connecting;
  bool has_ended[2];  /* said its last word, which the other heard */
  bool is_blocked[2]; /* the other takes no more of its words now */
  uint64_t used_us;
};

static struct pair pairs[PAIRS];
static uint64_t rest_until_us;

void streams_init(void) {
  for (uint32_t i = 0; i < PAIRS; i++) pairs[i].fd[0] = pairs[i].fd[1] = -1;
}

/* `is_broken`: both hear of it as of a failure, not as of an end. */
static void drop(struct pair *pair, bool is_broken) {
  static const struct linger at_once = {.l_onoff = 1};
  for (int i = 0; i < 2; i++) {
    if (is_broken && pair->fd[i] >= 0) setsockopt(pair->fd[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    fd_cleanup(&pair->fd[i]);
    pair->fd[i] = -1;
  }
}

/* ---- new ones ---------------------------------------------------------------------------- */

/* A free place, or that of the one silent longest, if it is silent long. */
static struct pair *find_room(void) {
  struct pair *oldest = &pairs[0];
  for (uint32_t i = 0; i < PAIRS; i++) {
    if (pairs[i].fd[0] < 0) return &pairs[i];
    if (pairs[i].used_us < oldest->used_us) oldest = &pairs[i];
  }
  return wait_now_us() >= oldest->used_us + SILENT_US ? oldest : NULL;
}

bool streams_may_accept(void) {
  if (wait_now_us() < rest_until_us) {
    wait_until_us(rest_until_us);
    return false;
  }
  if (find_room() != NULL) return true;
  wait_until_us(wait_now_us() + FULL_US);
  return false;
}

static void set_number(int fd, int level, int name, int value) { setsockopt(fd, level, name, &value, sizeof value); }

static void tune(int fd) {
  set_number(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_number(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S);
  set_number(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

static void open_pair(struct pair *pair, const struct reserved_port *port, int client) {
  if (pair->fd[0] >= 0) drop(pair, true);
  int server = socket(port->target.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  *pair = (struct pair){.fd = {client, server}, .ticket = {-1, -1}, .is_connecting = true, .used_us = wait_now_us()};
  tune(client);
  if (server >= 0) {
    tune(server);
    set_number(server, IPPROTO_TCP, TCP_SYNCNT, SYNS);
  }
  if (server < 0 || (connect(server, &port->target.any, endpoint_size(&port->target)) < 0 && errno != EINPROGRESS)) drop(pair, true);
}

void streams_accept(const struct reserved_port *port) {
  for (uint32_t i = 0; i < ACCEPTS_MAX; i++) {
    struct pair *pair = find_room();
    if (pair == NULL) return;
    int client = accept4(port->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client >= 0) {
      open_pair(pair, port, client);
      continue;
    }
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) rest_until_us = wait_now_us() + REST_US;
    return;
  }
}

/* ---- their words --------------------------------------------------------------------------- */

/* From `from` to the other one what there is; false: it broke, or both said all. */
static bool move(struct pair *pair, int from) {
  int source = pair->fd[from], sink = pair->fd[!from];
  for (uint32_t i = 0; i < MOVES_MAX; i++) {
    ssize_t got = recv(source, relay_buffer, sizeof relay_buffer, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    pair->used_us = wait_now_us();
    if (got == 0) {
      pair->has_ended[from] = true;
      shutdown(sink, SHUT_WR);
      return !pair->has_ended[!from];
    }
    ssize_t put = send(sink, relay_buffer, (size_t)got, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (put > 0 && recv(source, NULL, (size_t)put, MSG_TRUNC | MSG_DONTWAIT) != put) return false;
    pair->is_blocked[from] = put < got;
    if (put < got) return true;
  }
  return true;
}

static bool finish_connect(struct pair *pair) {
  int err = 0;
  socklen_t size = sizeof err;
  pair->is_connecting = false;
  return getsockopt(pair->fd[1], SOL_SOCKET, SO_ERROR, &err, &size) == 0 && err == 0;
}

/* What happens at a socket concerns what it says, and what it is told. */
static bool serve_pair(struct pair *pair) {
  short ready[2] = {wait_result(pair->ticket[0]), wait_result(pair->ticket[1])};
  if (pair->is_connecting) return ready[1] == 0 || finish_connect(pair);
  for (int from = 0; from < 2; from++) {
    if (pair->has_ended[from] || ready[pair->is_blocked[from] ? !from : from] == 0) continue;
    if (!move(pair, from)) return false;
  }
  return true;
}

void streams_serve(void) {
  for (uint32_t i = 0; i < PAIRS; i++) {
    struct pair *pair = &pairs[i];
    if (pair->fd[0] < 0 || (pair->ticket[0] < 0 && pair->ticket[1] < 0) || serve_pair(pair)) continue;
    drop(pair, !pair->has_ended[0] || !pair->has_ended[1]);
  }
}

/* Never without an event: a hang-up would be reported again and again. */
static int16_t wait_side(const struct pair *pair, int side) {
  bool reads = !pair->is_connecting && !pair->has_ended[side] && !pair->is_blocked[side];
  bool writes = pair->is_connecting ? side == 1 : !pair->has_ended[!side] && pair->is_blocked[!side];
  short events = (short)((reads ? POLLIN : 0) | (writes ? POLLOUT : 0));
  return events == 0 ? -1 : wait_for(pair->fd[side], events);
}

bool streams_wait(void) {
  bool is_busy = false;
  for (uint32_t i = 0; i < PAIRS; i++) {
    struct pair *pair = &pairs[i];
    if (pair->fd[0] < 0) continue;
    is_busy = true;
    for (int side = 0; side < 2; side++) pair->ticket[side] = wait_side(pair, side);
  }
  return is_busy;
}

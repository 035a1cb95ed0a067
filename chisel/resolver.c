/*
 * Queries out of the process' network namespace, answers back into it. See
 * resolver.h.
 *
 * A query's token says where its answer goes; what cannot be asked now stays in
 * the kernel's queues, which are bounded, and a connection's unfinished query
 * stays in its socket. A query is kept until it is answered, as far as there is
 * room: whoever comes after one that is gone is asked again, once, so that no
 * query can end one after the other.
 * Source: docs/chisel-protocol.md "Names"; RFC 1035 4.2; tcp(7), unix(7), socket(7) SO_RCVLOWAT.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include "resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "pages.h"
#include "wait.h"

#define CONNECTIONS 32u
#define QUERY_MIN 12u          /* a header */
#define QUERY_MAX 4096u
#define ANSWER_MAX 65535u
#define IN_FLIGHT_MAX 512u
#define KEPT_MAX 65536u        /* bytes of queries without an answer that can be asked again */
#define ROUND_MAX 64u          /* queries or answers in one round */
#define TICK_US 100000u
#define TICK_MAX 500u          /* queries in one tick */
#define RETRY_US 200000u       /* between attempts to reach who answers */
#define HOLD_US 5000000u       /* so long queries wait for that, then they are thrown away */
#define STALL_US 10000000u     /* a full house without an answer: start again */
#define IDLE_US 10000000u      /* of a connection */
#define BUFFER_IDLE_US 2000000u

#define TOKEN_TCP (1ull << 48) /* else address and port of a datagram's sender */

struct connection {
  int fd; /* -1: free */
  int16_t ticket;
  uint16_t generation;
  uint16_t pending;   /* its queries without an answer */
  uint16_t wanted;    /* bytes it must have before it is worth a look */
  bool has_ended;     /* it asks nothing more */
  uint64_t used_us;
};

static struct {
  bool is_on;
  bool is_dirty;      /* buffers were touched */
  int datagrams;
  int listener;
  int server;         /* who answers; -1: not reached */
  int16_t ticket_datagrams;
  int16_t ticket_listener;
  int16_t ticket_server;
  uint32_t in_flight;
  uint32_t spent;     /* queries in this tick */
  uint32_t have;      /* bytes of the answer being read */
  uint32_t kept;      /* bytes of frames in `kept` */
  uint32_t repeated;  /* of them, in front: those that were asked again */
  uint64_t tick_us;
  uint64_t retry_us;  /* not tried before */
  uint64_t failing_us; /* first failed attempt for what waits; 0: none */
  uint64_t heard_us;  /* last answer, or first query after silence */
  uint64_t used_us;
  char dir[4096];
  char name[108];
  char label[129];
} resolver;

static struct connection connections[CONNECTIONS];
static uint8_t outbox[FRAME_HEADER + QUERY_MAX] __attribute__((aligned(4096)));
static uint8_t inbox[FRAME_HEADER + ANSWER_MAX] __attribute__((aligned(4096)));
static uint8_t kept[KEPT_MAX] __attribute__((aligned(4096))); /* frames, in the order in which they were asked */

void resolver_init(const struct plan *plan, int sockets[2]) {
  for (uint32_t i = 0; i < plan->count && sockets[0] >= 0; i++) {
    const struct op *op = &plan->ops[i];
    if (op->code != OP_RESOLVER) continue;
    strncpy(resolver.dir, op_text(op, F_RESOLVER_DIR), sizeof resolver.dir - 1);
    strncpy(resolver.name, op_text(op, F_RESOLVER_NAME), sizeof resolver.name - 1);
    strncpy(resolver.label, op_text(op, F_RESOLVER_LABEL), sizeof resolver.label - 1);
    resolver.datagrams = fd_take(&sockets[0]);
    resolver.listener = fd_take(&sockets[1]);
    resolver.server = -1;
    resolver.is_on = true;
    for (uint32_t at = 0; at < CONNECTIONS; at++) connections[at].fd = -1;
    return;
  }
}

static void drop(struct connection *connection) {
  fd_cleanup(&connection->fd);
  connection->fd = -1;
  connection->generation++;
}

void resolver_end(void) {
  if (!resolver.is_on) return;
  for (uint32_t i = 0; i < CONNECTIONS; i++) drop(&connections[i]);
  fd_cleanup(&resolver.datagrams);
  fd_cleanup(&resolver.listener);
  fd_cleanup(&resolver.server);
  resolver.is_on = false;
}

static uint64_t token_of(const struct connection *connection) {
  return TOKEN_TCP | (uint64_t)(connection - connections) << 16 | connection->generation;
}

/* ---- queries without an answer ------------------------------------------------------ */

/* The frame at `at` of `kept`; false behind the last. */
static bool kept_frame(uint32_t at, struct frame *frame) {
  return at < resolver.kept && frame_parse_header(kept + at, frame) == 0;
}

static void forget_bytes(uint32_t at, uint32_t bytes) {
  resolver.kept -= bytes;
  if (at < resolver.repeated) resolver.repeated -= bytes;
  memmove(kept + at, kept + at + bytes, resolver.kept - at);
}

/* Several may have one token; the id in front of an answer tells which, else it is the first. */
static void forget(uint64_t token, const uint8_t *answer, uint32_t length) {
  struct frame frame;
  uint32_t found = UINT32_MAX, bytes = 0;
  for (uint32_t at = 0; kept_frame(at, &frame); at += FRAME_HEADER + frame.length) {
    if (frame.id != token) continue;
    bool is_it = length < 2 || memcmp(kept + at + FRAME_HEADER, answer, 2) == 0;
    if (!is_it && found != UINT32_MAX) continue;
    found = at;
    bytes = FRAME_HEADER + frame.length;
    if (is_it) break;
  }
  if (bytes > 0) forget_bytes(found, bytes);
}

/* Queries of this token that can be asked again; `of_any`: of all. */
static uint32_t count_kept(uint64_t token, bool of_any) {
  struct frame frame;
  uint32_t count = 0;
  for (uint32_t at = 0; kept_frame(at, &frame); at += FRAME_HEADER + frame.length) count += of_any || frame.id == token;
  return count;
}

/* ---- who answers ---------------------------------------------------------------- */

/* A connection hears at once of what will not be asked again, a sender of datagrams asks itself. */
static void lose_server(void) {
  fd_cleanup(&resolver.server);
  resolver.server = -1;
  resolver.have = resolver.in_flight = 0;
  /* One that dies may still seem to listen. */
  resolver.retry_us = wait_now_us() + RETRY_US;
  if (resolver.repeated > 0) forget_bytes(0, resolver.repeated);
  for (uint32_t i = 0; i < CONNECTIONS; i++) {
    struct connection *connection = &connections[i];
    if (connection->fd >= 0 && connection->pending > count_kept(token_of(connection), false)) drop(connection);
  }
}

/* All at once to one who has heard nothing yet: it has room for that. */
static void ask_again(void) {
  if (resolver.kept == 0) return;
  ssize_t put = send(resolver.server, kept, resolver.kept, MSG_DONTWAIT | MSG_NOSIGNAL);
  resolver.repeated = resolver.kept;
  if (put != (ssize_t)resolver.kept) {
    lose_server();
    return;
  }
  resolver.in_flight = count_kept(0, true);
  resolver.heard_us = wait_now_us();
}

/* By its name in its directory: the whole path may be longer than a socket address. */
static int connect_server(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  uint8_t hello[FRAME_HEADER + sizeof resolver.label];
  uint32_t length = (uint32_t)strlen(resolver.label);
  strncpy(address.sun_path, resolver.name, sizeof address.sun_path - 1);
  AUTO_FD int dir = open(resolver.dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
  AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (dir < 0 || fd < 0 || fchdir(dir) < 0) return -1;
  int status = connect(fd, (struct sockaddr *)&address, sizeof address);
  if (chdir("/") < 0 || status < 0) return -1;
  frame_header(hello, FRAME_HELLO, 0, length);
  memcpy(hello + FRAME_HEADER, resolver.label, length);
  if (send(fd, hello, FRAME_HEADER + length, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)(FRAME_HEADER + length)) return -1;
  return fd_take(&fd);
}

/* Nobody answers for so long that who asked has given up. */
static void discard_waiting(void) {
  resolver.kept = resolver.repeated = 0;
  for (uint32_t i = 0; i < CONNECTIONS; i++) drop(&connections[i]);
  for (uint32_t i = 0; i < 4096 && recv(resolver.datagrams, outbox, 1, MSG_DONTWAIT) >= 0; i++) continue;
  for (uint32_t i = 0; i < CONNECTIONS; i++) {
    int fd = accept4(resolver.listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) return;
    close(fd);
  }
}

static bool reach_server(void) {
  if (resolver.server >= 0) return true;
  uint64_t now_us = wait_now_us();
  resolver.server = connect_server();
  if (resolver.server >= 0) {
    resolver.failing_us = 0;
    ask_again();
    return resolver.server >= 0;
  }
  resolver.retry_us = now_us + RETRY_US;
  if (resolver.failing_us == 0) resolver.failing_us = now_us;
  if (now_us < resolver.failing_us + HOLD_US) return false;
  resolver.failing_us = 0;
  discard_waiting();
  return false;
}

/* ---- queries ---------------------------------------------------------------------- */

/* True while one more query may be read; else the deadline when, or an answer, will tell. */
static bool may_ask(void) {
  uint64_t now_us = wait_now_us();
  if (now_us >= resolver.tick_us + TICK_US) {
    resolver.tick_us = now_us;
    resolver.spent = 0;
  }
  if (resolver.spent >= TICK_MAX) wait_until_us(resolver.tick_us + TICK_US);
  if (resolver.server < 0 && now_us < resolver.retry_us) wait_until_us(resolver.retry_us);
  bool is_reachable = resolver.server >= 0 || now_us >= resolver.retry_us;
  return resolver.spent < TICK_MAX && resolver.in_flight < IN_FLIGHT_MAX && is_reachable;
}

/* The query of `length` bytes in the outbox; it goes whole or not at all. True: it has, or will have, an answer. */
static bool ask(uint64_t token, uint32_t length) {
  uint32_t total = FRAME_HEADER + length;
  frame_header(outbox, FRAME_QUERY, token, length);
  ssize_t put = send(resolver.server, outbox, total, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (put < 0 && (errno == EAGAIN || errno == ENOBUFS)) return false;
  bool fits = total <= KEPT_MAX - resolver.kept;
  if (fits) {
    memcpy(kept + resolver.kept, outbox, total);
    resolver.kept += total;
  }
  if (put == (ssize_t)total) {
    if (resolver.in_flight++ == 0) resolver.heard_us = wait_now_us();
    return true;
  }
  lose_server();
  return fits;
}

static void read_datagrams(void) {
  for (uint32_t i = 0; i < ROUND_MAX && resolver.server >= 0 && may_ask(); i++) {
    struct sockaddr_in from = {0};
    socklen_t size = sizeof from;
    ssize_t got = recvfrom(resolver.datagrams, outbox + FRAME_HEADER, QUERY_MAX, MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&from, &size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return;
    resolver.spent++;
    if (got < (ssize_t)QUERY_MIN || got > (ssize_t)QUERY_MAX) continue;
    ask((uint64_t)ntohl(from.sin_addr.s_addr) << 16 | ntohs(from.sin_port), (uint32_t)got);
  }
}

/* Wake when so many bytes of it are there. */
static void want(struct connection *connection, uint32_t bytes) {
  int mark = (int)bytes;
  if (connection->wanted == bytes) return;
  connection->wanted = (uint16_t)bytes;
  setsockopt(connection->fd, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof mark);
}

static void end_input(struct connection *connection) {
  if (connection->pending == 0) drop(connection);
  else connection->has_ended = true;
}

/* One query of a connection, its length in front; false: no more for now, or for ever. */
static bool read_query(struct connection *connection) {
  uint8_t *message = outbox + FRAME_HEADER - 2;
  ssize_t got = recv(connection->fd, message, 2 + QUERY_MAX, MSG_DONTWAIT | MSG_PEEK);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  uint32_t length = got < 2 ? 0 : (uint32_t)message[0] << 8 | message[1];
  if (got < 0 || (got >= 2 && (length < QUERY_MIN || length > QUERY_MAX))) {
    drop(connection);
    return false;
  }
  if (got < (ssize_t)(2 + length)) {
    /* It was called ready with less than asked for: there is no more. */
    if (got < (ssize_t)connection->wanted) end_input(connection);
    else want(connection, 2 + length);
    return false;
  }
  if (recv(connection->fd, message, 2 + length, MSG_DONTWAIT) != (ssize_t)(2 + length)) {
    drop(connection);
    return false;
  }
  resolver.spent++;
  connection->used_us = wait_now_us();
  want(connection, 2);
  connection->pending++;
  if (!ask(token_of(connection), length)) {
    drop(connection);
    return false;
  }
  return connection->fd >= 0;
}

/* A place for a new connection: a free one, else the one that was silent longest. */
static struct connection *make_room(void) {
  struct connection *oldest = &connections[0];
  for (uint32_t i = 0; i < CONNECTIONS; i++) {
    if (connections[i].fd < 0) return &connections[i];
    if (connections[i].used_us < oldest->used_us) oldest = &connections[i];
  }
  drop(oldest);
  return oldest;
}

/* No descriptor to be had: the next tick may have one. Who may administer the namespace can end the listener. */
static void fail_accept(void) {
  if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
  resolver.spent = TICK_MAX;
  if (errno != EINVAL) return;
  fd_cleanup(&resolver.listener);
  resolver.listener = -1;
}

static void accept_connections(void) {
  static const int room = 2 * (int)ANSWER_MAX; /* an answer fits whole, or its reader is too slow */
  for (uint32_t i = 0; i < CONNECTIONS; i++) {
    int fd = accept4(resolver.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      fail_accept();
      return;
    }
    resolver.spent++;
    struct connection *connection = make_room();
    *connection = (struct connection){.fd = fd, .ticket = -1, .generation = connection->generation, .used_us = wait_now_us()};
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    want(connection, 2);
  }
}

/* ---- answers ------------------------------------------------------------------------ */

static void answer_connection(struct connection *connection, uint8_t *payload, uint32_t length) {
  connection->pending--;
  payload[-2] = (uint8_t)(length >> 8);
  payload[-1] = (uint8_t)length;
  bool is_sent = length > 0 && send(connection->fd, payload - 2, length + 2, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)(length + 2);
  if (!is_sent || (connection->has_ended && connection->pending == 0)) drop(connection);
}

/* To who asked, if it is still there. Without bytes: there is no answer. */
static void deliver(uint64_t token, uint8_t *payload, uint32_t length) {
  resolver.heard_us = wait_now_us();
  if (resolver.in_flight > 0) resolver.in_flight--;
  forget(token, payload, length);
  if ((token & TOKEN_TCP) != 0) {
    struct connection *connection = &connections[(token >> 16) % CONNECTIONS];
    bool is_it = connection->fd >= 0 && connection->generation == (uint16_t)token && connection->pending > 0;
    if (is_it) answer_connection(connection, payload, length);
    return;
  }
  const struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)token), .sin_addr = {htonl((uint32_t)(token >> 16))}};
  if (length > 0) sendto(resolver.datagrams, payload, length, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&to, sizeof to);
}

/* One answer; false: not whole yet, or nobody is there. */
static bool read_answer(void) {
  struct frame frame = {0};
  uint32_t total = FRAME_HEADER;
  for (;;) {
    if (resolver.have >= FRAME_HEADER) {
      if (frame_parse_header(inbox, &frame) != 0 || frame.kind != FRAME_ANSWER || frame.length > ANSWER_MAX) break;
      total = FRAME_HEADER + frame.length;
    }
    if (resolver.have == total) {
      resolver.have = 0;
      deliver(frame.id, inbox + FRAME_HEADER, frame.length);
      return true;
    }
    ssize_t got = recv(resolver.server, inbox + resolver.have, total - resolver.have, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return false;
    if (got <= 0) break;
    resolver.have += (uint32_t)got;
  }
  lose_server();
  return false;
}

/* ---- the round ------------------------------------------------------------------------ */

static void release_buffers(void) {
  if (!resolver.is_dirty || resolver.have > 0 || resolver.kept > 0) return;
  if (wait_now_us() < resolver.used_us + BUFFER_IDLE_US) {
    wait_until_us(resolver.used_us + BUFFER_IDLE_US);
    return;
  }
  resolver.is_dirty = false;
  release_pages(inbox, sizeof inbox);
  release_pages(outbox, sizeof outbox);
  release_pages(kept, sizeof kept);
}

static void wait_for_connection(struct connection *connection, bool asks) {
  connection->ticket = -1;
  if (connection->fd < 0) return;
  if (wait_now_us() >= connection->used_us + IDLE_US) {
    drop(connection);
    return;
  }
  wait_until_us(connection->used_us + IDLE_US);
  if (asks && !connection->has_ended) connection->ticket = wait_for(connection->fd, POLLIN);
}

/* Somebody waits for who comes. */
static bool must_reach(void) {
  return resolver.server < 0 && resolver.kept > 0;
}

void resolver_wait(void) {
  resolver.ticket_datagrams = resolver.ticket_listener = resolver.ticket_server = -1;
  if (!resolver.is_on) return;
  release_buffers();
  if (resolver.in_flight >= IN_FLIGHT_MAX) {
    if (wait_now_us() >= resolver.heard_us + STALL_US) {
      resolver.repeated = resolver.kept;
      lose_server();
    } else wait_until_us(resolver.heard_us + STALL_US);
  }
  if (must_reach()) wait_until_us(resolver.retry_us);
  bool asks = may_ask();
  if (resolver.server >= 0) resolver.ticket_server = wait_for(resolver.server, POLLIN);
  for (uint32_t i = 0; i < CONNECTIONS; i++) wait_for_connection(&connections[i], asks);
  if (!asks) return;
  resolver.ticket_datagrams = wait_for(resolver.datagrams, POLLIN);
  resolver.ticket_listener = wait_for(resolver.listener, POLLIN);
}

void resolver_serve(void) {
  if (!resolver.is_on) return;
  bool is_answered = wait_result(resolver.ticket_server) != 0;
  bool is_asked = wait_result(resolver.ticket_datagrams) != 0 || wait_result(resolver.ticket_listener) != 0;
  for (uint32_t i = 0; i < CONNECTIONS; i++) is_asked |= connections[i].fd >= 0 && wait_result(connections[i].ticket) != 0;
  bool is_due = must_reach() && wait_now_us() >= resolver.retry_us;
  if (!is_answered && !is_asked && !is_due) return;
  resolver.is_dirty = true;
  resolver.used_us = wait_now_us();
  for (uint32_t i = 0; is_answered && i < ROUND_MAX && read_answer(); i++) continue;
  if ((!is_asked && !is_due) || !reach_server()) return;
  for (uint32_t i = 0; i < CONNECTIONS; i++) {
    struct connection *connection = &connections[i];
    if (connection->fd < 0 || wait_result(connection->ticket) == 0) continue;
    for (uint32_t n = 0; n < ROUND_MAX / 8 && connection->fd >= 0 && resolver.server >= 0 && may_ask() && read_query(connection); n++) continue;
  }
  if (wait_result(resolver.ticket_datagrams) != 0) read_datagrams();
  if (wait_result(resolver.ticket_listener) != 0) accept_connections();
}

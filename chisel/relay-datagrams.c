/*
 * Datagrams of the relay: a socket of its own for each sender, so that answers
 * find the way back; they come from the address that was asked.
 * Source: udp(7), ipv6(7), RFC 3542 IPV6_PKTINFO.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "relay-internal.h"
#include "wait.h"

#define FLOWS 192u
#define ROUND_MAX 32u         /* datagrams of one socket in one round */
#define SILENT_US 90000000u   /* a flow that ended: nobody says so */

struct flow {
  int fd;               /* -1: free */
  int16_t ticket;
  uint32_t port;        /* index of the reserved port it came by */
  struct sockaddr_in6 from;
  struct in6_pktinfo to; /* which of the host's addresses was asked, and by which link */
  uint64_t used_us;
};

static struct flow flows[FLOWS];

static void drop(struct flow *flow) {
  fd_cleanup(&flow->fd);
  flow->fd = -1;
}

void datagrams_init(void) {
  static const int yes = 1;
  for (uint32_t i = 0; i < FLOWS; i++) flows[i].fd = -1;
  for (uint32_t i = 0; i < reserved_port_count; i++) {
    if (reserved_ports[i].fd >= 0 && reserved_ports[i].protocol == IPPROTO_UDP) setsockopt(reserved_ports[i].fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &yes, sizeof yes);
  }
}

static bool is_of(const struct flow *flow, const struct flow *asked) {
  return flow->fd >= 0 && flow->port == asked->port && flow->from.sin6_port == asked->from.sin6_port &&
         flow->from.sin6_scope_id == asked->from.sin6_scope_id &&
         memcmp(&flow->from.sin6_addr, &asked->from.sin6_addr, sizeof flow->from.sin6_addr) == 0 &&
         memcmp(&flow->to.ipi6_addr, &asked->to.ipi6_addr, sizeof flow->to.ipi6_addr) == 0;
}

/* The flow of a datagram: one there is, a free one, else the place of the one silent longest. NULL: no descriptor. */
static struct flow *find_flow(const struct flow *asked) {
  struct flow *room = &flows[0];
  for (uint32_t i = 0; i < FLOWS; i++) {
    if (is_of(&flows[i], asked)) return &flows[i];
    if (room->fd >= 0 && (flows[i].fd < 0 || flows[i].used_us < room->used_us)) room = &flows[i];
  }
  const union endpoint *target = &reserved_ports[asked->port].target;
  drop(room);
  *room = *asked;
  room->ticket = -1;
  room->fd = socket(target->any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (room->fd >= 0 && connect(room->fd, &target->any, endpoint_size(target)) < 0) drop(room);
  return room->fd < 0 ? NULL : room;
}

union control {
  struct cmsghdr header;
  char room[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

void datagrams_receive(uint32_t index) {
  for (uint32_t i = 0; i < ROUND_MAX; i++) {
    struct flow asked = {.port = index};
    union control control = {.room = {0}};
    struct iovec data = {.iov_base = relay_buffer, .iov_len = sizeof relay_buffer};
    struct msghdr message = {.msg_name = &asked.from, .msg_namelen = sizeof asked.from, .msg_iov = &data, .msg_iovlen = 1,
                             .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t got = recvmsg(reserved_ports[index].fd, &message, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return;
    const struct cmsghdr *info = CMSG_FIRSTHDR(&message);
    if (info != NULL && info->cmsg_level == IPPROTO_IPV6 && info->cmsg_type == IPV6_PKTINFO) memcpy(&asked.to, CMSG_DATA(info), sizeof asked.to);
    /* Other addresses than those of one link find their way by themselves. */
    if (!IN6_IS_ADDR_LINKLOCAL(&asked.from.sin6_addr)) asked.to.ipi6_ifindex = 0;
    struct flow *flow = find_flow(&asked);
    if (flow == NULL) continue;
    flow->used_us = wait_now_us();
    send(flow->fd, relay_buffer, (size_t)got, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
}

static void answer(struct flow *flow, size_t length) {
  union control control = {.room = {0}};
  struct iovec data = {.iov_base = relay_buffer, .iov_len = length};
  const struct msghdr message = {.msg_name = &flow->from, .msg_namelen = sizeof flow->from, .msg_iov = &data, .msg_iovlen = 1,
                                 .msg_control = &control, .msg_controllen = sizeof control};
  control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof flow->to), .cmsg_level = IPPROTO_IPV6, .cmsg_type = IPV6_PKTINFO};
  memcpy(CMSG_DATA(&control.header), &flow->to, sizeof flow->to);
  sendmsg(reserved_ports[flow->port].fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void datagrams_serve(void) {
  for (uint32_t i = 0; i < FLOWS; i++) {
    struct flow *flow = &flows[i];
    if (flow->fd < 0 || wait_result(flow->ticket) == 0) continue;
    for (uint32_t n = 0; n < ROUND_MAX; n++) {
      ssize_t got = recv(flow->fd, relay_buffer, sizeof relay_buffer, MSG_DONTWAIT);
      if (got < 0 && errno == EAGAIN) break;
      /* "Nobody listens there" is for nobody here: the sender may try again. */
      if (got < 0) continue;
      flow->used_us = wait_now_us();
      answer(flow, (size_t)got);
    }
  }
}

bool datagrams_wait(void) {
  bool is_busy = false;
  for (uint32_t i = 0; i < FLOWS; i++) {
    struct flow *flow = &flows[i];
    if (flow->fd >= 0 && wait_now_us() >= flow->used_us + SILENT_US) drop(flow);
    if (flow->fd < 0) continue;
    is_busy = true;
    flow->ticket = wait_for(flow->fd, POLLIN);
    wait_until_us(flow->used_us + SILENT_US);
  }
  return is_busy;
}

/*
 * Ports kept for the running process: others cannot bind what a packet filter
 * sends elsewhere. What a filter cannot send on reaches the socket, for whoever
 * relays it.
 * Source: ip(7), ipv6(7), tcp(7), socket(7) SO_ATTACH_FILTER.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <string.h>

#include "run.h"

#define BACKLOG 128
#define DESTINATION 24 /* of an IPv6 header, four words */

enum reach { REACH_NONE, REACH_LOOPBACK, REACH_ALL };

struct reserved_port reserved_ports[PLAN_MAX_OPS];
uint32_t reserved_port_count;

bool endpoint_read(union endpoint *out, const uint8_t *bytes, uint32_t size, uint32_t port) {
  memset(out, 0, sizeof *out);
  if (size == 4) {
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = htons((uint16_t)port);
    memcpy(&out->v4.sin_addr, bytes, 4);
    return true;
  }
  if (size != 16) return false;
  out->v6.sin6_family = AF_INET6;
  out->v6.sin6_port = htons((uint16_t)port);
  memcpy(&out->v6.sin6_addr, bytes, 16);
  return true;
}

socklen_t endpoint_size(const union endpoint *endpoint) {
  return endpoint->any.sa_family == AF_INET ? sizeof endpoint->v4 : sizeof endpoint->v6;
}

void reserved_port_release(int protocol, const union endpoint *at) {
  for (uint32_t i = 0; i < reserved_port_count; i++) {
    struct reserved_port *port = &reserved_ports[i];
    if (port->fd < 0 || (at != NULL && (port->protocol != protocol || memcmp(&port->at, at, sizeof *at) != 0))) continue;
    fd_cleanup(&port->fd);
    port->fd = -1;
  }
}

/* What is not for anyone here is dropped before the socket answers it. */
static int limit_reach(int fd, enum reach reach) {
  struct sock_filter nothing[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
  struct sock_filter loopback[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_NET_OFF + DESTINATION)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 7),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_NET_OFF + DESTINATION + 4)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 5),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_NET_OFF + DESTINATION + 8)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_NET_OFF + DESTINATION + 12)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    BPF_STMT(BPF_RET | BPF_K, 0),
  };
  struct sock_fprog program = { .len = 1, .filter = nothing };
  if (reach == REACH_LOOPBACK) program = (struct sock_fprog){ .len = sizeof loopback / sizeof *loopback, .filter = loopback };
  return reach == REACH_ALL ? 0 : setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

static int bind_port(struct run *run, int fd, const struct reserved_port *port, bool is_relayed) {
  static const int yes = 1;
  bool is_stream = port->protocol != IPPROTO_UDP;
  if (port->at.any.sa_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
  /* Connections of the port's last owner that linger are no owner; one that listens is. */
  if (is_stream) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(fd, &port->at.any, endpoint_size(&port->at)) < 0) return run_failed(run, CALL_BIND);
  /* One where none is let in: none is SCTP's word for not listening. */
  return is_stream && listen(fd, is_relayed ? BACKLOG : 1) < 0 ? run_failed(run, CALL_LISTEN) : 0;
}

/* The descriptor stays open, in no slot: the end of the process gives the port back. */
int op_reserve_port(struct run *run, const struct op *op) {
  struct reserved_port port = { .fd = -1, .protocol = (int)op_u32(op, F_RESERVE_PORT_PROTOCOL) };
  enum reach reach = op_u32(op, F_RESERVE_PORT_REACH);
  uint32_t size;
  const uint8_t *bytes = op_bytes(op, F_RESERVE_PORT_ADDRESS, &size);
  bool is_right = endpoint_read(&port.at, bytes, size, op_u32(op, F_RESERVE_PORT_PORT));
  bytes = op_bytes(op, F_RESERVE_PORT_TARGET, &size);
  is_right &= endpoint_read(&port.target, bytes, size, op_u32(op, F_RESERVE_PORT_TARGET_PORT)) == (reach != REACH_NONE);
  /* The filter reads IPv6 headers; a relay knows streams of bytes, and datagrams. */
  is_right &= reach == REACH_NONE || (port.at.any.sa_family == AF_INET6 && port.protocol != IPPROTO_SCTP);
  if (!is_right) return run_error(run, CALL_BIND, EINVAL);
  if (reserved_port_count == PLAN_MAX_OPS) return run_error(run, CALL_BIND, ENOSPC);
  int type = port.protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
  AUTO_FD int fd = socket(port.at.any.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, port.protocol);
  if (fd < 0 && (errno == EPROTONOSUPPORT || errno == EAFNOSUPPORT)) return 0;
  if (fd < 0) return run_failed(run, CALL_SOCKET);
  if (limit_reach(fd, reach) < 0) return run_failed(run, CALL_BIND);
  int err = bind_port(run, fd, &port, reach != REACH_NONE);
  if (err < 0) return err;
  port.fd = fd_take(&fd);
  reserved_ports[reserved_port_count++] = port;
  return 0;
}

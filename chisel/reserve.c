/*
 * Ports kept for the running process: others cannot bind what a packet filter
 * sends elsewhere.
 * Source: ip(7), ipv6(7), tcp(7), socket(7) SO_ATTACH_FILTER.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "run.h"

/* The address of the op; its length, 0 when it is none. */
static socklen_t read_address(const struct op *op, struct sockaddr_storage *address) {
  uint32_t size;
  const uint8_t *bytes = op_bytes(op, F_RESERVE_PORT_ADDRESS, &size);
  uint16_t port = htons((uint16_t)op_u32(op, F_RESERVE_PORT_PORT));
  memset(address, 0, sizeof *address);
  if (size == 4) {
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;
    v4->sin_family = AF_INET;
    v4->sin_port = port;
    memcpy(&v4->sin_addr, bytes, 4);
    return sizeof *v4;
  }
  if (size != 16) return 0;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
  v6->sin6_family = AF_INET6;
  v6->sin6_port = port;
  memcpy(&v6->sin6_addr, bytes, 16);
  return sizeof *v6;
}

/* Whatever still comes is no one's. */
static int drop_all(int fd) {
  struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
  const struct sock_fprog program = { .len = 1, .filter = &nothing };
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

/* The descriptor stays open, in no slot: the end of the process gives the port back. */
int op_reserve_port(struct run *run, const struct op *op) {
  static const int yes = 1;
  struct sockaddr_storage address;
  socklen_t size = read_address(op, &address);
  uint32_t protocol = op_u32(op, F_RESERVE_PORT_PROTOCOL);
  if (size == 0) return run_error(run, CALL_BIND, EINVAL);
  int type = protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
  AUTO_FD int fd = socket(address.ss_family, type | SOCK_CLOEXEC, (int)protocol);
  if (fd < 0 && (errno == EPROTONOSUPPORT || errno == EAFNOSUPPORT)) return 0;
  if (fd < 0) return run_failed(run, CALL_SOCKET);
  if (address.ss_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
  /* Connections of the port's last owner that linger are no owner; one that listens is. */
  if (type == SOCK_STREAM) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (drop_all(fd) < 0) return run_failed(run, CALL_BIND);
  if (bind(fd, (struct sockaddr *)&address, size) < 0) return run_failed(run, CALL_BIND);
  if (type == SOCK_STREAM && listen(fd, 0) < 0) return run_failed(run, CALL_LISTEN);
  fd_take(&fd);
  return 0;
}

/*
 * BPF objects that live as long as a descriptor: hash tables, programs that
 * read them, and links that attach those.
 * Source: bpf(2), linux/bpf.h; socket(7).
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/socket.h>

#include "bpf.h"
#include "run.h"

#define PROGRAM_MAX 32768u /* bytes; the bound of the schema */
#define MAP_FD 1u          /* BPF_PSEUDO_MAP_FD */
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

enum { MAP_CREATE = 0, MAP_UPDATE = 2, MAP_DELETE = 3, LINK_CREATE = 28, MAP_TYPE_HASH = 1 };

/* See bpf.h. */
struct map_attr {
  uint32_t type, key_bytes, value_bytes, entries;
};
struct element_attr {
  uint32_t map, zero;
  uint64_t key, value, flags;
};
struct link_attr {
  uint32_t program, target, type, flags;
};

static uint64_t address_of(const void *bytes) { return (uint64_t)(uintptr_t)bytes; }

int op_bpf_map(struct run *run, const struct op *op) {
  struct map_attr attr = {
    .type = MAP_TYPE_HASH, .key_bytes = op_u32(op, F_BPF_MAP_KEY_BYTES),
    .value_bytes = op_u32(op, F_BPF_MAP_VALUE_BYTES), .entries = op_u32(op, F_BPF_MAP_ENTRIES),
  };
  int fd = bpf(MAP_CREATE, &attr, sizeof attr);
  if (fd < 0) return run_failed(run, CALL_BPF);
  run_fill(run, op, F_BPF_MAP_SLOT, fd);
  return 0;
}

/* Where an instruction names a map, that is the one in the slot. */
int op_bpf_load(struct run *run, const struct op *op) {
  uint8_t program[PROGRAM_MAX];
  uint32_t length;
  const uint8_t *bytes = op_bytes(op, F_BPF_LOAD_PROGRAM, &length);
  memcpy(program, bytes, length);
  for (uint32_t at = 0; at + BPF_INSTRUCTION_BYTES <= length; at += BPF_INSTRUCTION_BYTES) {
    if (program[at] == 0x18 && program[at + 1] >> 4 == MAP_FD) put_u32(program + at + 4, (uint32_t)run_slot(run, op, F_BPF_LOAD_MAP));
  }
  int fd = bpf_load(program, length, op_u32(op, F_BPF_LOAD_TYPE), op_u32(op, F_BPF_LOAD_ATTACH));
  if (fd < 0) return run_failed(run, CALL_BPF);
  run_fill(run, op, F_BPF_LOAD_SLOT, fd);
  return 0;
}

int op_bpf_link(struct run *run, const struct op *op) {
  struct link_attr attr = {
    .program = (uint32_t)run_slot(run, op, F_BPF_LINK_PROGRAM), .target = (uint32_t)run_slot(run, op, F_BPF_LINK_TARGET),
    .type = op_u32(op, F_BPF_LINK_ATTACH),
  };
  int fd = bpf(LINK_CREATE, &attr, sizeof attr);
  if (fd < 0) return run_failed(run, CALL_BPF);
  run_fill(run, op, F_BPF_LINK_SLOT, fd);
  return 0;
}

int op_bpf_set(struct run *run, const struct op *op) {
  uint32_t length;
  const uint8_t *key = op_bytes(op, F_BPF_SET_KEY, &length);
  const uint8_t *value = op_bytes(op, F_BPF_SET_VALUE, &length);
  bool is_gone = length == 0;
  /* Whoever deletes has no value: the kernel takes anything there for a call it does not know. */
  struct element_attr attr = {
    .map = (uint32_t)run_slot(run, op, F_BPF_SET_MAP), .key = address_of(key), .value = is_gone ? 0 : address_of(value),
  };
  int err = bpf(is_gone ? MAP_DELETE : MAP_UPDATE, &attr, sizeof attr);
  return err < 0 && !(is_gone && errno == ENOENT) ? run_failed(run, CALL_BPF) : 0;
}

int op_netns_cookie(struct run *run, const struct op *op) {
  uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  (void)op;
  AUTO_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return run_failed(run, CALL_SOCKET);
  int err = getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) < 0 ? errno : 0;
  return run_emit(run, err, &cookie, sizeof cookie);
}

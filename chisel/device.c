/*
 * The device filter of a cgroup v2 directory: one BPF program, changed without
 * a moment in which none is attached.
 * Source: bpf(2), linux/bpf.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <errno.h>

#include "bpf.h"
#include "run.h"

#define ATTACHED_MAX 64u

enum { PROG_ATTACH = 8, PROG_DETACH = 9, PROG_GET_FD_BY_ID = 13, PROG_QUERY = 16 };
enum { PROG_TYPE_CGROUP_DEVICE = 15, ATTACH_CGROUP_DEVICE = 6, ALLOW_MULTI = 2 };

/* See bpf.h. */
struct attach_attr {
  uint32_t target, program, type, flags, replaced;
};
struct query_attr {
  uint32_t target, type, flags, attach_flags;
  uint64_t ids;
  uint32_t count, zero;
};

int op_cgroup_device(struct run *run, const struct op *op) {
  uint32_t length, ids[ATTACHED_MAX];
  const uint8_t *program = op_bytes(op, F_CGROUP_DEVICE_PROGRAM, &length);
  uint32_t cgroup = (uint32_t)run_slot(run, op, F_CGROUP_DEVICE_CGROUP);
  struct query_attr query = {
    .target = cgroup, .type = ATTACH_CGROUP_DEVICE, .ids = (uint64_t)(uintptr_t)ids, .count = ATTACHED_MAX,
  };
  AUTO_FD int fd = bpf_load(program, length, PROG_TYPE_CGROUP_DEVICE, 0);
  if (fd < 0 || bpf(PROG_QUERY, &query, sizeof query) < 0) return run_failed(run, CALL_BPF);
  struct attach_attr attach = { .target = cgroup, .program = (uint32_t)fd, .type = ATTACH_CGROUP_DEVICE, .flags = ALLOW_MULTI };
  if (bpf(PROG_ATTACH, &attach, sizeof attach) < 0) return run_failed(run, CALL_BPF);
  /* Old and new both had to agree until here; from here on the new one alone. */
  for (uint32_t i = 0; i < query.count && i < ATTACHED_MAX; i++) {
    uint32_t id = ids[i];
    AUTO_FD int old = bpf(PROG_GET_FD_BY_ID, &id, sizeof id);
    struct attach_attr detach = { .target = cgroup, .program = (uint32_t)old, .type = ATTACH_CGROUP_DEVICE };
    if (old < 0 || bpf(PROG_DETACH, &detach, sizeof detach) < 0) return run_failed(run, CALL_BPF);
  }
  return 0;
}

/*
 * bpf(2), and the loading of a program. The attributes of a command are the
 * beginning of its union bpf_attr: the kernel takes the rest as zero.
 * Source: linux/bpf.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHISEL_BPF_H
#define CHISEL_BPF_H

#include <errno.h>

#include "kernel.h"

#define BPF_INSTRUCTION_BYTES 8u

struct bpf_load_attr {
  uint32_t type, count;
  uint64_t program, license;
  uint32_t log[4], version, flags;
  uint8_t name[16];
  uint32_t device, attach;
};

static inline int bpf(int command, void *attr, unsigned size) { return (int)syscall(SYS_bpf, command, attr, size); }

/* The program's descriptor; -1 and errno. `attach`: where it will be attached, 0 where its type says it. */
static inline int bpf_load(const uint8_t *program, uint32_t length, uint32_t type, uint32_t attach) {
  struct bpf_load_attr attr = {
    .type = type, .count = length / BPF_INSTRUCTION_BYTES, .attach = attach,
    .program = (uint64_t)(uintptr_t)program, .license = (uint64_t)(uintptr_t)"",
  };
  if (length % BPF_INSTRUCTION_BYTES != 0) return errno = EINVAL, -1;
  return bpf(5, &attr, sizeof attr);
}

#endif

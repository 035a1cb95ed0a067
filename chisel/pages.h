/*
 * Giving memory back: a monitor waits for years, its buffers should not.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHISEL_PAGES_H
#define CHISEL_PAGES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#define PAGE_BYTES 4096u

/* The whole pages inside [start, start + size) become zero pages that cost nothing; what shares a page stays. */
static inline void release_pages(void *start, size_t size) {
  uintptr_t from = ((uintptr_t)start + PAGE_BYTES - 1) & ~(uintptr_t)(PAGE_BYTES - 1);
  uintptr_t to = ((uintptr_t)start + size) & ~(uintptr_t)(PAGE_BYTES - 1);
  if (to > from) madvise((void *)from, to - from, MADV_DONTNEED);
}

#endif

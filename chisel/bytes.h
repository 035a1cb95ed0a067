/*
 * Little-endian numbers at any address, text without stdio, and the clocks.
 *
 * Source: docs/chisel-protocol.md ("All numbers are little endian"). The
 * chisel runs on little-endian machines only (x86-64, arm64).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHISEL_BYTES_H
#define CHISEL_BYTES_H

#include <stdint.h>
#include <string.h>
#include <time.h>

static inline void put_u16(uint8_t *at, uint16_t value) { memcpy(at, &value, sizeof value); }
static inline void put_u32(uint8_t *at, uint32_t value) { memcpy(at, &value, sizeof value); }
static inline void put_u64(uint8_t *at, uint64_t value) { memcpy(at, &value, sizeof value); }

static inline uint16_t get_u16(const uint8_t *at) { uint16_t value; memcpy(&value, at, sizeof value); return value; }
static inline uint32_t get_u32(const uint8_t *at) { uint32_t value; memcpy(&value, at, sizeof value); return value; }
static inline uint64_t get_u64(const uint8_t *at) { uint64_t value; memcpy(&value, at, sizeof value); return value; }

/* Append text or a decimal number; the new end. No NUL is written: the caller knows the room. */
static inline char *put_text(char *at, const char *text) {
  while (*text != '\0') *at++ = *text++;
  return at;
}

static inline char *put_decimal(char *at, uint64_t value) {
  char digits[20];
  int count = 0;
  do digits[count++] = (char)('0' + value % 10); while ((value /= 10) != 0);
  while (count > 0) *at++ = digits[--count];
  return at;
}

/* Nanoseconds since the epoch: what records and logs carry. */
static inline uint64_t realtime_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Microseconds that never jump: what deadlines are measured by. */
static inline uint64_t monotonic_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static inline uint64_t monotonic_ms(void) { return monotonic_us() / 1000u; }

#endif

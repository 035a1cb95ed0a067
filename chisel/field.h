/*
 * Bounded reading of fields from bytes that are in memory: the decoder of
 * `chisel unpack`. A reader that ran over its end stays bad; look once, at the
 * end, before anything is done.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHISEL_FIELD_H
#define CHISEL_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bytes.h"

struct fields {
  const uint8_t *at;
  size_t left;
  bool bad;
};

static inline const uint8_t *field_bytes(struct fields *fields, size_t size) {
  const uint8_t *at = fields->at;
  if (fields->bad || fields->left < size) {
    fields->bad = true;
    return NULL;
  }
  fields->at += size;
  fields->left -= size;
  return at;
}

static inline uint16_t field_u16(struct fields *fields) {
  const uint8_t *at = field_bytes(fields, 2);
  return at == NULL ? 0 : get_u16(at);
}

static inline uint32_t field_u32(struct fields *fields) {
  const uint8_t *at = field_bytes(fields, 4);
  return at == NULL ? 0 : get_u32(at);
}

static inline uint64_t field_u64(struct fields *fields) {
  const uint8_t *at = field_bytes(fields, 8);
  return at == NULL ? 0 : get_u64(at);
}

/* u16 length, the bytes, one NUL that is not counted; no NUL inside. */
static inline const char *field_text(struct fields *fields, size_t max) {
  size_t length = field_u16(fields);
  const uint8_t *at = field_bytes(fields, length + 1);
  if (at == NULL)
    return "";
  if (length > max || at[length] != 0 || memchr(at, 0, length) != NULL) {
    fields->bad = true;
    return "";
  }
  return (const char *)at;
}

/* One path component: not empty, no slash, not "." and not "..". */
static inline const char *field_name(struct fields *fields) {
  const char *name = field_text(fields, 255);
  if (name[0] == '\0' || strchr(name, '/') != NULL || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
    fields->bad = true;
  return name;
}

#endif

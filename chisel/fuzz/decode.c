/*
 * libFuzzer target: any bytes into plan_decode; when they pass, every field of
 * every op is read, so that ASan sees an accessor that leaves its op.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#define PLAN_TABLES
#include "../chisel.h"

static struct plan plan;
static volatile uint8_t seen;

static void read_text(const char *text) { seen ^= (uint8_t)strlen(text); }

static void read_field(const struct op *op, unsigned field, const struct field_shape *shape) {
  uint32_t length;
  struct texts texts;
  const char *text;
  switch (shape->type) {
    case FIELD_U64: seen ^= (uint8_t)op_u64(op, field); break;
    case FIELD_TEXT: read_text(op_text(op, field)); break;
    case FIELD_BYTES: {
      const uint8_t *bytes = op_bytes(op, field, &length);
      if (length > 0) seen ^= (uint8_t)(bytes[0] ^ bytes[length - 1]);
      break;
    }
    case FIELD_TEXTS:
      texts = op_texts(op, field);
      while ((text = texts_next(&texts)) != NULL) read_text(text);
      break;
    default: seen ^= (uint8_t)op_u32(op, field);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  struct report report;
  if (plan_decode(bytes, size, &plan, &report) != 0) {
    if (report.err <= 0 || report.call != CALL_DECODE) __builtin_trap();
    return 0;
  }
  for (uint32_t i = 0; i < plan.count; i++) {
    const struct op_shape *shape = &op_shapes[plan.ops[i].code];
    for (unsigned field = 0; field < shape->field_count; field++) {
      read_field(&plan.ops[i], field, &field_shapes[shape->first_field + field]);
    }
  }
  return 0;
}

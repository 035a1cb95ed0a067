/*
 * Bytes → a list of ops, by the table that the schema generates. Nothing is
 * copied: an op points at its fields, and the accessors walk them again.
 *
 * Invariant: after plan_decode every field of every op lies within the bytes
 * and within its bound; every slot is written while empty and before it is read; every
 * op stands where it may. All of this was checked by the encoder; it is checked
 * again because the executor has power that the encoder does not have.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <string.h>

#define PLAN_TABLES
#include "chisel.h"

/* Unread bytes of a plan. */
struct input {
  const uint8_t *at;
  size_t left;
};

/* What the ops so far leave behind. */
struct progress {
  uint32_t written;    /* bit per slot */
  uint32_t filled;     /* by the op that is being checked */
  uint32_t emptied;
  bool changed_caller; /* an op of PLACE_PROCESS */
};

static const uint8_t *take(struct input *input, size_t size) {
  if (input->left < size) return NULL;
  const uint8_t *at = input->at;
  input->at += size;
  input->left -= size;
  return at;
}

static bool take_u32(struct input *input, uint32_t *value) {
  const uint8_t *at = take(input, 4);
  if (at == NULL) return false;
  *value = get_u32(at);
  return true;
}

static bool check_text(struct input *input, uint32_t max) {
  uint32_t length;
  if (!take_u32(input, &length) || length > max) return false;
  const uint8_t *at = take(input, (size_t)length + 1);
  return at != NULL && at[length] == 0 && memchr(at, 0, length) == NULL;
}

static bool check_texts(struct input *input, const struct field_shape *shape) {
  uint32_t count;
  if (!take_u32(input, &count) || count > shape->max) return false;
  while (count-- > 0) {
    if (!check_text(input, shape->text_max)) return false;
  }
  return true;
}

static bool check_slot(struct input *input, const struct field_shape *shape, struct progress *progress) {
  uint32_t slot;
  if (!take_u32(input, &slot)) return false;
  if (slot == NO_SLOT) return (shape->flags & FIELD_OPTIONAL) != 0;
  if (slot >= SLOT_COUNT) return false;
  uint32_t bit = 1u << slot;
  bool is_result = (shape->flags & FIELD_RESULT) != 0;
  if (is_result) progress->filled |= bit;
  if ((shape->flags & FIELD_RELEASE) != 0) progress->emptied |= bit;
  return is_result != ((progress->written & bit) != 0);
}

static bool check_field(struct input *input, const struct field_shape *shape, struct progress *progress) {
  uint32_t value;
  switch (shape->type) {
    case FIELD_U32: return take_u32(input, &value) && value <= shape->max;
    case FIELD_U64: return take(input, 8) != NULL;
    case FIELD_SLOT: return check_slot(input, shape, progress);
    case FIELD_TEXT: return check_text(input, shape->max);
    case FIELD_BYTES: return take_u32(input, &value) && value <= shape->max && take(input, value) != NULL;
    case FIELD_TEXTS: return check_texts(input, shape);
    default: return false;
  }
}

/* One op: its header, its fields, and not a byte more. */
static bool decode_op(struct input *input, struct op *op, struct progress *progress) {
  const uint8_t *header = take(input, OP_HEADER_BYTES);
  if (header == NULL || get_u16(header + 2) != 0) return false;
  op->code = get_u16(header);
  if (op->code >= OP_END || op_shapes[op->code].place == PLACE_NONE) return false;
  struct input fields = { .left = get_u32(header + 4) };
  fields.at = take(input, fields.left);
  if (fields.at == NULL) return false;
  op->fields = fields.at;
  const struct op_shape *shape = &op_shapes[op->code];
  progress->filled = progress->emptied = 0;
  for (unsigned i = 0; i < shape->field_count; i++) {
    if (!check_field(&fields, &field_shapes[shape->first_field + i], progress)) return false;
  }
  if (op->code == OP_KEPT) progress->filled = op_u32(op, F_KEPT_SLOTS);
  progress->written = (progress->written | progress->filled) & ~progress->emptied;
  return fields.left == 0;
}

static bool check_place(struct plan *plan, uint32_t index, uint32_t count, struct progress *progress) {
  const struct op *op = &plan->ops[index];
  bool is_child = plan->clone < index;
  if (op->code == OP_CLONE) {
    if (is_child || progress->changed_caller) return false;
    plan->clone = index;
    return true;
  }
  switch (op_shapes[op->code].place) {
    case PLACE_FIRST: return index == 0;
    case PLACE_CHILD: return is_child;
    case PLACE_LAST: return is_child && index + 1 == count;
    case PLACE_PROCESS: progress->changed_caller = true; return true;
    default: return true;
  }
}

static int refuse(struct report *report, uint32_t index, int err) {
  *report = (struct report){ .index = index, .err = err, .call = CALL_DECODE };
  return -err;
}

int plan_decode(const uint8_t *bytes, size_t size, struct plan *out, struct report *report) {
  struct input input = { .at = bytes, .left = size };
  const uint8_t *header = take(&input, PLAN_HEADER_BYTES);
  out->count = 0;
  if (header == NULL || size > PLAN_MAX_BYTES || get_u32(header + 12) != size) return refuse(report, 0, EINVAL);
  if (get_u32(header) != PLAN_MAGIC || get_u32(header + 4) != PLAN_VERSION) return refuse(report, 0, EPROTO);
  uint32_t count = get_u32(header + 8);
  if (count > PLAN_MAX_OPS) return refuse(report, 0, E2BIG);
  struct progress progress = { 0 };
  out->clone = UINT32_MAX;
  for (uint32_t i = 0; i < count; i++) {
    if (!decode_op(&input, &out->ops[i], &progress)) return refuse(report, i, EINVAL);
    if (!check_place(out, i, count, &progress)) return refuse(report, i, EINVAL);
  }
  if (input.left != 0) return refuse(report, count, EINVAL);
  bool ends_with_exec = count > 0 && out->ops[count - 1].code == OP_EXEC;
  if (out->clone != UINT32_MAX && !ends_with_exec) return refuse(report, out->clone, EINVAL);
  if (out->clone == UINT32_MAX) out->clone = count;
  out->count = count;
  *report = (struct report){ 0 };
  return 0;
}

bool op_is_ready(const struct op *op, const struct slots *slots) {
  const struct op_shape *shape = &op_shapes[op->code];
  for (unsigned i = 0; i < shape->field_count; i++) {
    const struct field_shape *field = &field_shapes[shape->first_field + i];
    if (field->type != FIELD_SLOT || (field->flags & FIELD_RESULT) != 0) continue;
    uint32_t slot = op_u32(op, i);
    if (slot < SLOT_COUNT && slots->fd[slot] < 0) return false;
  }
  return true;
}

/* ---- fields of a decoded op; every bound was checked ------------------------- */

static const uint8_t *skip_text(const uint8_t *at) { return at + 4 + get_u32(at) + 1; }

static const uint8_t *skip_field(const uint8_t *at, const struct field_shape *shape) {
  switch (shape->type) {
    case FIELD_U64: return at + 8;
    case FIELD_TEXT: return skip_text(at);
    case FIELD_BYTES: return at + 4 + get_u32(at);
    case FIELD_TEXTS: {
      uint32_t count = get_u32(at);
      at += 4;
      while (count-- > 0) at = skip_text(at);
      return at;
    }
    default: return at + 4;
  }
}

static const uint8_t *field_at(const struct op *op, unsigned field) {
  const struct op_shape *shape = &op_shapes[op->code];
  const uint8_t *at = op->fields;
  for (unsigned i = 0; i < field && i < shape->field_count; i++) at = skip_field(at, &field_shapes[shape->first_field + i]);
  return at;
}

uint32_t op_u32(const struct op *op, unsigned field) { return get_u32(field_at(op, field)); }

uint64_t op_u64(const struct op *op, unsigned field) { return get_u64(field_at(op, field)); }

const char *op_text(const struct op *op, unsigned field) { return (const char *)field_at(op, field) + 4; }

const uint8_t *op_bytes(const struct op *op, unsigned field, uint32_t *length) {
  const uint8_t *at = field_at(op, field);
  *length = get_u32(at);
  return at + 4;
}

struct texts op_texts(const struct op *op, unsigned field) {
  const uint8_t *at = field_at(op, field);
  return (struct texts){ .at = at + 4, .left = get_u32(at) };
}

const char *texts_next(struct texts *texts) {
  if (texts->left == 0) return NULL;
  const char *text = (const char *)texts->at + 4;
  texts->left--;
  texts->at = skip_text(texts->at);
  return text;
}

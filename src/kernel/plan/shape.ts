/**
 * The bounds of a field with their defaults, for everything that walks the
 * schema: encoder, decoder, checker and the generator of the C header.
 */

import { type FieldShape, type FieldType, OPS, type OpShape } from './schema.ts';

/** Name of an operation. */
export type OpName = keyof typeof OPS;

/** Default bound per type: value, length in bytes, or count; 0 where there is none. */
const DEFAULT_BOUND = {
  u32: 0xffffffff,
  u64: 0,
  slot: 31,
  text: 4095,
  bytes: 4095,
  texts: 64,
} as const satisfies Record<FieldType, number>;

/** Bound of a field: value, length in bytes, or count, by its type; 0 for `u64`, which has none. */
export function fieldBound(field: FieldShape): number {
  return field.max ?? DEFAULT_BOUND[field.type];
}

/** Bound of the length in bytes of one element of a `texts` field; 0 for other types. */
export function textsElementBound(field: FieldShape): number {
  return field.type === 'texts' ? (field.textMax ?? DEFAULT_BOUND.text) : 0;
}

/** True when `name` is an operation of the schema. */
export function isOpName(name: string): name is OpName {
  return Object.hasOwn(OPS, name);
}

/** Shape of an operation, without its literal types. */
export function opShape(name: OpName): OpShape {
  return OPS[name];
}

/** Fields of an operation in wire order. */
export function opFields(name: OpName): readonly (readonly [string, FieldShape])[] {
  return FIELDS.get(name) ?? [];
}

/** Operation names in the order of the schema. */
export const OP_NAMES: readonly OpName[] = Object.keys(OPS).filter(isOpName);

const FIELDS: ReadonlyMap<OpName, readonly (readonly [string, FieldShape])[]> = new Map(
  OP_NAMES.map((name) => [name, Object.entries(opShape(name).fields)]),
);

/**
 * Plan bytes back to operations, as strict as the chisel: for `explain` of a
 * recorded plan and for the round trips in tests.
 */

import { EngineError } from '../../base/error.ts';
import { checkPlan } from './check.ts';
import type { PlanOp } from './op.ts';
import {
  type FieldShape,
  NO_SLOT,
  PLAN_MAGIC,
  PLAN_MAX_BYTES,
  PLAN_MAX_OPS,
  PLAN_VERSION,
} from './schema.ts';
import { OP_NAMES, opFields, opShape, type OpName } from './shape.ts';

const NAME_OF_CODE: ReadonlyMap<number, OpName> = new Map(
  OP_NAMES.map((name) => [opShape(name).code, name]),
);

/** The operations of an encoded plan. Errors: `corrupt` for bytes that are no plan, `invalid` as {@link checkPlan}. */
export function decodePlan(bytes: Uint8Array): readonly PlanOp[] {
  const reader = new Reader(bytes);
  if (bytes.length > PLAN_MAX_BYTES || reader.u32() !== PLAN_MAGIC) throw corrupt('no plan');
  const version = reader.u32();
  if (version !== PLAN_VERSION) throw corrupt(`version ${version} is unknown`);
  const count = reader.u32();
  if (count > PLAN_MAX_OPS || reader.u32() !== bytes.length) throw corrupt('wrong length');
  const ops: PlanOp[] = [];
  while (ops.length < count) ops.push(readOp(reader));
  if (reader.left > 0) throw corrupt('bytes after the last operation');
  checkPlan(ops);
  return ops;
}

function readOp(reader: Reader): PlanOp {
  const code = reader.u32();
  const name = NAME_OF_CODE.get(code);
  if (name === undefined) throw corrupt(`operation code ${code} is unknown`);
  const length = reader.u32();
  const end = reader.left - length;
  const op: Record<string, unknown> = { op: name };
  for (const [key, field] of opFields(name)) {
    const value = reader.field(field);
    if (value !== undefined) op[key] = value;
  }
  if (reader.left !== end) throw corrupt(`operation ${name} has another length than its fields`);
  // The keys and types are those of the schema; checkPlan proves the values.
  return op as unknown as PlanOp;
}

function corrupt(reason: string): EngineError {
  return new EngineError('corrupt', `Cannot decode plan: ${reason}`);
}

/** Reads little-endian values and never past the end. */
class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  field(field: FieldShape): unknown {
    switch (field.type) {
      case 'u32':
        return this.u32();
      case 'slot':
        return this.#slot();
      case 'u64':
        return this.#view.getBigUint64(this.#take(8), true);
      case 'text':
        return this.#text();
      case 'bytes':
        return new Uint8Array(this.#slice(this.u32()));
      case 'texts':
        return this.#texts();
    }
  }

  #slot(): number | undefined {
    const slot = this.u32();
    return slot === NO_SLOT ? undefined : slot;
  }

  #text(): string {
    const bytes = this.#slice(this.u32());
    if (this.#view.getUint8(this.#take(1)) !== 0) throw corrupt('text without its NUL');
    try {
      return this.#utf8.decode(bytes);
    } catch (cause) {
      throw new EngineError('corrupt', 'Cannot decode plan: text is not UTF-8', { cause });
    }
  }

  #texts(): readonly string[] {
    const count = this.u32();
    // Each takes at least 5 bytes: a wild count fails here, not after a wild allocation.
    if (count * 5 > this.left) throw corrupt('list longer than the plan');
    return Array.from({ length: count }, () => this.#text());
  }

  #slice(length: number): Uint8Array {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  #take(length: number): number {
    if (length > this.left) throw corrupt('it ends within a field');
    const start = this.#at;
    this.#at += length;
    return start;
  }
}

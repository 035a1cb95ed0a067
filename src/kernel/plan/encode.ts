/**
 * A plan's bytes, as docs/chisel-protocol.md has them. Same plan, same bytes.
 */

import { EngineError } from '../../base/error.ts';
import { checkPlan } from './check.ts';
import type { Plan, PlanOp } from './op.ts';
import { type FieldShape, NO_SLOT, PLAN_MAGIC, PLAN_MAX_BYTES, PLAN_VERSION } from './schema.ts';
import { opFields, opShape } from './shape.ts';

/** Bytes before the first operation: magic, version, count, total. */
const HEADER_BYTES = 16;
/** Bytes before an operation's fields: code, zero, length. */
const OP_HEADER_BYTES = 8;
const INITIAL_BYTES = 16 * 1024;

/** Checks the plan (`invalid`, see {@link checkPlan}) and encodes it; at most `PLAN_MAX_BYTES`. */
export function encodePlan(plan: Plan): Uint8Array {
  checkPlan(plan);
  const writer = new Writer();
  writer.u32(PLAN_MAGIC);
  writer.u32(PLAN_VERSION);
  writer.u32(plan.length);
  writer.u32(0);
  for (const op of plan) encodeOp(writer, op);
  if (writer.length > PLAN_MAX_BYTES) {
    const message = `Plan is ${writer.length} bytes long: at most ${PLAN_MAX_BYTES}`;
    throw new EngineError('invalid', message);
  }
  writer.patchU32(HEADER_BYTES - 4, writer.length);
  return writer.finish();
}

function encodeOp(writer: Writer, op: PlanOp): void {
  const start = writer.length;
  const values: Readonly<Record<string, unknown>> = op;
  writer.u32(opShape(op.op).code);
  writer.u32(0);
  for (const [name, field] of opFields(op.op)) writer.field(field, values[name]);
  writer.patchU32(start + 4, writer.length - start - OP_HEADER_BYTES);
}

/** Appends little-endian values to a buffer that grows. */
class Writer {
  #buffer: Buffer = Buffer.allocUnsafe(INITIAL_BYTES);
  #length = 0;

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** Precondition: the value passed {@link checkPlan}. */
  field(shape: FieldShape, value: unknown): void {
    if (typeof value === 'number') this.u32(value);
    else if (typeof value === 'bigint') this.#u64(value);
    else if (typeof value === 'string') this.#text(value);
    else if (value instanceof Uint8Array) this.#bytes(value);
    else if (Array.isArray(value)) this.#texts(value);
    else if (shape.type === 'slot') this.u32(NO_SLOT);
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#length = this.#buffer.writeUInt32LE(value, this.#length);
  }

  patchU32(at: number, value: number): void {
    this.#buffer.writeUInt32LE(value, at);
  }

  finish(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  #u64(value: bigint): void {
    this.#reserve(8);
    this.#length = this.#buffer.writeBigUInt64LE(value, this.#length);
  }

  #text(value: string): void {
    this.#reserve(4 + value.length * 3 + 1);
    const written = this.#buffer.write(value, this.#length + 4);
    this.u32(written);
    this.#length += written;
    this.#length = this.#buffer.writeUInt8(0, this.#length);
  }

  #bytes(value: Uint8Array): void {
    this.u32(value.length);
    this.#reserve(value.length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
  }

  #texts(values: readonly unknown[]): void {
    this.u32(values.length);
    for (const value of values) if (typeof value === 'string') this.#text(value);
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    larger.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = larger;
  }
}

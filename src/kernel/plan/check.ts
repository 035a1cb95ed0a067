/**
 * The checks that the chisel makes when it decodes a plan, made before a plan
 * is encoded, so that a planner's mistake is a sentence and not an errno:
 * bounds of every field, slots written while empty and before they are read, and the
 * place of each operation.
 */

import { EngineError } from '../../base/error.ts';
import type { Plan, PlanOp } from './op.ts';
import { type FieldShape, type Place, PLAN_MAX_OPS, SLOT_COUNT } from './schema.ts';
import { fieldBound, isOpName, opFields, opShape, textsElementBound } from './shape.ts';

const U64_MAX = 0xffff_ffff_ffff_ffffn;

/** What the operations so far leave behind. */
interface Progress {
  written: number;
  cloneIndex: number | undefined;
}

/**
 * Throws `invalid` with one sentence that names the operation, unless the
 * chisel would accept the plan.
 */
export function checkPlan(plan: Plan): void {
  if (plan.length > PLAN_MAX_OPS) {
    throw new EngineError('invalid', `Plan has ${plan.length} operations: at most ${PLAN_MAX_OPS}`);
  }
  const progress: Progress = { written: 0, cloneIndex: undefined };
  plan.forEach((op, index) => {
    const problem = opProblem(op, progress) ?? placeProblem(plan, index, progress);
    if (problem !== undefined) throw refusal(index, op.op, problem);
    if (op.op === 'clone') progress.cloneIndex = index;
  });
  if (progress.cloneIndex !== undefined && plan.at(-1)?.op !== 'exec') {
    throw refusal(progress.cloneIndex, 'clone', 'the plan does not end with exec');
  }
}

function refusal(index: number, name: string, problem: string): EngineError {
  return new EngineError('invalid', `Plan operation ${index} (${name}) is invalid: ${problem}`, {
    details: { index, op: name },
  });
}

/** Problem of the operation's own fields; marks the slot it writes. */
function opProblem(op: PlanOp, progress: Progress): string | undefined {
  if (!isOpName(op.op)) return 'no such operation';
  const values: Readonly<Record<string, unknown>> = op;
  let result = keptSlots(op);
  let released = 0;
  for (const [name, field] of opFields(op.op)) {
    const value = values[name];
    const problem = valueProblem(field, value);
    if (problem !== undefined) return `${name} ${problem}`;
    if (field.type !== 'slot' || typeof value !== 'number') continue;
    const bit = 2 ** value;
    const isWritten = (progress.written & bit) !== 0;
    if (field.result === true && isWritten) return `slot ${value} was written before`;
    if (field.result !== true && !isWritten) return `${name} reads slot ${value}, which is empty`;
    if (field.result === true) result = bit;
    if (field.release === true) released = bit;
  }
  progress.written = (progress.written | result) & ~released;
  return undefined;
}

/** Slots that are full before anything is done. */
function keptSlots(op: PlanOp): number {
  return op.op === 'kept' ? op.slots : 0;
}

function placeProblem(plan: Plan, index: number, progress: Progress): string | undefined {
  const op = plan[index];
  if (op === undefined) return undefined;
  const isChild = progress.cloneIndex !== undefined;
  if (op.op === 'clone') return isChild ? 'a plan clones once' : callerProblem(plan, index);
  const place: Place | undefined = opShape(op.op).place;
  if (place === 'first') return index === 0 ? undefined : 'it may only stand first';
  if (place === 'child') return isChild ? undefined : 'it may only stand after clone';
  if (place !== 'last') return undefined;
  if (!isChild) return 'it may only stand after clone';
  return index === plan.length - 1 ? undefined : 'it may only stand last';
}

/** Operations before a clone run in the caller, which lives on. */
function callerProblem(plan: Plan, cloneIndex: number): string | undefined {
  const before = plan.slice(0, cloneIndex);
  const index = before.findIndex(({ op }) => opShape(op).place === 'process');
  if (index === -1) return undefined;
  return `operation ${index} (${before[index]?.op}) before it would change the caller`;
}

function valueProblem(field: FieldShape, value: unknown): string | undefined {
  switch (field.type) {
    case 'u32':
      return numberProblem(value, fieldBound(field));
    case 'slot':
      if (value === undefined && field.optional === true) return undefined;
      return numberProblem(value, SLOT_COUNT - 1);
    case 'u64':
      return wideNumberProblem(value);
    case 'text':
      return textProblem(value, fieldBound(field));
    case 'bytes':
      if (!(value instanceof Uint8Array)) return 'is not bytes';
      return lengthProblem(value.length, fieldBound(field), 'bytes');
    case 'texts':
      return textsProblem(value, field);
  }
}

function numberProblem(value: unknown, max: number): string | undefined {
  if (typeof value !== 'number' || !Number.isInteger(value)) return 'is not a whole number';
  return value >= 0 && value <= max ? undefined : `is ${value}: 0 to ${max} are possible`;
}

function wideNumberProblem(value: unknown): string | undefined {
  if (typeof value !== 'bigint') return 'is not a bigint';
  return value >= 0n && value <= U64_MAX ? undefined : `is ${value}: it needs 64 bits unsigned`;
}

function textProblem(value: unknown, max: number): string | undefined {
  if (typeof value !== 'string') return 'is not text';
  if (value.includes('\0')) return 'contains a NUL character';
  if (!value.isWellFormed()) return 'is not well-formed Unicode';
  // UTF-8 needs at most 3 bytes per UTF-16 unit: most texts need no counting.
  const bytes = value.length * 3 <= max ? 0 : Buffer.byteLength(value);
  return lengthProblem(bytes, max, 'bytes');
}

function textsProblem(value: unknown, field: FieldShape): string | undefined {
  if (!Array.isArray(value)) return 'is not a list of texts';
  const tooMany = lengthProblem(value.length, fieldBound(field), 'texts');
  if (tooMany !== undefined) return tooMany;
  for (const [at, text] of value.entries()) {
    const problem = textProblem(text, textsElementBound(field));
    if (problem !== undefined) return `[${at}] ${problem}`;
  }
  return undefined;
}

function lengthProblem(length: number, max: number, unit: string): string | undefined {
  return length <= max ? undefined : `has ${length} ${unit}: at most ${max}`;
}

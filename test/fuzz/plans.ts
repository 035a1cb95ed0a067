/**
 * Arbitrary valid plans, made from the schema: any operation with any values
 * within its bounds, slots written once and before they are read, every
 * operation where it may stand. Knows no operation by itself, so a new one is
 * covered at once.
 */

import fc from 'fast-check';
import type { Plan, PlanOp } from '../../src/kernel/plan/op.ts';
import { type FieldShape, SLOT_COUNT } from '../../src/kernel/plan/schema.ts';
import {
  fieldBound,
  OP_NAMES,
  opFields,
  type OpName,
  opShape,
} from '../../src/kernel/plan/shape.ts';

/** Source of choices for one plan. */
type Pick = (max: number) => number;

interface Draft {
  readonly ops: PlanOp[];
  readonly written: Set<number>;
  readonly pick: Pick;
}

const WORDS = [
  '',
  '/',
  'a',
  '/etc/passwd',
  'ünï/çødé',
  '../..',
  'x'.repeat(60),
  'key=value',
  '\u{1f980}',
];

function textOf(pick: Pick, max: number): string {
  const text = `${WORDS[pick(WORDS.length - 1)]}${WORDS[pick(WORDS.length - 1)]}`;
  return Buffer.byteLength(text) <= max ? text : 'a'.repeat(Math.min(max, 3));
}

function valueOf(field: FieldShape, { written, pick }: Draft): unknown {
  switch (field.type) {
    case 'u32':
      return pick(1) === 0 ? fieldBound(field) : pick(fieldBound(field));
    case 'u64':
      return (BigInt(pick(0xffffffff)) << 32n) | BigInt(pick(0xffffffff));
    case 'text':
      return textOf(pick, fieldBound(field));
    case 'texts':
      return Array.from({ length: pick(4) }, () => textOf(pick, 4095));
    case 'bytes':
      return Uint8Array.from({ length: pick(Math.min(40, fieldBound(field))) }, () => pick(255));
    case 'slot':
      return slotOf(field, written, pick);
  }
}

/** A slot that fits, or `undefined` where there is none or none is wanted. */
function slotOf(field: FieldShape, written: ReadonlySet<number>, pick: Pick): number | undefined {
  if (field.optional === true && pick(1) === 0) return undefined;
  const all = Array.from({ length: SLOT_COUNT }, (_, slot) => slot);
  const fitting = all.filter((slot) => written.has(slot) !== (field.result === true));
  return fitting.length === 0 ? undefined : fitting[pick(fitting.length - 1)];
}

/** Appends `name` unless no slot fits it. */
function append(draft: Draft, name: OpName): void {
  const op: Record<string, unknown> = { op: name };
  for (const [key, field] of opFields(name)) {
    const value = valueOf(field, draft);
    if (value !== undefined) op[key] = value;
    else if (field.type === 'slot' && field.optional !== true) return;
  }
  for (const [key, field] of opFields(name)) {
    if (field.result === true) draft.written.add(Number(op[key]));
    if (field.release === true) draft.written.delete(Number(op[key]));
  }
  draft.ops.push(op as unknown as PlanOp);
}

function namesFor(isChild: boolean, clones: boolean): readonly OpName[] {
  return OP_NAMES.filter((name) => {
    const place = opShape(name).place;
    if (name === 'clone' || place === 'first' || place === 'last') return false;
    if (place === 'child') return isChild;
    return place !== 'process' || isChild || !clones;
  });
}

function buildPlan(pick: Pick): Plan {
  const draft: Draft = { ops: [], written: new Set(), pick };
  const clones = pick(1) === 1;
  if (pick(1) === 1) append(draft, 'monitor');
  const fill = (isChild: boolean): void => {
    const names = namesFor(isChild, clones);
    for (let count = pick(12); count > 0; count--)
      append(draft, names[pick(names.length - 1)] ?? 'mkdir');
  };
  fill(false);
  if (!clones) return draft.ops;
  append(draft, 'clone');
  fill(true);
  append(draft, 'exec');
  return draft.ops;
}

/** Any valid plan of up to about 25 operations. */
export const planArbitrary: fc.Arbitrary<Plan> = fc
  .gen()
  .map((gen) => buildPlan((max) => gen(fc.nat, { max })));

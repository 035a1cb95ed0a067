/** Plans for people and programs: a title and the described operations. */

import { describeOp, planToJson } from '../kernel/plan/describe.ts';
import type { Plan } from '../kernel/plan/op.ts';
import type { ExplainedPlan } from './engine.ts';

/** A plan as data. */
export function explainPlan(title: string, plan: Plan): ExplainedPlan {
  const fields = planToJson(plan);
  return {
    title,
    steps: plan.map((op, index) => ({
      index,
      op: op.op,
      text: describeOp(op),
      fields: fields[index] ?? {},
    })),
  };
}

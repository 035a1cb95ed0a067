/** Plans as text: what a command would do. */

import { formatJson } from '../../client/decode.ts';
import type { ExplainedPlan } from '../../client/types.ts';
import { neutraliseJson, neutraliseText } from './safe.ts';

/** A plan for people, or as JSON for programs; it ends in a newline. */
export function formatPlan(plan: ExplainedPlan, format: 'text' | 'json'): string {
  if (format === 'json') return `${neutraliseJson(formatJson(plan, 2))}\n`;
  const width = String(Math.max(0, plan.steps.length - 1)).length;
  const lines = plan.steps.map(
    ({ index, text }) => `${String(index).padStart(width)}  ${neutraliseText(text)}`,
  );
  return `${[neutraliseText(plan.title), ...lines].join('\n')}\n`;
}

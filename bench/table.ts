/** The bench's results as text for people and as JSON for programs. */

import type { Figures, Goal, RowResult } from './row.ts';

/** How one goal came out. */
export interface Verdict {
  readonly goal: Goal;
  /** carve's median divided by the other's: a ratio. */
  readonly ratio: number;
  readonly isReached: boolean;
}

/** The goals of a row whose other side was measured. */
export function verdicts(row: RowResult): readonly Verdict[] {
  const medianOf = (name: string): number | undefined =>
    row.figures.find((one) => one.name === name)?.summary.median;
  const ours = medianOf('carve');
  return row.goals.flatMap((goal) => {
    const theirs = medianOf(goal.against);
    if (ours === undefined || theirs === undefined) return [];
    const ratio = ours / theirs;
    return [
      { goal, ratio, isReached: row.isMoreBetter ? ratio >= goal.ratio : ratio <= goal.ratio },
    ];
  });
}

/** A row as lines: the title, a line for each contestant, a line for each goal. */
export function formatRow(row: RowResult): string {
  const lines = [row.title, ...row.figures.map((one) => formatFigures(one, row))];
  for (const { goal, ratio, isReached } of verdicts(row)) {
    const asked = `${row.isMoreBetter ? '≥' : '≤'} ${formatRatio(goal.ratio)}`;
    const word = isReached ? 'reached' : 'MISSED';
    lines.push(`    ${formatRatio(ratio)} of ${goal.against}, asked ${asked}: ${word}`);
  }
  return `${lines.join('\n')}\n`;
}

function formatFigures({ name, summary }: Figures, { unit }: RowResult): string {
  const median = `${formatNumber(summary.median)} ${unit}`.padStart(14);
  if (summary.count === 1) return `  ${name.padEnd(14)}${median}`;
  const spread = `min ${formatNumber(summary.min)}  p95 ${formatNumber(summary.p95)}  n ${summary.count}`;
  return `  ${name.padEnd(14)}${median}   ${spread}`;
}

/** Three significant digits, whole numbers from 100 on. */
export function formatNumber(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** `0.70x`, or `1/16` for a ratio that is read better the other way round. */
export function formatRatio(ratio: number): string {
  return ratio < 0.5 ? `1/${formatNumber(1 / ratio)}` : `${formatNumber(ratio)}x`;
}

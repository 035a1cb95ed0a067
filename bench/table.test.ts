import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RowResult } from './row.ts';
import { formatNumber, formatRatio, formatRow, verdicts } from './table.ts';

const summary = (median: number, count = 5): RowResult['figures'][number]['summary'] => ({
  count,
  median,
  min: median / 2,
  p95: median * 2,
});

const ROW: RowResult = {
  title: 'a row',
  unit: 'ms',
  isMoreBetter: false,
  figures: [
    { name: 'carve', summary: summary(8) },
    { name: 'docker', summary: summary(160) },
    { name: 'crun run', summary: summary(6) },
  ],
  goals: [
    { against: 'docker', ratio: 1 / 16 },
    { against: 'crun run', ratio: 1 },
    { against: 'podman', ratio: 1 },
  ],
};

test('verdicts() compares medians, in the direction of the row, with those who were measured', () => {
  assert.deepEqual(
    verdicts(ROW).map((one) => [one.goal.against, one.isReached]),
    [
      ['docker', true],
      ['crun run', false],
    ],
  );
  assert.deepEqual(
    verdicts({ ...ROW, isMoreBetter: true }).map((one) => one.isReached),
    [false, true],
  );
});

test('formatRow() prints medians with min and p95, and what was asked', () => {
  assert.equal(
    formatRow(ROW),
    `a row
  carve                8.00 ms   min 4.00  p95 16.0  n 5
  docker                160 ms   min 80.0  p95 320  n 5
  crun run             6.00 ms   min 3.00  p95 12.0  n 5
    1/20.0 of docker, asked ≤ 1/16.0: reached
    1.33x of crun run, asked ≤ 1.00x: MISSED
`,
  );
});

test('numbers have three digits and small ratios are told as fractions', () => {
  assert.deepEqual([0.1234, 5.678, 56.78, 567.8].map(formatNumber), [
    '0.12',
    '5.68',
    '56.8',
    '568',
  ]);
  assert.deepEqual([0.05, 0.7, 1.3, 20].map(formatRatio), ['1/20.0', '0.70x', '1.30x', '20.0x']);
});

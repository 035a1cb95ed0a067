/**
 * The plans of representative containers as text. A difference is reviewed in
 * the text file; `GOLDEN_UPDATE=1` writes the files anew.
 */

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { checkPlan } from '../../src/kernel/plan/check.ts';
import { describePlan } from '../../src/kernel/plan/describe.ts';
import { encodePlan } from '../../src/kernel/plan/encode.ts';
import { planAfter } from '../../src/runtime/plan/cgroups.ts';
import { planContainer } from '../../src/runtime/plan/container.ts';
import { planExec } from '../../src/runtime/plan/exec.ts';
import { execInput, planInput } from './inputs.ts';
import { CONTAINERS, EXECS } from './cases.ts';

const DIRECTORY = new URL('plans/', import.meta.url);
const isUpdate = process.env['GOLDEN_UPDATE'] === '1';

function compare(name: string, text: string): void {
  const file = new URL(`${name}.txt`, DIRECTORY);
  if (isUpdate) {
    writeFileSync(file, text);
    return;
  }
  const expected = existsSync(file) ? readFileSync(file, 'utf8') : '';
  assert.equal(text, expected, `run with GOLDEN_UPDATE=1 and review ${name}.txt`);
}

for (const [name, container] of Object.entries(CONTAINERS)) {
  test(`the plan of ${name} is as reviewed`, () => {
    const input = planInput(container);
    const plan = planContainer(input);
    checkPlan(plan);
    encodePlan(plan);
    const after = planAfter(input.cgroup, input.spec);
    checkPlan(after);
    compare(name, `${describePlan(plan)}after\n${describePlan(after)}`);
  });
}

for (const [name, exec] of Object.entries(EXECS)) {
  test(`the plan of ${name} is as reviewed`, () => {
    const plan = planExec(execInput(exec));
    checkPlan(plan);
    compare(name, describePlan(plan));
  });
}

test('every reviewed file has its case', () => {
  const names = [...Object.keys(CONTAINERS), ...Object.keys(EXECS)].map((name) => `${name}.txt`);
  assert.deepEqual(readdirSync(DIRECTORY).toSorted(), names.toSorted());
});

test('the same input gives the same plan', () => {
  for (const container of Object.values(CONTAINERS)) {
    assert.equal(
      describePlan(planContainer(planInput(container))),
      describePlan(planContainer(planInput(container))),
    );
  }
});

/**
 * `npm run check`: every rule that a program can hold, in under a minute;
 * `npm run check -- --static` without the tests, in seconds.
 * Format, types, lint, layers, docs, the chisel's limits, the tree, the
 * generated header, and the unit and golden tests under both runtimes.
 */

import { availableParallelism } from 'node:os';
import { checkChisel } from './check-chisel.ts';
import { checkDocs } from './check-docs.ts';
import { checkLayers } from './check-layers.ts';
import { checkTree } from './check-tree.ts';
import { runChild } from './child.ts';
import { checkTestKinds, unitTests } from './files.ts';
import { type Finding, formatFindings } from './findings.ts';
import { type Counts, formatCounts, runSuite, sumCounts, type SuiteResult } from './suite.ts';
import { LINT_ENV, lintArgv, ROOT, TOOLS } from './tools.ts';

/** One step of the check. */
interface Step {
  readonly name: string;
  run(): Promise<SuiteResult>;
}

/** A program that is right when it exits with 0: counts as one test. */
function program(
  name: string,
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Step {
  return {
    name,
    run: async () => {
      const { code, output, durationMs } = await runChild(argv, { env });
      return { name, ...asCounts(code === 0), output, durationMs };
    },
  };
}

/** A check of ours that is right when it finds nothing: counts as one test. */
function findings(
  name: string,
  find: () => Promise<readonly Finding[]> | readonly Finding[],
): Step {
  return {
    name,
    run: async () => {
      const started = performance.now();
      const found = await find();
      const durationMs = performance.now() - started;
      return { name, ...asCounts(found.length === 0), output: formatFindings(found), durationMs };
    },
  };
}

function unit(runtime: 'bun' | 'node'): Step {
  const name = `unit (${runtime})`;
  const files = unitTests();
  const limits = { testTimeoutMs: 30_000, timeoutMs: 300_000 };
  return { name, run: () => runSuite({ name, runtime, files, ...limits }) };
}

function asCounts(isOk: boolean): Counts {
  return { passed: isOk ? 1 : 0, failed: isOk ? 0 : 1, skipped: 0 };
}

/** What runs no test: seconds. */
function staticSteps(): readonly Step[] {
  return [
    program('lint', lintArgv(ROOT), LINT_ENV),
    program('types', [TOOLS.tsc, '-p', ROOT]),
    program('format', [TOOLS.biome, 'format', '--colors=off', '--reporter=summary', ROOT]),
    program('plan header', [TOOLS.bun, 'scripts/generate-plan-header.ts', '--check']),
    findings('docs', () => checkDocs()),
    findings('layers', checkLayers),
    findings('chisel', checkChisel),
    findings('tree', checkTree),
    findings('test kinds', checkTestKinds),
  ];
}

/** Prints a step's result: one line when it is well, everything when it is not. */
export function printResult(result: SuiteResult): void {
  const seconds = `${(result.durationMs / 1000).toFixed(1)} s`.padStart(7);
  const total = result.passed + result.failed + result.skipped;
  const counted = total > 1 ? `  ${formatCounts(result)}` : '';
  console.log(
    `${result.failed === 0 ? 'ok  ' : 'FAIL'} ${result.name.padEnd(28)}${seconds}${counted}`,
  );
  if (result.failed > 0) console.log(`${result.output.trimEnd().replaceAll(/^/gm, '     ')}\n`);
}

/** Runs `steps`, as many at a time as there are cores, and prints each as it ends. */
async function runSteps(steps: readonly Step[]): Promise<readonly SuiteResult[]> {
  const waiting = [...steps];
  const results: SuiteResult[] = [];
  const work = async (): Promise<void> => {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
      const result = await step.run();
      printResult(result);
      results.push(result);
    }
  };
  await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, work));
  return results;
}

/** The whole check; every result, in the order they ended. The slow steps first, so that the others fill the second core. */
export function runCheck(): Promise<readonly SuiteResult[]> {
  return runSteps([unit('node'), unit('bun'), ...staticSteps()]);
}

if (import.meta.main) {
  const isStatic = process.argv.includes('--static');
  const counts = sumCounts(await (isStatic ? runSteps(staticSteps()) : runCheck()));
  console.log(formatCounts(counts));
  process.exitCode = counts.failed === 0 ? 0 : 1;
}

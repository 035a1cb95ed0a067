/**
 * `npm test`: the check, the chisel under sanitizers, the tests against the
 * real kernel, the compatibility and fault tests, the virtual machine with
 * cgroup v2, and the leak check around them all. The last line is the sum over
 * every runner: `N passed, N failed, N skipped`.
 *
 * `scripts/test.ts KIND [FILE-PART…]` runs one kind only.
 */

import { printResult, runCheck } from './check.ts';
import { runChild } from './child.ts';
import { MACHINE_KINDS, testsOf, unitTests } from './files.ts';
import { enterIsolation, isIsolated } from './isolate.ts';
import { findLeaks, readSystemState, type SystemState } from './leaks.ts';
import { prepareTests } from './prepare.ts';
import { formatCounts, runSuite, type Suite, type SuiteResult, sumCounts } from './suite.ts';
import { TOOLS } from './tools.ts';

/** As root in CI nothing that needs the kernel may be skipped: a skip could hide a defect. */
const isRequired =
  process.getuid?.() === 0 &&
  (process.env['CI'] === 'true' || process.env['KERNEL_TESTS'] === 'required');

/** Milliseconds for one test; one of the virtual machine is a run of many. */
const TEST_TIMEOUT_MS = 120_000;
const VM_TEST_TIMEOUT_MS = 8 * 60_000;
const FILE_TIMEOUT_MS = 8 * 60_000;

/** Runs each file of a kind in its own process, so that one cannot disturb the next; names the file that leaks. */
async function runKind(kind: string, parts: readonly string[]): Promise<readonly SuiteResult[]> {
  const results: SuiteResult[] = [];
  const isWanted = (file: string): boolean =>
    parts.length === 0 || parts.some((part) => file.includes(part));
  for (const file of testsOf(kind).filter(isWanted)) {
    const before = readSystemState();
    const result = required(await runSuite(machineSuite(file)));
    const leaks = await findLeaks(before);
    const checked = leaks.length === 0 ? result : withLeaks(result, leaks);
    printResult(checked);
    results.push(checked);
  }
  return results;
}

function machineSuite(file: string): Suite {
  const env = isRequired ? { KERNEL_TESTS: 'required' } : {};
  const testTimeoutMs = file.startsWith('test/vm/') ? VM_TEST_TIMEOUT_MS : TEST_TIMEOUT_MS;
  const limits = { testTimeoutMs, timeoutMs: FILE_TIMEOUT_MS };
  return { name: file, runtime: 'bun', files: [file], env, ...limits };
}

/** Where skips are forbidden they are failures. */
function required(result: SuiteResult): SuiteResult {
  if (!isRequired || result.skipped === 0) return result;
  const output = `${result.output}\n${result.skipped} skipped, but this run may not skip`;
  return { ...result, failed: result.failed + result.skipped, skipped: 0, output };
}

function withLeaks(result: SuiteResult, leaks: readonly string[]): SuiteResult {
  const output = `${result.output}\nleft behind:\n${leaks.join('\n')}\n`;
  return { ...result, failed: result.failed + 1, output };
}

/** The chisel built with AddressSanitizer and UBSan, then its own tests. */
async function runSanitizers(): Promise<readonly SuiteResult[]> {
  const argv = ['make', '--no-print-directory', '-s', '-C', 'chisel', 'asan'];
  const { code, output, durationMs } = await runChild(argv, { timeoutMs: 300_000 });
  const counts = { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
  const result = { name: 'chisel (asan, ubsan)', ...counts, output, durationMs };
  printResult(result);
  return [result];
}

async function runBuild(): Promise<readonly SuiteResult[]> {
  const argv = [TOOLS.bun, 'scripts/build.ts'];
  const { code, output, durationMs } = await runChild(argv, { timeoutMs: 300_000 });
  const counts = { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
  const result = { name: 'build', ...counts, output, durationMs };
  printResult(result);
  return [result];
}

async function runUnit(parts: readonly string[]): Promise<readonly SuiteResult[]> {
  const isWanted = (file: string): boolean =>
    parts.length === 0 || parts.some((part) => file.includes(part));
  const files = unitTests().filter(isWanted);
  const results: SuiteResult[] = [];
  for (const runtime of ['bun', 'node'] as const) {
    const limits = { testTimeoutMs: 30_000, timeoutMs: 300_000 };
    const result = await runSuite({ name: `unit (${runtime})`, runtime, files, ...limits });
    printResult(result);
    results.push(result);
  }
  return results;
}

async function runAll(): Promise<readonly SuiteResult[]> {
  const before = readSystemState();
  const results = [...(await runCheck()), ...(await runSanitizers()), ...(await runBuild())];
  for (const kind of MACHINE_KINDS) results.push(...(await runKind(kind, [])));
  results.push(await leakResult(before));
  return results;
}

async function leakResult(before: SystemState): Promise<SuiteResult> {
  const leaks = await findLeaks(before);
  const isClean = leaks.length === 0;
  const counts = { passed: isClean ? 1 : 0, failed: isClean ? 0 : 1, skipped: 0 };
  const result = {
    name: 'nothing left behind',
    ...counts,
    output: leaks.join('\n'),
    durationMs: 0,
  };
  printResult(result);
  return result;
}

async function runKinds([kind, ...parts]: readonly string[]): Promise<readonly SuiteResult[]> {
  if (kind === undefined) return runAll();
  const results = kind === 'unit' ? await runUnit(parts) : await runKind(kind, parts);
  if (results.length > 0) return results;
  const kinds = ['unit', ...MACHINE_KINDS].join(', ');
  console.log(`No test: the kinds are ${kinds}, and no file of ${kind} has ${parts.join(' or ')}`);
  return [{ name: kind, passed: 0, failed: 1, skipped: 0, output: '', durationMs: 0 }];
}

const words = process.argv.slice(2);
if (!isIsolated()) await prepareTests(words[0]);
enterIsolation();
const counts = sumCounts(await runKinds(words));
console.log(formatCounts(counts));
process.exitCode = counts.failed === 0 ? 0 : 1;

/**
 * Runs test files under Bun or Node.js and counts. The counts come from the
 * runner's machine-readable report, never from the text for people; a runner
 * that dies without a report counts as one failure.
 */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runChild } from './child.ts';
import { TOOLS } from './tools.ts';

/** What a run of tests came to. */
export interface Counts {
  /** Number of tests. */
  readonly passed: number;
  /** Number of tests. */
  readonly failed: number;
  /** Number of tests. */
  readonly skipped: number;
}

/** Counts and what the runner printed. */
export interface SuiteResult extends Counts {
  readonly name: string;
  readonly output: string;
  /** Wall time in milliseconds. */
  readonly durationMs: number;
}

/** One process that runs test files. */
export interface Suite {
  readonly name: string;
  readonly runtime: 'bun' | 'node';
  /** Paths relative to the checkout. */
  readonly files: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds for one test. */
  readonly testTimeoutMs: number;
  /** Milliseconds for the whole process. */
  readonly timeoutMs: number;
}

/** Runs the files of a suite in one process. No files: nothing ran, nothing is counted. */
export async function runSuite(suite: Suite): Promise<SuiteResult> {
  if (suite.files.length === 0) {
    return { name: suite.name, passed: 0, failed: 0, skipped: 0, output: '', durationMs: 0 };
  }
  const folder = mkdtempSync(join(tmpdir(), 'carve-report-'));
  const report = join(folder, 'report');
  try {
    const argv = suite.runtime === 'bun' ? bunArgv(suite, report) : nodeArgv(suite, report);
    const env = suite.env === undefined ? {} : { env: suite.env };
    const result = await runChild(argv, { timeoutMs: suite.timeoutMs, ...env });
    const text = readReport(report);
    const counted = suite.runtime === 'bun' ? parseJunit(text) : parseTap(text);
    const counts = withExitCode(counted, result.code);
    return {
      name: suite.name,
      ...counts,
      output: failuresIn(result.output),
      durationMs: result.durationMs,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function bunArgv(suite: Suite, report: string): readonly string[] {
  const flags = [
    '--only-failures',
    '--reporter=junit',
    `--reporter-outfile=${report}`,
    `--timeout=${suite.testTimeoutMs}`,
  ];
  return [TOOLS.bun, 'test', ...flags, ...suite.files.map((file) => `./${file}`)];
}

/** One process for all files: starting one per file costs twenty times as much. */
function nodeArgv(suite: Suite, report: string): readonly string[] {
  const flags = ['--test', '--test-isolation=none', `--test-timeout=${suite.testTimeoutMs}`];
  const people = ['--test-reporter=spec', '--test-reporter-destination=stdout'];
  const machine = ['--test-reporter=tap', `--test-reporter-destination=${report}`];
  return [TOOLS.node, '--no-warnings', ...flags, ...people, ...machine, ...suite.files];
}

/** Node prints every test and then the failing ones again: those are enough. */
function failuresIn(output: string): string {
  const at = output.lastIndexOf('✖ failing tests:');
  return at === -1 ? output : output.slice(at);
}

function readReport(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Counts in the root element of a JUnit report, as `bun test` writes it. */
export function parseJunit(text: string): Counts {
  const root = /<testsuites\b([^>]*)>/.exec(text)?.[1] ?? '';
  const read = (name: string): number =>
    Number(new RegExp(String.raw`\b${name}="(\d+)"`).exec(root)?.[1] ?? 0);
  const failed = read('failures');
  const skipped = read('skipped');
  return { passed: Math.max(0, read('tests') - failed - skipped), failed, skipped };
}

/** Counts in the closing comments of a TAP report, as `node --test` writes it. */
export function parseTap(text: string): Counts {
  const read = (name: string): number =>
    Number(new RegExp(String.raw`^# ${name} (\d+)$`, 'm').exec(text)?.[1] ?? 0);
  return {
    passed: read('pass'),
    failed: read('fail') + read('cancelled'),
    skipped: read('skipped') + read('todo'),
  };
}

/** A runner that ends badly, or that ran nothing, has at least one failure. */
export function withExitCode(counts: Counts, code: number): Counts {
  const total = counts.passed + counts.failed + counts.skipped;
  const isBad = code !== 0 || total === 0;
  return isBad && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

/** Sum of counts. */
export function sumCounts(all: readonly Counts[]): Counts {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const { passed, failed, skipped } of all) {
    sum.passed += passed;
    sum.failed += failed;
    sum.skipped += skipped;
  }
  return sum;
}

/** The line a test run ends with. */
export function formatCounts({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

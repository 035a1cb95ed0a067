/** Which test files there are, by kind; a file of no kind would never run, so it is a finding. */

import { type Finding, readTree } from './findings.ts';
import { ROOT } from './tools.ts';

/** Folders whose tests need no rights and no kernel of a certain kind. */
export const UNIT_FOLDERS: readonly string[] = [
  'src',
  'scripts',
  'bench',
  'test/cli',
  'test/conformance',
  'test/golden',
  'test/property',
];

/** Folders of `test/` whose tests touch the machine, in the order they run. */
export const MACHINE_KINDS: readonly string[] = [
  'kernel',
  'faults',
  'compat',
  'fuzz',
  'dist',
  'vm',
];

const isTest = (path: string): boolean => path.endsWith('.test.ts');

function testsBelow(folders: readonly string[]): readonly string[] {
  return [...readTree(ROOT, folders, isTest).keys()].sort();
}

/** Tests that run on Bun and on Node.js. */
export function unitTests(): readonly string[] {
  return testsBelow(UNIT_FOLDERS);
}

/** Tests of one folder below `test/`, e.g. `kernel`. */
export function testsOf(kind: string): readonly string[] {
  return testsBelow([`test/${kind}`]);
}

/** Test files of `paths` that no kind runs. */
export function strayTests(paths: readonly string[]): readonly Finding[] {
  const folders = [...UNIT_FOLDERS, ...MACHINE_KINDS.map((kind) => `test/${kind}`)];
  const isRun = (path: string): boolean => folders.some((folder) => path.startsWith(`${folder}/`));
  return paths
    .filter((path) => isTest(path) && !isRun(path))
    .map((file) => ({
      file,
      line: 0,
      message: 'is a test that nobody runs: no kind has its folder',
    }));
}

/** The check over this checkout. */
export function checkTestKinds(): readonly Finding[] {
  return strayTests(testsBelow(['src', 'scripts', 'bench', 'test']));
}

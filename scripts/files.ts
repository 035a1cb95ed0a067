/** Which test files there are, by kind. */

import { readTree } from './findings.ts';
import { ROOT } from './tools.ts';

const isTest = (path: string): boolean => path.endsWith('.test.ts');

function testsBelow(...folders: string[]): readonly string[] {
  return [...readTree(ROOT, folders, isTest).keys()].sort();
}

/** Tests that need no rights and no kernel of a certain kind: beside the source, golden, of the scripts. */
export function unitTests(): readonly string[] {
  return testsBelow('src', 'test/golden', 'test/property', 'test/conformance', 'scripts', 'bench');
}

/** Tests of one folder below `test/`, e.g. `kernel`. */
export function testsOf(kind: string): readonly string[] {
  return testsBelow(`test/${kind}`);
}

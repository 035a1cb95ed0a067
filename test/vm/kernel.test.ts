/** The kernel tests once more, on cgroup v2 alone and on an older kernel without the newest calls. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInVm } from '../../scripts/vm/boot.ts';
import { checkoutFiles } from '../../scripts/vm/checkout.ts';

/** Those whose answer depends on the cgroup version; the rest is worth the time only where it is not emulated. */
const DEPENDENT = ['cgroup', 'spawn', 'container', 'engine', 'hardening-groups'];
/** Codes of a machine that did not come to its end: its console says why. */
const DIED = [124, 125];

test('kernel tests pass with cgroup v2 alone, on the kernel of Debian', async () => {
  const files = DEPENDENT.map((name) => `./test/kernel/${name}.test.ts`).join(' ');
  const { code, output, console } = await runInVm({
    system: 'debian',
    files: checkoutFiles(),
    script: `NO_COLOR=1 KERNEL_TESTS=required ./bun test --only-failures --timeout=120000 ${files} 2>&1`,
    timeoutMs: 600_000,
    memoryMiB: 3072,
  });
  assert.equal(code, 0, DIED.includes(code) ? `${output}\n${console}` : output);
  assert.match(output, /^ 0 fail$/m);
  assert.doesNotMatch(output, /^ [1-9]\d* skip$/m);
});

/** The kernel tests once more, on cgroup v2 alone and on an older kernel without the newest calls. */

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runInVm } from '../../scripts/vm/boot.ts';
import { checkoutFiles } from '../../scripts/vm/checkout.ts';

const KERNEL_TESTS = join(import.meta.dirname, '..', 'kernel');
/** Those whose answer depends on the kernel or on the cgroup version; the log's and the monitor's do not. */
const DEPENDENT = /^(?:plan|spawn|cgroup|container|seccomp|device|engine)[\w-]*\.test\.ts$/;

test('kernel tests pass with cgroup v2 alone, on the kernel of Debian', async () => {
  const names = readdirSync(KERNEL_TESTS).filter((name) => DEPENDENT.test(name));
  assert.ok(names.length > 0);
  const files = names.map((name) => `./test/kernel/${name}`).join(' ');
  const { code, output, console } = await runInVm({
    system: 'debian',
    files: checkoutFiles(),
    script: `NO_COLOR=1 KERNEL_TESTS=required ./bun test --timeout=120000 ${files} 2>&1`,
    timeoutMs: 400_000,
    memoryMiB: 3072,
  });
  assert.equal(code, 0, `${output}\n${console}`);
  assert.match(output, /^ 0 fail$/m);
  assert.doesNotMatch(output, /^ [1-9]\d* skip$/m);
});

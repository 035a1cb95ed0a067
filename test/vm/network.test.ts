/** Networks on a kernel that has what few at hand have: SCTP, and connection tracking over netlink without a host that loaded it before. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInVm } from '../../scripts/vm/boot.ts';
import { checkoutFiles } from '../../scripts/vm/checkout.ts';

const FILES = ['vm/inside/sctp', 'kernel/stale-flows.test', 'kernel/relay.test'];

test('SCTP ports are published; relays and stale flows are as on other kernels', async () => {
  const files = FILES.map((name) => `./test/${name}.ts`).join(' ');
  const { code, output, console } = await runInVm({
    system: 'debian',
    files: checkoutFiles(),
    modules: ['sctp', 'nf_conntrack_netlink'],
    script: `NO_COLOR=1 KERNEL_TESTS=required ./bun test --timeout=120000 ${files} 2>&1`,
    timeoutMs: 600_000,
    memoryMiB: 2048,
  });
  assert.equal(code, 0, `${output}\n${console}`);
  assert.match(output, /^ 0 fail$/m);
  assert.doesNotMatch(output, /^ [1-9]\d* skip$/m);
});

/** Networks on a kernel that has what few at hand have: SCTP, and connection tracking over netlink without a host that loaded it before. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInVm } from '../../scripts/vm/boot.ts';
import { checkoutFiles } from '../../scripts/vm/checkout.ts';

/** Those of the relay that neither wait for silence nor measure how much goes through: emulation is slow. */
const OF_RELAY =
  'a port on all|reached by nobody|last words|dies with its monitor|internal network|more connections';

test('SCTP ports are published; relays, stale flows and led connections are as on other kernels', async () => {
  const { code, output, console } = await runInVm({
    system: 'debian',
    files: checkoutFiles(),
    modules: ['sctp', 'nf_conntrack_netlink'],
    script: `
export NO_COLOR=1 KERNEL_TESTS=required CARVE_PATIENCE=5
./bun test --timeout=200000 ./test/vm/inside/sctp.ts ./test/kernel/stale-flows.test.ts ./test/kernel/connect-hook.test.ts 2>&1 &&
./bun test --timeout=200000 -t '${OF_RELAY}' ./test/kernel/relay.test.ts 2>&1`,
    timeoutMs: 600_000,
    memoryMiB: 2048,
  });
  assert.equal(code, 0, `${output}\n${console}`);
  assert.match(output, /^ 7 pass\n 0 fail$/m);
  assert.match(output, /^ 6 pass\n(?: \d+ [a-z ]+\n)* 0 fail$/m);
  assert.doesNotMatch(output, /^ [1-9]\d* skip$/m);
});

/** The operations of a container's resolver, as text and as bytes. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkPlan } from '../../kernel/plan/check.ts';
import { describePlan } from '../../kernel/plan/describe.ts';
import type { Plan } from '../../kernel/plan/op.ts';
import { planResolver } from './resolver.ts';

const PLACE = { slot: 7, directory: '/run/carve', containerId: 'abc' };

/** As it stands in a container's plan. */
function inContainer(ops: Plan): Plan {
  return [
    { op: 'clone', flags: 0x40000000n, uidMap: '', gidMap: '', denySetgroups: 0 },
    ...ops,
    { op: 'exec', argv: ['/x'], env: [], search: [], init: 0 },
  ];
}

test('planResolver() redirects port 53 of 127.0.0.11, then makes the sockets', () => {
  assert.equal(
    describePlan(planResolver(PLACE)),
    `0  netlink-open protocol=NETLINK_NETFILTER -> #7
1  netlink #7 messages=<2088 bytes 1059eceb> patches=[]
2  close #7
3  resolver address=127.0.0.11 port=4 dir=/run/carve name=names.sock label=abc
`,
  );
});

test('planResolver() without redirection takes the port itself', () => {
  assert.equal(
    describePlan(planResolver({ ...PLACE, withoutRedirection: true })),
    '0  resolver address=127.0.0.11 port=53 dir=/run/carve name=names.sock label=abc\n',
  );
});

test('planResolver() gives what a container plan takes, and its slot back', () => {
  const ops = planResolver(PLACE);
  checkPlan(inContainer([...ops, ...planResolver({ ...PLACE, slot: 7 })]));
  assert.throws(() => checkPlan(ops), /it may only stand after clone/);
});

test('the redirection is the same for every container', () => {
  const bytesOf = (plan: Plan): string =>
    plan
      .map((op) => (op.op === 'netlink' ? Buffer.from(op.messages).toString('hex') : ''))
      .join('');
  assert.equal(
    bytesOf(planResolver(PLACE)),
    bytesOf(planResolver({ ...PLACE, containerId: 'x', slot: 1 })),
  );
});

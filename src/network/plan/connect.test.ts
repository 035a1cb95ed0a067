import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describePlan } from '../../kernel/plan/describe.ts';
import { checkPlan } from '../../kernel/plan/check.ts';
import { parseAddress } from '../../spec/cidr.ts';
import type { EndpointPort } from '../endpoint.ts';
import { decodeCookie, isLed, planHook, planLead, planLeadNoMore } from './connect.ts';

function port(host: string, target: string, more: Partial<EndpointPort> = {}): EndpointPort {
  const ends = { host: parseAddress(host), target: parseAddress(target) };
  return { ...ends, hostPort: 8080, protocol: 'tcp', targetPort: 80, ...more };
}

for (const [host, target, expected] of [
  ['0.0.0.0', '172.18.0.2', true],
  ['127.0.0.1', '172.18.0.2', true],
  ['127.255.0.1', '172.18.0.2', true],
  ['128.0.0.1', '172.18.0.2', false],
  ['192.0.2.1', '172.18.0.2', false],
  ['::', 'fd00::2', true],
  ['::1', 'fd00::2', true],
  ['2001:db8::1', 'fd00::2', false],
  ['::', '172.18.0.2', false],
  ['::1', '172.18.0.2', false],
] as const) {
  test(`a port on ${host} for ${target} is ${expected ? '' : 'not '}led`, () => {
    assert.equal(isLed(port(host, target)), expected);
    assert.equal(isLed(port(host, target, { protocol: 'udp' })), false);
    assert.equal(isLed(port(host, target, { hostPort: 0 })), false);
  });
}

test('the hook is two tables, two programs and two links; nothing else stays open', () => {
  const plan = planHook('/sys/fs/cgroup', 7n);
  checkPlan(plan);
  const text = describePlan(plan).replaceAll(/<\d+ bytes [0-9a-f]+>/g, '<program>');
  assert.equal(
    text,
    `0  open path=/sys/fs/cgroup flags=O_DIRECTORY -> #0
1  bpf-map keyBytes=8 valueBytes=8 entries=65536 -> #1
2  bpf-load map=#1 program=<program> type=18 attach=10 -> #2
3  bpf-link program=#2 target=#0 attach=10 -> #3
4  close #2
5  bpf-map keyBytes=20 valueBytes=20 entries=65536 -> #4
6  bpf-load map=#4 program=<program> type=18 attach=11 -> #5
7  bpf-link program=#5 target=#0 attach=11 -> #6
8  close #5
9  close #0
`,
  );
});

test('ports are led and no longer led in the table of their family', () => {
  const ports = [port('0.0.0.0', '172.18.0.2'), port('::', 'fd00::2')];
  const [four, six] = ['000000001f900000', `${'00'.repeat(16)}1f900000`];
  const sets = (plans: ReturnType<typeof planLead>): readonly unknown[] => {
    for (const plan of plans) checkPlan(plan);
    return plans
      .flat()
      .map((op) =>
        op.op === 'bpf-set'
          ? [op.map, Buffer.from(op.key).toString('hex'), Buffer.from(op.value).toString('hex')]
          : op,
      );
  };
  const kept = { op: 'kept', slots: 0b1_0010 };
  assert.deepEqual(sets(planLead(ports)), [
    kept,
    [1, four, 'ac12000200500000'],
    [4, six, `fd${'00'.repeat(14)}0200500000`],
  ]);
  assert.deepEqual(sets(planLeadNoMore(ports)), [kept, [1, four, ''], [4, six, '']]);
});

test('however many ports there are, each plan is one that the chisel takes', () => {
  const ports = Array.from({ length: 5000 }, (_, index) =>
    port('0.0.0.0', '172.18.0.2', { hostPort: index + 1 }),
  );
  const plans = planLead(ports);
  for (const plan of plans) checkPlan(plan);
  const keys = plans.flat().flatMap((op) => (op.op === 'bpf-set' ? [op.key] : []));
  assert.deepEqual(
    keys.map((key) => Buffer.from(key).readUInt16BE(4)),
    ports.map(({ hostPort }) => hostPort),
  );
  assert.deepEqual(planLeadNoMore([]), []);
});

test('a cookie, and a kernel that tells none', () => {
  assert.equal(
    decodeCookie(Buffer.from('0000000008000000efcdab8967452301', 'hex')),
    0x0123456789abcdefn,
  );
  assert.equal(decodeCookie(Buffer.from('5c000000080000000000000000000000', 'hex')), undefined);
});

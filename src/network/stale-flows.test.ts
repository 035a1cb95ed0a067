import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { TrackedFlow } from '../kernel/netlink/conntrack.ts';
import { parseAddress } from '../spec/cidr.ts';
import type { EndpointPort } from './endpoint.ts';
import { hasFlows, isStale, planForget } from './stale-flows.ts';

const port = (changes: Partial<EndpointPort> = {}): EndpointPort => ({
  protocol: 'udp',
  host: parseAddress('0.0.0.0'),
  hostPort: 9000,
  target: parseAddress('172.17.0.3'),
  targetPort: 53,
  ...changes,
});

/** From 192.0.2.2 to `asked`, answered by `answerer`. */
function flow(asked: string, answerer: string, protocol = 17): TrackedFlow {
  const [to = '', toPort = ''] = asked.split(' ');
  const [by = '', byPort = ''] = answerer.split(' ');
  const client = { address: parseAddress(to.includes(':') ? '2001:db8::2' : '192.0.2.2') };
  return {
    protocol,
    original: {
      source: client.address,
      sourcePort: 5000,
      destination: parseAddress(to),
      destinationPort: Number(toPort),
    },
    reply: {
      source: parseAddress(by),
      sourcePort: Number(byPort),
      destination: client.address,
      destinationPort: 5000,
    },
    key: [],
  };
}

const HOST = ['192.0.2.1', '127.0.0.1', '2001:db8::1'].map((text) => parseAddress(text).value);
const judge = (published: EndpointPort) => ({
  port: published,
  isHost: ({ value }: { readonly value: bigint }) => HOST.includes(value),
  isContainer: ({ value }: { readonly value: bigint }) => value >> 8n === 0xac1100n,
});

test('isStale() forgets what went to the host or to an earlier container, and nothing of others', () => {
  const rows: readonly (readonly [what: string, TrackedFlow, EndpointPort, boolean])[] = [
    ['a program of the host', flow('192.0.2.1 9000', '192.0.2.1 9000'), port(), true],
    ['by loopback', flow('127.0.0.1 9000', '127.0.0.1 9000'), port(), true],
    ['an earlier container', flow('192.0.2.1 9000', '172.17.0.2 53'), port(), true],
    ['the port itself', flow('192.0.2.1 9000', '172.17.0.3 53'), port(), false],
    ['another port of its', flow('192.0.2.1 9000', '172.17.0.3 54'), port(), true],
    ['one that another engine rewrote', flow('192.0.2.1 9000', '10.88.0.2 53'), port(), false],
    ['one that only passes', flow('198.51.100.1 9000', '198.51.100.1 9000'), port(), false],
    ['another port', flow('192.0.2.1 9001', '192.0.2.1 9001'), port(), false],
    ['TCP', flow('192.0.2.1 9000', '192.0.2.1 9000', 6), port(), false],
    ['the other family', flow('2001:db8::1 9000', '2001:db8::1 9000'), port(), false],
    [
      'the address that is published',
      flow('192.0.2.1 9000', '192.0.2.1 9000'),
      port({ host: parseAddress('192.0.2.1') }),
      true,
    ],
    [
      'another address',
      flow('127.0.0.1 9000', '127.0.0.1 9000'),
      port({ host: parseAddress('192.0.2.1') }),
      false,
    ],
  ];
  for (const [what, each, published, expected] of rows)
    assert.equal(isStale(each, judge(published)), expected, what);
});

test('hasFlows() is of UDP that the kernel rewrites; planForget() splits what is much', () => {
  assert.ok(hasFlows([port({ protocol: 'tcp' }), port()]));
  assert.ok(!hasFlows([port({ protocol: 'tcp' }), port({ host: parseAddress('::') })]));
  const many = Array.from({ length: 250 }, () => flow('192.0.2.1 9000', '192.0.2.1 9000'));
  assert.deepEqual(
    planForget(many).map(({ op }) => op),
    ['netlink-open', 'netlink', 'netlink', 'netlink'],
  );
});

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { parseAddress } from '../../spec/cidr.ts';
import { allowedBoxes, grantOfName, parseEgress, parseEntry, type Box } from './policy.ts';

const list = (...allow: readonly string[]) => parseEgress({ mode: 'deny', allow }) ?? [];
const value = (text: string): bigint => parseAddress(text).value;

for (const [text, expected] of [
  ['example.org', { name: 'example.org', isWildcard: false, ports: undefined }],
  ['Example.ORG.:443', { name: 'example.org', isWildcard: false, ports: [443, 443] }],
  ['*.example.org:80-81/tcp', { name: 'example.org', isWildcard: true, ports: [80, 81] }],
  ['*', { name: '', isWildcard: true, ports: undefined }],
  ['*:53/udp', { name: '', isWildcard: true, ports: [53, 53] }],
  ['tcp', { name: 'tcp', isWildcard: false, ports: undefined }],
] as const)
  test(`parseEntry() reads the name ${text}`, () => {
    const { protocol: _, ...rule } = parseEntry(text);
    assert.deepEqual(rule, { kind: 'name', ...expected });
  });

for (const [text, address, prefixLength, ports, protocol] of [
  ['10.0.0.0/8:5432/tcp', '10.0.0.0', 8, [5432, 5432], 'tcp'],
  ['10.0.0.0/8/udp', '10.0.0.0', 8, undefined, 'udp'],
  ['192.0.2.1', '192.0.2.1', 32, undefined, undefined],
  ['192.0.2.1:22', '192.0.2.1', 32, [22, 22], undefined],
  ['[fd00::]/8', 'fd00::', 8, undefined, undefined],
  ['[2001:db8::1]:443/TCP', '2001:db8::1', 128, [443, 443], 'tcp'],
  ['fd00::/8', 'fd00::', 8, undefined, undefined],
  ['::/0/icmp', '::', 0, undefined, 'icmp'],
  ['0.0.0.0/0', '0.0.0.0', 0, undefined, undefined],
] as const)
  test(`parseEntry() reads the network ${text}`, () => {
    const network = { address: parseAddress(address), prefixLength };
    assert.deepEqual(parseEntry(text), { kind: 'network', network, ports, protocol });
  });

for (const text of [
  '',
  ' ',
  ':443',
  'example.org:',
  'example.org:0',
  'example.org:65536',
  'example.org:9-8',
  'example.org:1-33',
  'example.org/tcp',
  'example.org/24',
  'a..b',
  '*example.org',
  'a.*.b',
  '*.*.b',
  `${'a'.repeat(64)}.org`,
  `${'a.'.repeat(127)}org`,
  '10.0.0.1/8',
  '10.0.0.0/33',
  '10.0.0/8',
  '[10.0.0.0]/8',
  '[fd00::/8',
  'fd00::/129',
  '10.0.0.0/8:80/icmp',
  '10.0.0.0/8:http',
  'http://example.org',
  'exämple.org',
  'a b',
])
  test(`parseEntry() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseEntry(text), { kind: 'invalid', message: /^invalid egress entry / });
  });

test('parseEgress() takes a list alone for deny, refuses a list under allow, and bounds it', () => {
  assert.equal(parseEgress({ mode: '', allow: [] }), undefined);
  assert.equal(parseEgress({ mode: 'allow', allow: [] }), undefined);
  assert.deepEqual(parseEgress({ mode: 'deny', allow: [] }), []);
  assert.equal(parseEgress({ mode: '', allow: ['a'] })?.length, 1);
  for (const request of [
    { mode: 'allow', allow: ['a'] },
    { mode: 'DENY', allow: [] },
    { mode: 'deny', allow: Array.from({ length: 129 }, (_, index) => `a${index}`) },
  ])
    assert.throws(() => parseEgress(request), { kind: 'invalid' });
});

const covers = (boxes: readonly Box[], address: bigint, protocol: number, port: number): number =>
  boxes.filter(
    ({ addresses, protocols, ports }) =>
      addresses[0] <= address &&
      address <= addresses[1] &&
      protocols[0] <= protocol &&
      protocol <= protocols[1] &&
      ports[0] <= port &&
      port <= ports[1],
  ).length;

test('allowedBoxes() covers what the lists allow, each packet once', () => {
  const own = list('10.0.0.0/8:80/tcp', '10.1.0.0/16', '10.1.2.0/24:80-90', '10.2.0.0/16:81/tcp');
  const boxes = allowedBoxes([own], 'ipv4');
  for (const [address, protocol, port, expected] of [
    ['10.0.0.1', 6, 80, 1],
    ['10.0.0.1', 6, 81, 0],
    ['10.0.0.1', 17, 80, 0],
    ['10.1.0.1', 1, 8, 1],
    ['10.1.2.3', 17, 85, 1],
    ['10.2.0.1', 6, 80, 1],
    ['10.2.0.1', 6, 81, 1],
    ['10.255.255.255', 6, 80, 1],
    ['11.0.0.0', 6, 80, 0],
  ] as const)
    assert.equal(covers(boxes, value(address), protocol, port), expected, address);
  assert.deepEqual(allowedBoxes([own], 'ipv6'), []);
});

test('allowedBoxes() of two lists is what both allow', () => {
  const boxes = allowedBoxes(
    [list('10.0.0.0/8:443', '192.0.2.1'), list('10.5.0.0/16/tcp', '192.0.2.0/24:53/udp')],
    'ipv4',
  );
  assert.equal(covers(boxes, value('10.5.0.1'), 6, 443), 1);
  assert.equal(covers(boxes, value('10.5.0.1'), 17, 443), 0);
  assert.equal(covers(boxes, value('10.6.0.1'), 6, 443), 0);
  assert.equal(covers(boxes, value('192.0.2.1'), 17, 53), 1);
  assert.equal(covers(boxes, value('192.0.2.2'), 17, 53), 0);
  assert.deepEqual(allowedBoxes([list('10.0.0.0/8'), []], 'ipv4'), []);
});

test('grantOfName() gives what every list allows behind a name', () => {
  const a = list('example.org:443', '*.example.org', 'db.example.net:5432/tcp');
  assert.equal(grantOfName([a], 'other.org'), 'nothing');
  assert.equal(grantOfName([a], 'www.example.org.'), 'everything');
  assert.equal(grantOfName([a], 'notexample.org'), 'nothing');
  assert.deepEqual(grantOfName([a], 'example.org'), [
    { protocol: 6, port: 443 },
    { protocol: 17, port: 443 },
  ]);
  assert.deepEqual(grantOfName([a, list('*:443/tcp')], 'example.org'), [
    { protocol: 6, port: 443 },
  ]);
  assert.equal(grantOfName([a, list('*:80')], 'example.org'), 'nothing');
  assert.equal(grantOfName([a, []], 'www.example.org'), 'nothing');
});

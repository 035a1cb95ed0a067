import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { Endpoint } from '../../network/endpoint.ts';
import type { NetworkRecord } from '../../network/store.ts';
import { parseAddress, parseNetwork } from '../../spec/cidr.ts';
import { computeExposure, type ExposedContainer } from './exposure.ts';

const network = (name: string, changes: Partial<NetworkRecord> = {}): NetworkRecord => ({
  id: name,
  name,
  createdAtNs: 0n,
  driver: 'bridge',
  isPredefined: false,
  hasIpv4: true,
  hasIpv6: false,
  subnets: [],
  isInternal: false,
  isAttachable: false,
  ipamOptions: {},
  options: {},
  labels: {},
  ...changes,
});

const endpoint = (on: string, changes: Partial<Endpoint> = {}): Endpoint => ({
  networkId: on,
  networkName: on,
  id: `${on}-endpoint`,
  interfaceName: 'eth0',
  index: 10,
  hostLink: '',
  mac: '02:42:0a:00:00:02',
  ipv4: { address: parseAddress('10.0.0.2'), prefixLength: 24, gateway: undefined },
  ipv6: undefined,
  isDefault4: true,
  isDefault6: false,
  names: [],
  ports: [],
  ...changes,
});

const container = (
  name: string,
  endpoints: readonly Endpoint[],
  changes: Partial<ExposedContainer> = {},
): ExposedContainer => ({
  id: name,
  name,
  isOnHost: false,
  endpoints,
  allowed: new Map(),
  ...changes,
});

const port = (host: string): Endpoint['ports'][number] => ({
  protocol: 'tcp',
  host: parseAddress(host),
  hostPort: 8080,
  target: parseAddress('10.0.0.2'),
  targetPort: 80,
});

for (const [host, at, from] of [
  ['0.0.0.0', '0.0.0.0:8080', ['host', 'lan', 'containers']],
  ['::', '[::]:8080', ['host', 'lan', 'containers']],
  ['192.0.2.1', '192.0.2.1:8080', ['host', 'lan', 'containers']],
  ['127.0.0.1', '127.0.0.1:8080', ['host']],
  ['127.9.9.9', '127.9.9.9:8080', ['host']],
  ['::1', '[::1]:8080', ['host']],
  ['10.0.0.1', '10.0.0.1:8080', ['host', 'peers']],
] as const)
  test(`a port on ${host} is reached from ${from.join(', ')}`, () => {
    const gateway = parseAddress('10.0.0.1');
    const subnet = { subnet: parseNetwork('10.0.0.0/24'), range: undefined, gateway, reserved: {} };
    const { Containers } = computeExposure({
      containers: [container('web', [endpoint('n', { ports: [port(host)] })])],
      networks: new Map([['n', network('n', { subnets: [subnet] })]]),
    });
    const way = Containers[0]?.Ways[0];
    assert.deepEqual(
      { at: way?.At, port: way?.Port, from: way?.From },
      { at, port: '80/tcp', from },
    );
  });

const BRIDGE = 'com.docker.network.bridge.';

test('gateway modes and trusted links: what is reached at a container’s own address, and from where', () => {
  const reached = (
    options: NetworkRecord['options'],
    ports: Endpoint['ports'] = [],
    isInternal = false,
  ) => {
    const { Containers } = computeExposure({
      containers: [container('web', [endpoint('n', { ports })])],
      networks: new Map([['n', network('n', { options, isInternal })]]),
    });
    return Containers[0]?.Ways.map(({ At, Port, From, Links = [] }) =>
      [At, Port, ...From, ...Links.map((link) => `by ${link}`)].join(' '),
    );
  };
  const mode = (word: string) => ({ [`${BRIDGE}gateway_mode_ipv4`]: word });
  const open = { ...port('0.0.0.0'), isOpen: true } as const;
  const direct = { ...open, hostPort: 0 } as const;
  assert.deepEqual(reached(mode('nat-unprotected')), ['10.0.0.2 * host lan']);
  assert.deepEqual(reached(mode('nat-unprotected'), [], true), ['10.0.0.2 * host']);
  assert.deepEqual(reached(mode('isolated'), [], true), ['10.0.0.2 *']);
  assert.deepEqual(reached(mode('routed'), [direct, direct]), [
    '10.0.0.2:80 80/tcp host lan containers',
    '10.0.0.2 * host',
  ]);
  assert.deepEqual(reached({ [`${BRIDGE}trusted_host_interfaces`]: 'eth0:eth1' }, [open]), [
    '0.0.0.0:8080 80/tcp host lan containers',
    '10.0.0.2:80 80/tcp host lan by eth0 by eth1',
    '10.0.0.2 * host',
  ]);
});

test('a child of a host link is reached from its wire, not from the host', () => {
  const model = (isInternal: boolean) => ({
    containers: [container('web', [endpoint('n')])],
    networks: new Map([['n', network('n', { driver: 'macvlan', isInternal })]]),
  });
  assert.deepEqual(computeExposure(model(false)).Containers[0]?.Ways[0]?.From, ['lan']);
  assert.deepEqual(computeExposure(model(true)).Containers[0]?.Ways[0]?.From, []);
});

test('what a container reaches: the host’s, everything, a list, nothing', () => {
  const held = new Map([['n-endpoint', [['a.example'], []]]]);
  const networks = new Map([
    ['n', network('n')],
    ['inner', network('inner', { isInternal: true })],
  ]);
  const { Containers } = computeExposure({
    containers: [
      container('a', [], { isOnHost: true }),
      container('b', [endpoint('n')]),
      container('c', [endpoint('n')], { allowed: held }),
      container('d', [endpoint('inner')]),
      container('e', []),
    ],
    networks,
  });
  assert.deepEqual(
    Containers.map(({ Reaches, Allowed }) => [Reaches, Allowed.length]),
    [
      ['as-the-host', 0],
      ['everything', 0],
      ['list', 2],
      ['nothing', 0],
      ['nothing', 0],
    ],
  );
});

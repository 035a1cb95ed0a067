import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../../base/error.ts';
import { predefinedNetworks } from '../../network/predefined.ts';
import type { NetworkRecord } from '../../network/store.ts';
import { parseAddress, parseNetwork } from '../../spec/cidr.ts';
import type { EndpointSettings } from '../../spec/docker/container.ts';
import {
  addEndpoint,
  checkEndpoints,
  type CheckedEndpoints,
  type EndpointsRequest,
} from './check-endpoints.ts';
import { findAmong } from './find.ts';

const [bridge, host, none] = predefinedNetworks('e'.repeat(32), 0n);

function custom(name: string, id: string, given: Partial<NetworkRecord> = {}): NetworkRecord {
  return {
    id: id.repeat(64),
    name,
    createdAtNs: 0n,
    driver: 'bridge',
    isPredefined: false,
    hasIpv4: true,
    hasIpv6: true,
    subnets: [],
    isInternal: false,
    isAttachable: false,
    ipamOptions: {},
    options: {},
    labels: {},
    ...given,
  };
}

const front = custom('front', 'a', {
  subnets: [
    {
      subnet: parseNetwork('10.1.0.0/24'),
      range: undefined,
      gateway: parseAddress('10.1.0.1'),
      reserved: { nas: parseAddress('10.1.0.2') },
    },
    {
      subnet: parseNetwork('fd00::/64'),
      range: undefined,
      gateway: parseAddress('fd00::1'),
      reserved: {},
    },
  ],
});
const back = custom('back', 'b', {
  subnets: [
    {
      subnet: parseNetwork('172.18.0.0/24'),
      range: undefined,
      gateway: parseAddress('172.18.0.1'),
      reserved: {},
      isChosen: true,
    },
  ],
});
const all = [bridge, host, none, front, back].filter((one) => one !== undefined);

function check(given: Partial<EndpointsRequest>): CheckedEndpoints {
  return checkEndpoints({ networkMode: 'none', endpoints: {}, macAddress: '', ...given }, (ref) =>
    findAmong(all, ref),
  );
}

const kept = (settings: EndpointSettings = {}, network = front): EndpointSettings => ({
  IPAMConfig: null,
  Links: null,
  Aliases: null,
  DriverOpts: null,
  GwPriority: 0,
  MacAddress: '',
  NetworkID: network.id,
  ...settings,
});

test('the mode names the primary network, by name, id or prefix', () => {
  for (const networkMode of ['front', 'a'.repeat(64), 'aaaa']) {
    assert.deepEqual(check({ networkMode }), {
      networkMode: 'front',
      endpoints: { front: kept() },
    });
  }
  assert.deepEqual(Object.keys(check({ networkMode: 'host' }).endpoints), ['host']);
  assert.deepEqual(Object.keys(check({ networkMode: 'bridge' }).endpoints), ['bridge']);
});

test('which networks a container is on', () => {
  const rows: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ['front', ['back'], ['front', 'back']],
    ['front', ['back', 'front'], ['front', 'back']],
    ['front', ['default'], ['front']],
    ['front', ['aaaa', 'b'.repeat(64)], ['front', 'back']],
    ['front', ['bridge'], ['front', 'bridge']],
    ['bridge', ['front'], ['front']],
    ['bridge', ['front', 'bridge'], ['bridge', 'front']],
    ['bridge', ['default', 'front'], ['bridge', 'front']],
    ['none', ['none'], ['none']],
    ['none', ['default'], ['none']],
    ['host', ['host'], ['host']],
    ['container:x', [], []],
    ['container:x', ['container:x'], []],
  ];
  for (const [networkMode, names, expected] of rows) {
    const endpoints = Object.fromEntries(names.map((name) => [name, null]));
    assert.deepEqual(
      Object.keys(check({ networkMode, endpoints }).endpoints),
      expected,
      networkMode,
    );
  }
});

test('what a client asks for is kept, normalised; what only a running container has is not', () => {
  const asked: EndpointSettings = {
    IPAMConfig: {
      IPv4Address: '10.1.0.9',
      IPv6Address: 'FD00:0::9',
      LinkLocalIPs: ['169.254.1.1'],
    },
    Aliases: ['db', 'db.internal'],
    Links: ['other:o', 'third'],
    GwPriority: -5,
    MacAddress: '02-42-AC-11-00-02',
    DriverOpts: {
      'com.docker.network.endpoint.ifname': 'lan0',
      'com.docker.network.endpoint.sysctls':
        'net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.ifname.accept_ra=2',
    },
    IPAddress: '10.1.0.77',
    EndpointID: 'x',
    Gateway: '1.2.3.4',
    NetworkID: 'nonsense',
    DNSNames: ['evil'],
  };
  assert.deepEqual(check({ networkMode: 'front', endpoints: { front: asked } }).endpoints, {
    front: kept({
      IPAMConfig: {
        IPv4Address: '10.1.0.9',
        IPv6Address: 'fd00::9',
        LinkLocalIPs: ['169.254.1.1'],
      },
      Aliases: ['db', 'db.internal'],
      Links: ['other:o', 'third'],
      GwPriority: -5,
      MacAddress: '02:42:ac:11:00:02',
      DriverOpts: asked.DriverOpts ?? null,
    }),
  });
});

test('a MAC address of the container is that of its primary network', () => {
  const macAddress = '02:42:AC:11:00:02';
  const { endpoints } = check({ networkMode: 'front', endpoints: { back: null }, macAddress });
  assert.deepEqual(
    [endpoints['front']?.MacAddress, endpoints['back']?.MacAddress],
    ['02:42:ac:11:00:02', ''],
  );
  const alone = check({ networkMode: 'bridge', endpoints: { back: null }, macAddress });
  assert.equal(alone.endpoints['back']?.MacAddress, '02:42:ac:11:00:02');
  const both = { networkMode: 'front', endpoints: { front: { MacAddress: '02:00:00:00:00:01' } } };
  assert.throws(() => check({ ...both, macAddress }), /must match the endpoint-specific MAC/);
  for (const networkMode of ['host', 'container:x']) {
    assert.throws(() => check({ networkMode, macAddress }), /mac-address and the network mode/);
  }
});

const SHARED = /sharing network namespace with another container or host cannot be connected/;
const NONE = /multiple networks with one of the networks in private \(none\) mode/;

test('networks that do not go together', () => {
  const rows: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['nope', [], /^network nope not found$/],
    ['front', ['nope'], /^network nope not found$/],
    ['host', ['front'], SHARED],
    ['host', ['none'], SHARED],
    ['container:x', ['front'], SHARED],
    ['none', ['front'], NONE],
    ['front', ['none'], NONE],
    ['front', ['host'], /must be created in host network mode/],
    ['bridge', ['host'], /must be created in host network mode/],
    ['front', ['back', 'bbbb'], /network back is given twice/],
    ['front', ['default', 'front'], /network front is given twice/],
  ];
  for (const [networkMode, names, message] of rows) {
    const endpoints = Object.fromEntries(names.map((name) => [name, null]));
    assert.throws(
      () => check({ networkMode, endpoints }),
      (error) => isEngineError(error) && error.kind === 'invalid' && message.test(error.message),
      `${networkMode} ${names.join(' ')}`,
    );
  }
});

const ipv4 = (IPv4Address: string): EndpointSettings => ({ IPAMConfig: { IPv4Address } });
const sysctl = (text: string): EndpointSettings => ({
  DriverOpts: { 'com.docker.network.endpoint.sysctls': text },
});
const ifname = (text: string): EndpointSettings => ({
  DriverOpts: { 'com.docker.network.endpoint.ifname': text },
});
const BAD: readonly (readonly [string, EndpointSettings, RegExp])[] = [
  ['bridge', ipv4('172.17.0.9'), /supported on user defined networks only/],
  ['back', ipv4('172.18.0.9'), /networks with user configured subnets/],
  [
    'front',
    ipv4('10.2.0.9'),
    /no configured subnet or ip-range contain the IP address 10\.2\.0\.9/,
  ],
  ['front', ipv4('10.1.0.1'), /10\.1\.0\.1: it is in use/],
  ['front', ipv4('10.1.0.2'), /it is in use/],
  ['front', ipv4('10.1.0.255'), /network or broadcast/],
  ['front', ipv4('fd00::9'), /invalid IPv4 address: fd00::9/],
  ['front', ipv4('0.0.0.0'), /invalid IPv4 address/],
  ['front', ipv4('10.1.0.9/24'), /invalid IPv4 address/],
  ['front', { IPAMConfig: { IPv6Address: '10.1.0.9' } }, /invalid IPv6 address/],
  ['front', { IPAMConfig: { LinkLocalIPs: ['x'] } }, /invalid link-local IP address: x/],
  ['bridge', { Aliases: ['a'] }, /network-scoped alias is supported only/],
  ['none', { Aliases: ['a'] }, /network-scoped alias is supported only/],
  ['front', { Aliases: ['a b'] }, /invalid alias "a b"/],
  ['front', { Aliases: ['a\nb'] }, /invalid alias/],
  ['front', { Aliases: [''] }, /invalid alias/],
  ['front', { Links: ['a:b:c'] }, /invalid link "a:b:c"/],
  ['front', { MacAddress: '02:42' }, /invalid MAC address 02:42/],
  ['front', { MacAddress: '02:42:ac:11:00-02' }, /invalid MAC address/],
  ['front', { MacAddress: '01:00:5e:00:00:01' }, /multicast/],
  ['front', { MacAddress: '00:00:00:00:00:00' }, /all zeros/],
  ['front', { GwPriority: 2 ** 31 }, /out of range/],
  ['front', ifname('a/b'), /invalid interface name "a\/b"/],
  ['front', ifname('lo'), /invalid interface name "lo"/],
  ['front', ifname('x'.repeat(16)), /invalid interface name/],
  ['front', sysctl('net.ipv4.conf.eth0.log_martians=1'), /unrecognised network interface sysctl/],
  ['front', sysctl('net.ipv4.conf.IFNAME.a=1,kernel.core_pattern=x'), /unrecognised/],
  ['front', sysctl('net.ipv4.../x.IFNAME.a=1'), /unrecognised/],
  ['front', sysctl('net.ipv4.conf.IFNAME.a/b=1'), /unrecognised/],
  ['front', sysctl('net.ipv4.conf.IFNAME.a=1\n2'), /unrecognised/],
  ['front', sysctl('net.ipv4.conf.IFNAME.a'), /unrecognised/],
];

test('settings that an endpoint cannot have', () => {
  for (const [name, settings, message] of BAD) {
    assert.throws(
      () => check({ networkMode: name, endpoints: { [name]: settings } }),
      (error) =>
        isEngineError(error) &&
        error.kind === 'invalid' &&
        error.message.startsWith(
          `invalid config for network ${name}: invalid endpoint settings: `,
        ) &&
        message.test(error.message),
      `${name} ${JSON.stringify(settings)}`,
    );
  }
});

test('one container has one interface of a name', () => {
  const endpoints = { front: ifname('lan0'), back: ifname('lan0') };
  assert.throws(() => check({ networkMode: 'front', endpoints }), /both have the interface lan0/);
});

test('a container joins one more network, under the same rules', () => {
  const on = (networkMode: string, endpoints: readonly string[] = []) => ({
    name: 'web',
    ...check({ networkMode, endpoints: Object.fromEntries(endpoints.map((one) => [one, null])) }),
  });
  const added = addEndpoint(on('front'), back, { Aliases: ['x'] });
  assert.deepEqual(added, { front: kept(), back: kept({ Aliases: ['x'] }, back) });
  const left = { ...on('none'), endpoints: {} };
  assert.deepEqual(Object.keys(addEndpoint(left, front, {})), ['front']);
  const rows: readonly (readonly [
    ReturnType<typeof on>,
    NetworkRecord | undefined,
    string,
    RegExp,
  ])[] = [
    [on('front'), front, 'denied', /^endpoint with name web already exists in network front$/],
    [on('none'), front, 'invalid', NONE],
    [on('front'), none, 'invalid', NONE],
    [on('front'), host, 'invalid', /must be created in host network mode/],
    [on('host'), front, 'invalid', SHARED],
    [on('container:x'), front, 'invalid', SHARED],
  ];
  for (const [container, network, kind, message] of rows) {
    assert.ok(network !== undefined);
    assert.throws(
      () => addEndpoint(container, network, {}),
      (error) => isEngineError(error) && error.kind === kind && message.test(error.message),
    );
  }
  assert.throws(
    () => addEndpoint(on('front'), back, ipv4('172.18.0.9')),
    /user configured subnets/,
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError, type ErrorKind } from '../../base/error.ts';
import { predefinedNetworks } from '../../network/predefined.ts';
import type { NetworkRecord } from '../../network/store.ts';
import { formatNetwork } from '../../spec/cidr.ts';
import type { NetworkCreateBody } from '../../spec/docker/network.ts';
import { draftNetwork, type NetworkDraft } from './draft.ts';

function draft(
  body: NetworkCreateBody,
  given: { readonly networks?: readonly NetworkRecord[]; readonly hasIpv6?: boolean } = {},
): NetworkDraft {
  return draftNetwork(body, {
    id: 'ab'.repeat(32),
    nowNs: 7n,
    networks: predefinedNetworks('e'.repeat(32), 0n),
    unsettled: new Set(),
    routes: [],
    hasIpv6: true,
    random: () => Uint8Array.of(1, 2, 3, 4, 5),
    ...given,
  });
}

const subnetsOf = ({ network }: NetworkDraft): readonly string[] =>
  network.subnets.map(({ subnet }) => formatNetwork(subnet));

test('a name is enough: a bridge of both families', () => {
  const { network, warning } = draft({ Name: 'web' });
  assert.equal(warning, '');
  assert.deepEqual(subnetsOf({ network, warning }), ['172.18.0.0/24', 'fd01:203:405::/64']);
  assert.deepEqual(
    { ...network, subnets: [] },
    {
      id: 'ab'.repeat(32),
      name: 'web',
      createdAtNs: 7n,
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
    },
  );
});

test('which families a network has', () => {
  const rows: readonly (readonly [NetworkCreateBody, readonly string[], boolean?])[] = [
    [{ EnableIPv6: false }, ['172.18.0.0/24']],
    [{ EnableIPv6: null }, ['172.18.0.0/24', 'fd01:203:405::/64']],
    [{}, ['172.18.0.0/24'], false],
    [{ EnableIPv4: false }, ['fd01:203:405::/64']],
    [{ Options: { 'com.docker.network.enable_ipv6': 'false' } }, ['172.18.0.0/24']],
    [{ Driver: 'macvlan' }, ['172.18.0.0/24']],
    [
      { Driver: 'ipvlan', IPAM: { Config: [{ Subnet: '10.9.0.0/24' }, { Subnet: 'fd00::/64' }] } },
      ['10.9.0.0/24', 'fd00::/64'],
    ],
  ];
  for (const [body, subnets, hasIpv6 = true] of rows) {
    const made = draft({ Name: 'n', ...body }, { hasIpv6 });
    assert.deepEqual(subnetsOf(made), subnets, JSON.stringify(body));
    assert.equal(
      made.network.hasIpv4,
      subnets.some((one) => one.includes('.')),
    );
    assert.equal(
      made.network.hasIpv6,
      subnets.some((one) => one.includes(':')),
    );
  }
});

test('a subnet that its switched-off family leaves unused is a warning', () => {
  const body = { Name: 'n', EnableIPv6: false, IPAM: { Config: [{ Subnet: 'fd00::/64' }] } };
  assert.match(draft(body).warning, /^fd00::\/64 is not used/);
});

const { network: web } = draft({
  Name: 'web',
  EnableIPv6: false,
  Options: { 'com.docker.network.bridge.name': 'br-web' },
});

const REFUSED: readonly (readonly [NetworkCreateBody, ErrorKind, RegExp])[] = [
  [{}, 'invalid', /^invalid name: name is empty$/],
  [{ Name: ' \t' }, 'invalid', /name is empty/],
  [{ Name: ' web' }, 'invalid', /no space around it/],
  [{ Name: 'a\nb' }, 'invalid', /control character/],
  [{ Name: 'x'.repeat(256) }, 'invalid', /1 to 255 characters/],
  [{ Name: 'bridge' }, 'denied', /^operation is not permitted on predefined bridge network$/],
  [{ Name: 'default' }, 'denied', /predefined default network/],
  [{ Name: 'web' }, 'conflict', /^network with name web already exists$/],
  [{ Name: 'n', Driver: 'host' }, 'denied', /^only one instance of "host" network is allowed$/],
  [{ Name: 'n', Driver: 'null' }, 'denied', /only one instance of "null" network/],
  [{ Name: 'n', Driver: 'weave' }, 'not-found', /^plugin "weave" not found$/],
  [{ Name: 'n', Driver: 'overlay' }, 'denied', /not a swarm manager/],
  [{ Name: 'n', Scope: 'swarm' }, 'denied', /not a swarm manager/],
  [{ Name: 'n', Ingress: true }, 'denied', /not a swarm manager/],
  [{ Name: 'n', Scope: 'galaxy' }, 'invalid', /scope "galaxy"/],
  [{ Name: 'n', ConfigFrom: { Network: 'x' } }, 'not-found', /configuration network "x" does not/],
  [{ Name: 'n', IPAM: { Driver: 'dhcp' } }, 'not-found', /plugin "dhcp" not found/],
  [{ Name: 'n', IPAM: { Driver: 'null' } }, 'unsupported', /without addresses/],
  [{ Name: 'n', EnableIPv4: false, EnableIPv6: false }, 'invalid', /IPv4 or IPv6 must be enabled/],
  [
    { Name: 'n', Options: { 'com.docker.network.enable_ipv4': 'x' } },
    'invalid',
    /not a valid bool/,
  ],
  [{ Name: 'n', Options: { 'com.docker.network.driver.mtu': 'x' } }, 'invalid', /driver\.mtu/],
  [
    { Name: 'n', IPAM: { Config: [{ Subnet: '172.18.0.0/16' }] } },
    'denied',
    /network web has 172\.18\.0\.0\/24/,
  ],
  [
    { Name: 'n', Options: { 'com.docker.network.bridge.name': 'br-web' } },
    'denied',
    /conflicts with network web: both would have the bridge br-web/,
  ],
  [
    { Name: 'n', Options: { 'com.docker.network.bridge.name': 'carve-eeeeeeee' } },
    'denied',
    /conflicts with network bridge/,
  ],
];

test('what cannot be made is refused in one sentence', () => {
  const networks = [...predefinedNetworks('e'.repeat(32), 0n), web];
  for (const [body, kind, message] of REFUSED) {
    assert.throws(
      () => draft(body, { networks }),
      (error) => isEngineError(error) && error.kind === kind && message.test(error.message),
      JSON.stringify(body),
    );
  }
});

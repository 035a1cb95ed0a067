/** Configurations of networks: what they may say, what is made from them, and who may use and remove them. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ErrorKind } from '../../base/error.ts';
import type { NetworkRecord } from '../../network/store.ts';
import { formatNetwork } from '../../spec/cidr.ts';
import type { NetworkCreateBody } from '../../spec/docker/network.ts';
import { checkEndpoint } from './check-endpoint.ts';
import { checkNotUsed } from './configuration.ts';
import { summariseNetwork } from './describe.ts';
import { draftNetwork } from './draft.ts';

function make(
  body: NetworkCreateBody,
  networks: readonly NetworkRecord[] = [],
  unsettled: readonly string[] = [],
): NetworkRecord {
  const { network } = draftNetwork(body, {
    id: String(networks.length).repeat(64),
    nowNs: 0n,
    networks,
    unsettled: new Set(unsettled),
    routes: [],
    hasIpv6: true,
    random: () => Uint8Array.of(1, 2, 3, 4, networks.length),
  });
  return network;
}

const SUBNET = { Subnet: '10.7.0.0/24', Gateway: '10.7.0.9', IPRange: '10.7.0.128/25' };
const LAN = make({
  Name: 'lan',
  ConfigOnly: true,
  IPAM: { Config: [SUBNET], Options: { x: 'y' } },
  EnableIPv6: false,
  Options: { 'com.docker.network.driver.mtu': '1400' },
  Labels: { a: 'b' },
});

test('a configuration is shown as it was asked for, with the driver null', () => {
  const { Driver, ConfigOnly, ConfigFrom, IPAM, EnableIPv4 } = summariseNetwork(LAN);
  assert.deepEqual(
    { Driver, ConfigOnly, ConfigFrom, IPAM, EnableIPv4 },
    {
      Driver: 'null',
      ConfigOnly: true,
      ConfigFrom: { Network: '' },
      IPAM: { Driver: 'default', Options: { x: 'y' }, Config: [SUBNET] },
      EnableIPv4: true,
    },
  );
});

test('a network that is made from it has its subnets, options, labels and versions of IP, and says so', () => {
  const one = make({ Name: 'one', ConfigFrom: { Network: 'lan' }, Internal: true }, [LAN]);
  assert.deepEqual(
    one.subnets.map(({ subnet }) => formatNetwork(subnet)),
    ['10.7.0.0/24'],
  );
  const shown = summariseNetwork(one);
  assert.deepEqual(
    [shown.ConfigFrom, shown.ConfigOnly, shown.Driver, shown.Labels, shown.Internal],
    [{ Network: 'lan' }, false, 'bridge', { a: 'b' }, true],
  );
  assert.deepEqual(shown.IPAM, { Driver: 'default', Options: { x: 'y' }, Config: [SUBNET] });
  assert.deepEqual(shown.Options, { 'com.docker.network.driver.mtu': '1400' });
  assert.equal(shown.EnableIPv6, false);
  assert.throws(() => make({ Name: 'two', ConfigFrom: { Network: 'lan' } }, [LAN, one]), {
    kind: 'denied',
    message: /Pool overlaps.*network one has 10\.7\.0\.0\/24/,
  });
});

test('without subnets each network gets its own, with what is usual for its driver', () => {
  const plain = make({ Name: 'plain', ConfigOnly: true });
  const one = make({ Name: 'one', ConfigFrom: { Network: 'plain' } }, [plain]);
  const two = make({ Name: 'two', ConfigFrom: { Network: 'plain' } }, [plain, one]);
  assert.equal(one.hasIpv6, true);
  assert.notDeepEqual(one.subnets[0], two.subnets[0]);
});

const REFUSED: readonly (readonly [NetworkCreateBody, ErrorKind, RegExp])[] = [
  [{ ConfigOnly: true, Internal: true }, 'denied', /only contain network specific fields/],
  [{ ConfigOnly: true, Attachable: true }, 'denied', /only contain network specific fields/],
  [{ ConfigOnly: true, Ingress: true }, 'denied', /only contain network specific fields/],
  [{ ConfigOnly: true, Scope: 'local' }, 'denied', /only contain network specific fields/],
  [{ ConfigOnly: true, ConfigFrom: { Network: 'lan' } }, 'denied', /depend on another/],
  [{ ConfigOnly: true, IPAM: { Config: [{ Subnet: '10.0.0.1/24' }] } }, 'invalid', /10\.0\.0\.0/],
  [{ ConfigOnly: true, IPAM: { Config: [SUBNET, SUBNET] } }, 'denied', /same request/],
  [{ ConfigFrom: { Network: 'nobody' } }, 'not-found', /"nobody" does not exist/],
  [{ ConfigFrom: { Network: 'other' } }, 'not-found', /"other" does not exist/],
  [{ ConfigFrom: { Network: 'leaving' } }, 'not-found', /"leaving" does not exist/],
  [{ ConfigFrom: { Network: LAN.id } }, 'not-found', /does not exist/],
  [{ ConfigFrom: { Network: 'lan' }, Options: { a: 'b' } }, 'denied', /driver options are not/],
  [{ ConfigFrom: { Network: 'lan' }, Labels: { a: 'b' } }, 'denied', /user specified config/],
  [{ ConfigFrom: { Network: 'lan' }, EnableIPv6: true }, 'denied', /user specified config/],
  [{ ConfigFrom: { Network: 'lan' }, EnableIPv4: false }, 'denied', /user specified config/],
  [{ ConfigFrom: { Network: 'lan' }, IPAM: { Config: [SUBNET] } }, 'denied', /user specified/],
  [{ ConfigFrom: { Network: 'lan' }, IPAM: { Driver: 'x' } }, 'denied', /user specified/],
];

test('what a configuration cannot have, and what cannot be said beside one, is refused', () => {
  const other = make({ Name: 'other', IPAM: { Config: [{ Subnet: '10.8.0.0/24' }] } }, [LAN]);
  const leaving = { ...LAN, id: 'f'.repeat(64), name: 'leaving' };
  for (const [body, kind, message] of REFUSED) {
    const create = (): unknown => make({ Name: 'n', ...body }, [LAN, other, leaving], [leaving.id]);
    assert.throws(create, { kind, message }, JSON.stringify(body));
  }
});

test('nobody joins a configuration, and one that is used stays', () => {
  assert.throws(() => checkEndpoint({}, LAN), {
    kind: 'denied',
    message: 'cannot create endpoint on configuration-only network',
  });
  const one = make({ Name: 'one', ConfigFrom: { Network: 'lan' } }, [LAN]);
  assert.throws(() => checkNotUsed(LAN, [LAN, one]), {
    kind: 'denied',
    message: 'error while removing network: configuration network "lan" is in use',
  });
  checkNotUsed(LAN, [LAN]);
  checkNotUsed(one, [LAN, one]);
});

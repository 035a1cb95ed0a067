import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAddress } from '../spec/cidr.ts';
import { checkOptions, isLinkName, parseBridgeOptions, parseParentOptions } from './options.ts';

const BRIDGE = 'com.docker.network.bridge.';

test('without options a bridge has Docker’s defaults', () => {
  assert.deepEqual(parseBridgeOptions({ 'com.docker.network.unknown': 'x', other: 'y' }), {
    link: undefined,
    isConnected: true,
    isMasqueraded: true,
    hostBinding: undefined,
    gatewayMode4: 'nat',
    gatewayMode6: 'nat',
    trusted: [],
    isHostless: false,
    mtuBytes: undefined,
    interfacePrefix: 'eth',
  });
});

test('every option of a bridge is read', () => {
  const { hostBinding, ...rest } = parseBridgeOptions({
    [`${BRIDGE}name`]: 'br-front',
    [`${BRIDGE}enable_icc`]: 'False',
    [`${BRIDGE}enable_ip_masquerade`]: '0',
    [`${BRIDGE}host_binding_ipv4`]: '127.0.0.1',
    [`${BRIDGE}gateway_mode_ipv4`]: 'routed',
    [`${BRIDGE}gateway_mode_ipv6`]: 'nat-unprotected',
    [`${BRIDGE}trusted_host_interfaces`]: 'vxlan.1::eth3:eth3',
    [`${BRIDGE}inhibit_ipv4`]: 'true',
    'com.docker.network.driver.mtu': '9000',
    'com.docker.network.container_iface_prefix': 'net',
  });
  assert.equal(hostBinding === undefined ? '' : formatAddress(hostBinding), '127.0.0.1');
  assert.deepEqual(rest, {
    link: 'br-front',
    isConnected: false,
    isMasqueraded: false,
    gatewayMode4: 'routed',
    gatewayMode6: 'nat-unprotected',
    trusted: ['vxlan.1', 'eth3'],
    isHostless: true,
    mtuBytes: 9000,
    interfacePrefix: 'net',
  });
});

test('macvlan and ipvlan have a parent and a mode', () => {
  assert.deepEqual(parseParentOptions('macvlan', { parent: 'eth0.50', macvlan_mode: 'vepa' }), {
    parent: 'eth0.50',
    mode: 'vepa',
    flag: '',
    mtuBytes: undefined,
  });
  assert.deepEqual(parseParentOptions('ipvlan', { ipvlan_mode: 'l3s', ipvlan_flag: 'private' }), {
    parent: undefined,
    mode: 'l3s',
    flag: 'private',
    mtuBytes: undefined,
  });
});

test('a value that an option cannot have is an error that names the option', () => {
  const rows: readonly (readonly ['bridge' | 'macvlan' | 'ipvlan', string, string])[] = [
    ['bridge', `${BRIDGE}name`, 'a-name-of-16-chr'],
    ['bridge', `${BRIDGE}name`, 'a/b'],
    ['bridge', `${BRIDGE}name`, '..'],
    ['bridge', `${BRIDGE}enable_icc`, 'maybe'],
    ['bridge', `${BRIDGE}enable_ip_masquerade`, ''],
    ['bridge', `${BRIDGE}trusted_host_interfaces`, 'eth0:a/b'],
    ['bridge', `${BRIDGE}trusted_host_interfaces`, 'eth0,eth1 eth2'],
    ['bridge', `${BRIDGE}host_binding_ipv4`, 'localhost'],
    ['bridge', `${BRIDGE}gateway_mode_ipv4`, 'NAT'],
    ['bridge', `${BRIDGE}gateway_mode_ipv6`, 'open'],
    ['bridge', 'com.docker.network.driver.mtu', '67'],
    ['bridge', 'com.docker.network.driver.mtu', '-1'],
    ['bridge', 'com.docker.network.driver.mtu', '65536'],
    ['bridge', 'com.docker.network.container_iface_prefix', 'a-name-of-15-ch'],
    ['bridge', 'com.docker.network.container_iface_prefix', 'a b'],
    ['macvlan', 'parent', 'eth0:1'],
    ['macvlan', 'macvlan_mode', 'l2'],
    ['ipvlan', 'ipvlan_mode', 'bridge'],
    ['ipvlan', 'ipvlan_flag', 'none'],
    ['ipvlan', 'com.docker.network.driver.mtu', '1e3'],
  ];
  for (const [driver, option, value] of rows) {
    assert.throws(
      () => checkOptions({ driver, options: { [option]: value }, isInternal: false }),
      ({ message }: Error) =>
        message.includes(option) && value.split(':').some((name) => message.includes(`"${name}`)),
      `${option}=${value}`,
    );
  }
});

test('an isolated gateway is for internal networks only', () => {
  const options = { [`${BRIDGE}gateway_mode_ipv4`]: 'isolated' };
  assert.throws(() => checkOptions({ driver: 'bridge', options, isInternal: false }), /internal/);
  checkOptions({ driver: 'bridge', options, isInternal: true });
});

test('names of links are what the kernel takes', () => {
  for (const name of ['eth0', 'eth0.50', 'br-0123456789ab', '-', 'ü']) assert.ok(isLinkName(name));
  for (const name of [
    '',
    '.',
    '..',
    'a b',
    'a/b',
    'a:b',
    'a%d',
    'a\nb',
    'üüüüüüüü',
    'x'.repeat(16),
  ])
    assert.ok(!isLinkName(name), JSON.stringify(name));
});

/** What is asked of an interface beside its addresses. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ENDPOINT_SYSCTLS, interfaceSettings } from './interface-settings.ts';

test('interfaceSettings(): nothing where nothing is asked', () => {
  assert.deepEqual(interfaceSettings({}, 'eth0'), {});
  assert.deepEqual(interfaceSettings({ IPAMConfig: null, DriverOpts: null }, 'eth0'), {});
});

test('interfaceSettings(): addresses of the link, and settings with the name of the interface in its place', () => {
  const asked = 'net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.ifname.forwarding=0';
  assert.deepEqual(
    interfaceSettings(
      { IPAMConfig: { LinkLocalIPs: ['169.254.1.1'] }, DriverOpts: { [ENDPOINT_SYSCTLS]: asked } },
      'a.b0',
    ),
    {
      linkLocal: ['169.254.1.1'],
      settings: [
        ['ipv4/conf/a.b0/log_martians', '1'],
        ['ipv6/conf/a.b0/forwarding', '0'],
      ],
    },
  );
});

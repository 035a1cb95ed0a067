/** Text of hosts and resolv.conf for containers on networks. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  keepsBareNames,
  type NetworkHosts,
  renderNetworkHosts,
  renderResolverConf,
  type ResolveRequest,
} from './render-network-files.ts';

const HOSTS: NetworkHosts = {
  extraHosts: [],
  gateways: ['172.18.0.1'],
  addresses: ['172.18.0.2'],
  hostname: 'web',
  domainname: '',
  links: [],
};
const NOTHING: ResolveRequest = { servers: [], search: [], options: [] };
const HOST_TEXT = 'nameserver 127.0.0.53\nsearch corp.example\noptions edns0 trust-ad\n';

test('renderNetworkHosts(): loopback, extra hosts, links, then the container by its names', () => {
  const text = renderNetworkHosts({
    ...HOSTS,
    extraHosts: ['db:10.1.1.1', 'six:[2001:db8::1]', 'host.docker.internal:host-gateway'],
    gateways: ['172.18.0.1', 'fd00::1'],
    addresses: ['172.18.0.2', 'fd00::2'],
    domainname: 'example.org',
    links: [
      { address: '172.17.0.9', alias: 'cache', hostname: '0123456789ab', name: 'redis' },
      { address: '172.17.0.8', alias: 'pg', hostname: 'pg', name: 'pg' },
    ],
  });
  assert.equal(
    text,
    `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
10.1.1.1\tdb
2001:db8::1\tsix
172.18.0.1\thost.docker.internal
fd00::1\thost.docker.internal
172.17.0.9\tcache 0123456789ab redis
172.17.0.8\tpg
172.18.0.2\tweb.example.org web
fd00::2\tweb.example.org web
`,
  );
});

test('renderResolverConf() names the resolver; search and options are the host’s', () => {
  assert.equal(
    renderResolverConf(HOST_TEXT, NOTHING),
    `# Written by carve. It may be edited: a file that was is not written again.

nameserver 127.0.0.11
search corp.example
options edns0 trust-ad ndots:0

# Based on host file: '/etc/resolv.conf' (internal resolver)
# ExtServers: [host(127.0.0.53)]
# Overrides: []
# Option ndots from: internal
`,
  );
});

test('renderResolverConf(): each part of the request replaces that part', () => {
  const text = renderResolverConf(HOST_TEXT, {
    servers: ['1.1.1.1', '9.9.9.9'],
    search: ['a.example', 'b.example'],
    options: ['ndots:3', 'timeout:1'],
  });
  assert.match(
    text,
    /^nameserver 127\.0\.0\.11\nsearch a\.example b\.example\noptions ndots:3 timeout:1\n/m,
  );
  assert.match(
    text,
    /^# ExtServers: \[1\.1\.1\.1 9\.9\.9\.9\]\n# Overrides: \[nameservers search options\]\n# Option ndots from: override\n$/m,
  );
  assert.doesNotMatch(renderResolverConf(HOST_TEXT, { ...NOTHING, search: ['.'] }), /^search/m);
  assert.match(
    renderResolverConf('options ndots:2\n', NOTHING),
    /^options ndots:2\n[^]*from: host\n$/m,
  );
  assert.match(renderResolverConf('', NOTHING), /^# ExtServers: \[\]$/m);
});

test('keepsBareNames() is for who chose ndots', () => {
  const rows: readonly (readonly [readonly string[], boolean])[] = [
    [[], false],
    [['ndots:0'], false],
    [['timeout:1', 'ndots:1'], true],
    [['ndots:x'], false],
  ];
  for (const [options, expected] of rows) assert.equal(keepsBareNames(options), expected);
});

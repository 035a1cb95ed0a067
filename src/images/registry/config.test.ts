import { test } from 'node:test';
import assert from 'node:assert/strict';
import { isEngineError } from '../../base/error.ts';
import { mayFollow, scopeOf } from './address.ts';
import { parseRegistryConfig, settingsFor } from './config.ts';

test('settingsFor() prefers the exact host, then the nearest wildcard, then defaults', () => {
  const config = parseRegistryConfig(
    JSON.stringify({
      registries: {
        'docker.io': {
          mirrors: ['http://127.0.0.1:5001/', { url: 'https://m.example/pre', pull: 'digest' }],
        },
        '*.corp.example': { insecure: true },
        '*.eu.corp.example': { blocked: true },
      },
    }),
  );
  assert.deepEqual(settingsFor(config, 'docker.io').mirrors, [
    { url: 'http://127.0.0.1:5001', pull: 'all' },
    { url: 'https://m.example/pre', pull: 'digest' },
  ]);
  assert.equal(settingsFor(config, 'A.corp.example').insecure, true);
  assert.equal(settingsFor(config, 'a.eu.corp.example').blocked, true);
  assert.equal(settingsFor(config, 'corp.example').insecure, false);
});

test('parseRegistryConfig() refuses mistakes and names the key', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['nope', /not JSON/],
    ['[]', /the file must be an object/],
    ['{"registry":{}}', /unknown key "registry"/],
    ['{"registries":{"a b":{}}}', /not a registry host/],
    ['{"registries":{"a.b":{"insecur":true}}}', /unknown key "insecur"/],
    ['{"registries":{"a.b":{"insecure":"yes"}}}', /insecure must be true or false/],
    ['{"registries":{"a.b":{"mirrors":["ftp://x"]}}}', /mirrors\[0\]\.url must be an http/],
    ['{"registries":{"a.b":{"mirrors":["https://u:p@x"]}}}', /without credentials/],
    ['{"registries":{"a.b":{"ca":"rel.pem"}}}', /ca must be an absolute path/],
    ['{"registries":{"a.b":{"clientKey":"/k"}}}', /together/],
  ];
  for (const [text, pattern] of cases) {
    assert.throws(
      () => parseRegistryConfig(text),
      (error) => isEngineError(error) && error.kind === 'invalid' && pattern.test(error.message),
      text,
    );
  }
});

test('scopeOf() knows special addresses in every spelling', () => {
  const table: readonly (readonly [string, string])[] = [
    ['127.0.0.1', 'loopback'],
    ['127.9.9.9', 'loopback'],
    ['10.1.2.3', 'private'],
    ['172.16.0.1', 'private'],
    ['172.32.0.1', 'public'],
    ['192.168.1.1', 'private'],
    ['169.254.169.254', 'link-local'],
    ['100.64.0.1', 'private'],
    ['0.0.0.0', 'unspecified'],
    ['8.8.8.8', 'public'],
    ['::1', 'loopback'],
    ['[::1]', 'loopback'],
    ['::', 'unspecified'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:a9fe:a9fe', 'link-local'],
    ['fe80::1%eth0', 'link-local'],
    ['fd00::1', 'private'],
    ['2001:db8::1', 'public'],
    ['::169.254.169.254', 'link-local'],
    ['registry.example', 'public'],
  ];
  for (const [address, scope] of table) assert.equal(scopeOf(address), scope, address);
});

test('mayFollow() keeps a public registry away from inner networks, and never allows link-local', () => {
  for (const scope of ['link-local', 'unspecified'] as const)
    assert.equal(mayFollow(scope, scope), false, scope);
  assert.equal(mayFollow('public', 'public'), true);
  assert.equal(mayFollow('loopback', 'public'), false);
  assert.equal(mayFollow('private', 'public'), false);
  assert.equal(mayFollow('loopback', 'loopback'), true);
  assert.equal(mayFollow('loopback', 'private'), false);
  assert.equal(mayFollow('link-local', 'loopback'), false);
});

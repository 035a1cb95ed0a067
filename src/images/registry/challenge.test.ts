import { test } from 'node:test';
import assert from 'node:assert/strict';
import { parseChallenges } from './challenge.ts';

const plain = (header: string): unknown =>
  parseChallenges(header).map((c) => ({ scheme: c.scheme, ...c.params }));

test('parseChallenges() reads a bearer challenge with quoted commas', () => {
  assert.deepEqual(
    plain(
      'Bearer realm="https://auth.example/token",service="reg",scope="repository:a/b:pull,push"',
    ),
    [
      {
        scheme: 'bearer',
        realm: 'https://auth.example/token',
        service: 'reg',
        scope: 'repository:a/b:pull,push',
      },
    ],
  );
});

test('parseChallenges() reads several challenges of one header', () => {
  assert.deepEqual(plain('Basic realm="x y", Bearer realm="r", error=insufficient_scope'), [
    { scheme: 'basic', realm: 'x y' },
    { scheme: 'bearer', realm: 'r', error: 'insufficient_scope' },
  ]);
});

test('parseChallenges() unescapes quoted pairs and takes unquoted values', () => {
  assert.deepEqual(plain('Bearer realm="a\\"b", service=s'), [
    { scheme: 'bearer', realm: 'a"b', service: 's' },
  ]);
});

test('parseChallenges() survives garbage, cut quotes, lone schemes and prototype names', () => {
  for (const bad of [
    '',
    ',,,',
    '=',
    '"',
    'Bearer realm="cut',
    'Bearer =x',
    '\u0000',
    'Bearer __proto__="x"',
  ]) {
    assert.doesNotThrow(() => parseChallenges(bad));
  }
  assert.deepEqual(plain('Negotiate'), [{ scheme: 'negotiate' }]);
  assert.equal(({} as Record<string, unknown>)['x'], undefined);
});

test('parseChallenges() bounds its work on a huge header', () => {
  assert.ok(parseChallenges('a,'.repeat(1_000_000)).length <= 16 * 1024);
});

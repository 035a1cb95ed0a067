import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineError, isEngineError } from '../base/error.ts';
import { parseFilters } from './filters.ts';
import { Heads } from './heads.ts';
import { encodeBigJson } from './json.ts';
import { Query } from './query.ts';
import { answerOfError, statusOfKind } from './status.ts';
import { parseMomentNs } from './time.ts';
import { splitVersion } from './version.ts';
import { HttpSyntaxError } from './wire/head.ts';

function isInvalid(error: unknown): boolean {
  return isEngineError(error) && error.kind === 'invalid';
}

test('splitVersion() takes the prefix off and serves newer minor versions as the newest', () => {
  const rows: [string, number, string][] = [
    ['/info', 51, '/info'],
    ['/v1.24/info', 24, '/info'],
    ['/v1.51/containers/a/json', 51, '/containers/a/json'],
    ['/v1.53/info', 51, '/info'],
    ['/v1.44', 44, '/'],
    ['/volumes', 51, '/volumes'],
    ['/version', 51, '/version'],
    ['/', 51, '/'],
  ];
  for (const [path, version, rest] of rows) {
    assert.deepEqual(splitVersion(path), { version, path: rest }, path);
  }
});

test('splitVersion() refuses versions that are not served, in the words the clients show', () => {
  const rows: [string, RegExp][] = [
    [
      '/v1.23/info',
      /^client version 1\.23 is too old\. Minimum supported API version is 1\.24, please upgrade/,
    ],
    ['/v0.9/info', /too old/],
    ['/v9.99/info', /^client version 9\.99 is too new\. Maximum supported API version is 1\.51$/],
    ['/v2.0/info', /too new/],
    ['/v1/info', /Invalid API version/],
    ['/v1.2.3/info', /Invalid API version/],
    ['/v1.x/info', /Invalid API version/],
  ];
  for (const [path, message] of rows) {
    assert.throws(
      () => splitVersion(path),
      (error) => isInvalid(error) && message.test(String((error as Error).message)),
      path,
    );
  }
});

test('Query reads booleans as Docker does', () => {
  const query = new Query('a=1&b=0&c=&d&e=False&f=NO&g=none&h=yes&i=2&j=null');
  const rows: [string, boolean][] = [
    ['a', true],
    ['b', false],
    ['c', false],
    ['d', false],
    ['e', false],
    ['f', false],
    ['g', false],
    ['h', true],
    ['i', true],
    ['j', true],
    ['absent', false],
  ];
  for (const [key, expected] of rows) assert.equal(query.boolean(key), expected, key);
  assert.equal(query.boolean('absent', true), true);
});

test('Query decodes values, keeps all of a key, and refuses bad encoding', () => {
  const query = new Query('n=a%2Fb&n=c+d&e=&__proto__=x&=y&&k=v=w');
  assert.deepEqual(query.all('n'), ['a/b', 'c d']);
  assert.equal(query.text('n'), 'a/b');
  assert.equal(query.text('e'), '');
  assert.equal(query.nonEmpty('e'), undefined);
  assert.equal(query.text('__proto__'), 'x');
  assert.equal(query.text('k'), 'v=w');
  assert.throws(() => new Query('a=%'), isInvalid);
  assert.throws(() => new Query('%f=1'), isInvalid);
});

test('Query reads whole numbers only', () => {
  const query = new Query('a=10&b=-1&c=1.5&d=x&e=&f=%2B3&g=1e3&h=99999999999999999');
  assert.deepEqual(
    [query.integer('a'), query.integer('b'), query.integer('e'), query.integer('f')],
    [10, -1, undefined, 3],
  );
  for (const key of ['c', 'd', 'g', 'h']) assert.throws(() => query.integer(key), isInvalid, key);
});

test('parseFilters() takes the form of Go and the form of everyone else', () => {
  const rows: [string | undefined, object][] = [
    [undefined, {}],
    ['', {}],
    ['null', {}],
    ['{}', {}],
    ['{"label":{"a=b":true,"c":true}}', { label: ['a=b', 'c'] }],
    ['{"label":{"a":true,"b":false}}', { label: ['a'] }],
    [
      '{"label":["a=b"],"status":["running","exited"]}',
      { label: ['a=b'], status: ['running', 'exited'] },
    ],
    ['{"exited":[0,1],"dangling":[true]}', { exited: ['0', '1'], dangling: ['true'] }],
    ['{"name":null}', { name: [] }],
  ];
  for (const [text, expected] of rows) assert.deepEqual(parseFilters(text), expected, text);
});

test('parseFilters() refuses anything else, and keeps odd keys as keys', () => {
  for (const text of [
    'x',
    '[]',
    '"a"',
    '1',
    '{"a":"b"}',
    '{"a":1}',
    '{"a":[{}]}',
    '{"a":[null]}',
  ]) {
    assert.throws(() => parseFilters(text), isInvalid, text);
  }
  const filters = parseFilters('{"__proto__":["x"]}');
  assert.deepEqual(Object.keys(filters), ['__proto__']);
});

test('parseMomentNs() keeps nanoseconds', () => {
  const rows: [string, bigint | undefined][] = [
    ['', undefined],
    ['0', 0n],
    ['1700000000', 1_700_000_000_000_000_000n],
    ['1700000000.000000001', 1_700_000_000_000_000_001n],
    ['1700000000.5', 1_700_000_000_500_000_000n],
    ['-1.5', -1_500_000_000n],
    ['1970-01-01T00:00:01.5Z', 1_500_000_000n],
  ];
  for (const [text, ns] of rows) {
    assert.equal(parseMomentNs(new Query(`since=${encodeURIComponent(text)}`), 'since'), ns, text);
  }
  for (const text of ['yesterday', '1h', '1e9', '0x10', '1.2.3']) {
    assert.throws(() => parseMomentNs(new Query(`since=${text}`), 'since'), isInvalid, text);
  }
});

test('answerOfError() gives every kind a status of 400 or more and never an empty message', () => {
  for (const status of Object.values(statusOfKind)) assert.ok(status >= 400);
  const rows: [unknown, number, string][] = [
    [new EngineError('not-found', 'No such container: x'), 404, 'No such container: x'],
    [new EngineError('in-use', 'Busy', { hint: 'Stop it' }), 409, 'Busy. Stop it'],
    [
      new EngineError('internal', 'cannot exec', { details: { exitCode: 127 } }),
      400,
      'cannot exec',
    ],
    [new EngineError('internal', 'broken', { details: { exitCode: 128 } }), 500, 'broken'],
    [new HttpSyntaxError(413, 'too large'), 413, 'too large'],
    [new TypeError('bug'), 500, 'bug'],
    ['text', 500, 'text'],
    [new Error(''), 500, 'Unknown error'],
  ];
  for (const [error, status, message] of rows) {
    const answer = answerOfError(error);
    assert.deepEqual([answer.status, answer.message], [status, message]);
  }
  assert.equal(answerOfError(new TypeError('bug')).isUnexpected, true);
  assert.equal(answerOfError(new EngineError('conflict', 'x')).isUnexpected, false);
});

test('encodeBigJson() keeps all digits', () => {
  assert.equal(
    encodeBigJson({ t: 1_795_428_000_123_456_789n, a: [1n], s: '<&>' }),
    '{"t":1795428000123456789,"a":[1],"s":"<&>"}',
  );
});

test('Heads renews the date each second and lets no value end a line', () => {
  let nowMs = Date.parse('2026-11-23T10:00:00.900Z');
  const heads = new Heads('0.1.0', () => nowMs);
  assert.match(
    heads.of(200, undefined),
    /^HTTP\/1\.1 200 OK\r\nApi-Version: 1\.51\r\nDocker-Experimental: false\r\nOstype: linux\r\nServer: Docker\/0\.1\.0 \(linux\)\r\nDate: Mon, 23 Nov 2026 10:00:00 GMT\r\n$/,
  );
  nowMs += 200;
  assert.match(heads.of(200, undefined), /Date: Mon, 23 Nov 2026 10:00:01 GMT/);
  assert.match(
    heads.of(404, 'application/json'),
    /^HTTP\/1\.1 404 Not Found\r\n[\s\S]*\r\nContent-Type: application\/json\r\n$/,
  );
  assert.ok(heads.of(200, undefined, { X: 'a\r\nEvil: b' }).endsWith('X: a??Evil: b\r\n'));
});

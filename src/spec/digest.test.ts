import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../base/error.ts';
import {
  chainIds,
  createDigester,
  digestBytes,
  digestOf,
  isDigest,
  parseDigest,
  shortDigest,
  splitDigest,
} from './digest.ts';

const EMPTY = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

test('digestBytes() gives the sha256 of bytes and of UTF-8 text', () => {
  assert.equal(digestBytes(''), EMPTY);
  assert.equal(digestBytes(new Uint8Array([0x61])), digestBytes('a'));
});

test('a running hash gives the same digest as all bytes at once', () => {
  assert.equal(digestOf(createDigester().update('he').update('llo')), digestBytes('hello'));
  assert.equal(
    digestOf(createDigester('sha512').update(''), 'sha512').length,
    'sha512:'.length + 128,
  );
});

for (const text of [EMPTY, `sha512:${'a'.repeat(128)}`]) {
  test(`parseDigest() accepts ${text.slice(0, 20)}…`, () => {
    assert.equal(parseDigest(text), text);
  });
}

const BAD: readonly string[] = [
  '',
  'sha256',
  'sha256:',
  `sha256:${'a'.repeat(63)}`,
  `sha256:${'a'.repeat(65)}`,
  `sha256:${'A'.repeat(64)}`,
  `sha256:${'g'.repeat(64)}`,
  `sha512:${'a'.repeat(64)}`,
  `md5:${'a'.repeat(32)}`,
  `SHA256:${'a'.repeat(64)}`,
  `sha256:../${'a'.repeat(61)}`,
  `sha256:${'a'.repeat(64)}\n`,
  ` sha256:${'a'.repeat(64)}`,
  `sha256:${'a'.repeat(32)}/${'a'.repeat(31)}`,
  `sha256+b64:${'a'.repeat(64)}`,
  `__proto__:${'a'.repeat(64)}`,
];
for (const text of BAD) {
  test(`parseDigest() refuses ${JSON.stringify(text.slice(0, 40))}`, () => {
    assert.equal(isDigest(text), false);
    assert.throws(
      () => parseDigest(text),
      (error) => isEngineError(error) && error.kind === 'invalid',
    );
  });
}

test('splitDigest() and shortDigest() give the parts', () => {
  const digest = parseDigest(EMPTY);
  assert.deepEqual(splitDigest(digest), { algorithm: 'sha256', hex: EMPTY.slice(7) });
  assert.equal(shortDigest(digest), 'e3b0c44298fc');
});

test('chainIds() of one layer is its diff id, of more the digest over the chain', () => {
  const [a, b] = [digestBytes('a'), digestBytes('b')];
  assert.deepEqual(chainIds([]), []);
  assert.deepEqual(chainIds([a]), [a]);
  const second = digestBytes(`${a} ${b}`);
  assert.deepEqual(chainIds([a, b, a]), [a, second, digestBytes(`${second} ${a}`)]);
});

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { encodeImagePath, encodeRequestHead, encodeSegment, encodeTarget } from './message.ts';

test('encodeRequestHead() writes the request line and headers', () => {
  assert.equal(
    encodeRequestHead({
      method: 'POST',
      target: '/v1.51/a?b=c',
      headers: { Host: 'x', 'Content-Length': '0' },
    }),
    'POST /v1.51/a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n',
  );
});

test('encodeRequestHead() refuses a path or header that would end its line', () => {
  for (const target of ['/a b', '/a\r\nX: y', '/ü']) {
    assert.throws(() => encodeRequestHead({ method: 'GET', target, headers: {} }), TypeError);
  }
  assert.throws(
    () => encodeRequestHead({ method: 'GET', target: '/', headers: { a: 'b\r\nc: d' } }),
    TypeError,
  );
  assert.throws(
    () => encodeRequestHead({ method: 'GET', target: '/', headers: { 'a\nb': 'c' } }),
    TypeError,
  );
});

test('encodeTarget() leaves out what is unset or false, repeats arrays, encodes values', () => {
  assert.equal(
    encodeTarget('/p', { a: undefined, b: false, c: true, d: 0, e: ['x y', '&'], f: '' }),
    '/p?c=1&d=0&e=x%20y&e=%26&f=',
  );
  assert.equal(encodeTarget('/p', { a: undefined }), '/p');
});

test('encodeSegment() leaves no way out of its segment', () => {
  assert.equal(encodeSegment('../x'), '..%2Fx');
  assert.equal(encodeSegment('..'), '%2E%2E');
  assert.equal(encodeSegment('a?b#c\n'), 'a%3Fb%23c%0A');
});

test('encodeImagePath() keeps the slashes of a reference', () => {
  assert.equal(encodeImagePath('localhost:5000/a/b:1'), 'localhost%3A5000/a/b%3A1');
  assert.equal(encodeImagePath('a/../b'), 'a/%2E%2E/b');
});

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { isEngineError } from '../../base/error.ts';
import { ResponseParser } from './parser.ts';

interface Seen {
  statusCode?: number;
  bodyKind?: string;
  headers?: Record<string, string>;
  body: string;
  ended: boolean;
  rest: string;
}

/** Feeds `text` in pieces of `size` bytes. */
function parse(
  text: string,
  size: number,
  options: { head?: boolean; finish?: boolean } = {},
): Seen {
  const parser = new ResponseParser({ isHeadRequest: options.head === true });
  const seen: Seen = { body: '', ended: false, rest: '' };
  const take = (parts: ReturnType<ResponseParser['push']>): void => {
    for (const part of parts) {
      if (part.kind === 'head') {
        seen.statusCode = part.head.statusCode;
        seen.bodyKind = part.head.bodyKind;
        seen.headers = Object.fromEntries(part.head.headers);
      } else if (part.kind === 'body') seen.body += part.bytes.toString('latin1');
      else {
        seen.ended = true;
        seen.rest = part.rest.toString('latin1');
      }
    }
  };
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at < bytes.length && !parser.isDone; at += size)
    take(parser.push(bytes.subarray(at, at + size)));
  if (options.finish === true) take(parser.finish());
  assert.equal(parser.isDone, seen.ended);
  return seen;
}

const sizes = [1, 2, 3, 7, 1000];

for (const size of sizes) {
  test(`ResponseParser reads a body of known length, ${String(size)} bytes at a time`, () => {
    const seen = parse('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A:  b \r\n\r\nhello', size);
    assert.deepEqual(
      [seen.statusCode, seen.body, seen.ended, seen.headers?.['x-a']],
      [200, 'hello', true, 'b'],
    );
  });

  test(`ResponseParser reads a chunked body with extensions and trailers, ${String(size)} bytes at a time`, () => {
    const text =
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: z\r\n\r\n';
    const seen = parse(text, size);
    assert.deepEqual([seen.body, seen.ended], ['abc0123456789', true]);
  });

  test(`ResponseParser skips interim responses, ${String(size)} bytes at a time`, () => {
    const seen = parse('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n', size);
    assert.deepEqual([seen.statusCode, seen.bodyKind, seen.ended], [204, 'none', true]);
  });

  test(`ResponseParser reads to the end of the connection without a length, ${String(size)} bytes at a time`, () => {
    const seen = parse('HTTP/1.1 200 OK\r\n\r\nabc', size, { finish: true });
    assert.deepEqual([seen.bodyKind, seen.body, seen.ended], ['close', 'abc', true]);
  });
}

test('ResponseParser hands over what follows an upgrade', () => {
  const seen = parse('HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nraw\x01', 1000);
  assert.deepEqual([seen.statusCode, seen.bodyKind, seen.rest], [101, 'upgrade', 'raw\x01']);
});

test('ResponseParser ends a HEAD response at its head although it has a length', () => {
  const seen = parse('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 1000, { head: true });
  assert.deepEqual([seen.bodyKind, seen.ended], ['none', true]);
});

const malformed: readonly (readonly [string, string])[] = [
  ['not HTTP', 'SSH-2.0-OpenSSH\r\n\r\n'],
  ['HTTP/2', 'HTTP/2 200\r\n\r\n'],
  ['a header without a name', 'HTTP/1.1 200 OK\r\n: x\r\n\r\n'],
  ['a header without a colon', 'HTTP/1.1 200 OK\r\nfoo\r\n\r\n'],
  ['a length that is no number', 'HTTP/1.1 200 OK\r\nContent-Length: 1e3\r\n\r\n'],
  ['a negative length', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'],
  ['an unknown transfer coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n'],
  ['a chunk without a size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n'],
  [
    'a chunk size beyond numbers',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n',
  ],
  [
    'a chunk longer than it says',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n',
  ],
  ['an endless head', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(20_000)}`],
  [
    'an endless chunk line',
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;${'x'.repeat(10_000)}`,
  ],
];

for (const [name, text] of malformed) {
  test(`ResponseParser refuses ${name}`, () => {
    for (const size of [1000, 100_000]) {
      assert.throws(
        () => parse(text, size),
        (error: unknown) => isEngineError(error) && error.kind === 'corrupt',
      );
    }
  });
}

test('ResponseParser.finish() refuses a response cut short', () => {
  for (const text of [
    '',
    'HTTP/1.1 200',
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
  ]) {
    assert.throws(
      () => parse(text, 1000, { finish: true }),
      (error: unknown) => isEngineError(error) && error.kind === 'corrupt',
    );
  }
});

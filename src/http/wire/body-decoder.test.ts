import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BodyDecoder } from './body-decoder.ts';
import { type BodyFraming, HttpSyntaxError } from './head.ts';

/** Feed `bytes` in pieces cut at `cuts`; the body, what is left, and whether it is done. */
function decode(
  framing: BodyFraming,
  bytes: Buffer,
  cuts: readonly number[] = [],
): { body: string; rest: string; isDone: boolean } {
  const decoder = new BodyDecoder(framing);
  const body: Buffer[] = [];
  let rest = '';
  const edges = [
    0,
    ...[...cuts].map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b),
    bytes.length,
  ];
  for (let index = 1; index < edges.length; index += 1) {
    const piece = bytes.subarray(edges[index - 1], edges[index]);
    const taken = decoder.push(piece, (data) => body.push(Buffer.from(data)));
    rest += piece.subarray(taken).toString('latin1');
  }
  return { body: Buffer.concat(body).toString('latin1'), rest, isDone: decoder.isDone };
}

test('BodyDecoder takes a body of known length and no byte more', () => {
  assert.deepEqual(decode({ kind: 'length', bytes: 4 }, Buffer.from('abcdGET /')), {
    body: 'abcd',
    rest: 'GET /',
    isDone: true,
  });
  assert.deepEqual(decode({ kind: 'length', bytes: 4 }, Buffer.from('abc')), {
    body: 'abc',
    rest: '',
    isDone: false,
  });
  assert.deepEqual(decode({ kind: 'none' }, Buffer.from('x')), {
    body: '',
    rest: 'x',
    isDone: true,
  });
});

test('BodyDecoder takes chunks with extensions and trailers', () => {
  const text = '4;name=v\r\nWiki\r\n5 \r\npedia\r\n00\r\nExpires: x\r\n\r\nnext';
  assert.deepEqual(decode({ kind: 'chunked' }, Buffer.from(text)), {
    body: 'Wikipedia',
    rest: 'next',
    isDone: true,
  });
});

test('BodyDecoder gives the same body wherever the input is cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 6 }),
      fc.array(fc.nat(400), { maxLength: 12 }),
      (chunks, cuts) => {
        const wire = Buffer.concat([
          ...chunks.map((chunk) =>
            Buffer.concat([
              Buffer.from(`${chunk.length.toString(16)}\r\n`),
              chunk,
              Buffer.from('\r\n'),
            ]),
          ),
          Buffer.from('0\r\n\r\nrest'),
        ]);
        const { body, rest, isDone } = decode({ kind: 'chunked' }, wire, cuts);
        assert.equal(body, Buffer.concat(chunks).toString('latin1'));
        assert.equal(rest, 'rest');
        assert.equal(isDone, true);
      },
    ),
  );
});

test('BodyDecoder refuses bad chunks', () => {
  const rows = [
    'x\r\n',
    '-1\r\n',
    '0x4\r\nWiki\r\n',
    '4\nWiki\r\n',
    '4\r\nWikiX\r\n',
    '4\r\nWiki\n0\r\n\r\n',
    '\r\n',
    'fffffffffffff\r\n',
    `4;${'x'.repeat(2000)}`,
    `0\r\n${'a: b\r\n'.repeat(2000)}`,
  ];
  for (const text of rows) {
    assert.throws(
      () => decode({ kind: 'chunked' }, Buffer.from(text)),
      HttpSyntaxError,
      JSON.stringify(text.slice(0, 40)),
    );
  }
});

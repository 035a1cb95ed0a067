/** The codec: names, queries and answers, right ones and hostile ones. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  answerTo,
  hostileArbitrary,
  ipBytes,
  message,
  nameArbitrary,
  opt,
  record,
  wireName,
} from '../../../test/names/messages.ts';
import { formatAddress } from '../../spec/cidr.ts';
import { encodeName, lowerName, readName, skipName } from './name.ts';
import { decodeQuery, encodeForward, type Query, RCODE } from './query.ts';
import { decodeReply, encodeAnswer, fitReply } from './response.ts';

/** The query that bytes are; fails the test when they are none. */
function queryOf(bytes: Uint8Array): Query {
  const received = decodeQuery(bytes);
  return received.kind === 'query' ? received.query : assert.fail(received.kind);
}

/** Bits 0 to 3 of a refusal; -1: nothing is said. */
function refusalOf(bytes: Uint8Array): number {
  const received = decodeQuery(bytes);
  if (received.kind === 'refusal') return (received.bytes[3] ?? 0) & 0xf;
  return received.kind === 'nothing' ? -1 : -2;
}

test('encodeName() and readName() are each other’s inverse', () => {
  fc.assert(
    fc.property(nameArbitrary, (name) => {
      const bytes = encodeName(name);
      if (bytes === undefined) return;
      const read = readName(bytes, 0, 'no-pointers');
      assert.deepEqual(read, { text: name, endIndex: bytes.length });
      assert.equal(skipName(bytes, 0), bytes.length);
      assert.deepEqual(encodeName(read.text), bytes);
    }),
  );
});

test('encodeName() refuses what no name is', () => {
  const bad = [
    'a..b',
    '.a',
    'a.',
    'x'.repeat(64),
    Array.from({ length: 128 }, () => 'aa').join('.'),
  ];
  for (const text of bad) assert.equal(encodeName(text), undefined, text);
  assert.equal(encodeName('ж'), undefined);
  assert.deepEqual(encodeName(''), Uint8Array.of(0));
});

test('readName() ends at loops, at labels that are too long and at the end of the bytes', () => {
  const rows: readonly (readonly [string, number])[] = [
    ['c000', 0],
    ['01 61 c000', 2],
    ['c002 c000', 0],
    ['03 61 62', 0],
    ['40 61', 0],
    ['80 61', 0],
    ['01 61', 0],
    ['', 0],
    ['c0', 0],
  ];
  for (const [hex, start] of rows) {
    const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex');
    assert.equal(readName(bytes, start, 'pointers'), undefined, hex);
  }
  const long = Buffer.concat(Array.from({ length: 130 }, () => Buffer.from('0161', 'hex')));
  assert.equal(readName(Buffer.concat([long, Buffer.of(0)]), 0, 'pointers'), undefined);
  const pointed = Buffer.from('016100 0162c000'.replaceAll(' ', ''), 'hex');
  assert.deepEqual(readName(pointed, 3, 'pointers'), { text: 'b.a', endIndex: 7 });
  assert.equal(readName(pointed, 3, 'no-pointers'), undefined);
});

test('names are compared without regard to the case of ASCII letters only', () => {
  assert.equal(lowerName('WeB.ÄX'), 'web.Äx');
});

test('decodeQuery() reads header, question and EDNS', () => {
  const options = Buffer.from('000a00080102030405060708', 'hex');
  const query = queryOf(
    message({
      id: 7,
      flags: 0x0130,
      name: 'Web.Example',
      type: 28,
      additionalCount: 1,
      rest: opt(1400, options),
    }),
  );
  assert.equal(query.idNumber, 7);
  assert.equal(query.question.name, 'Web.Example');
  assert.equal(query.question.type, 28);
  assert.ok(query.edns !== undefined);
  assert.equal(query.edns.payloadBytes, 1400);
  assert.deepEqual(Buffer.from(query.edns.options), options);
  assert.equal(queryOf(message()).edns, undefined);
});

test('decodeQuery() tells what is none from what is refused', () => {
  assert.equal(refusalOf(Buffer.alloc(11)), -1);
  assert.equal(refusalOf(message({ flags: 0x8100 })), -1, 'an answer');
  assert.equal(refusalOf(message({ flags: 0x2800 })), RCODE.notImplemented, 'an update');
  assert.equal(refusalOf(message({ counts: [0, 0, 0, 0] })), RCODE.formatError);
  assert.equal(refusalOf(message({ counts: [2, 0, 0, 0] })), RCODE.formatError);
  assert.equal(
    refusalOf(message({ counts: [1, 1, 0, 0] })),
    RCODE.formatError,
    'answers in a query',
  );
  assert.equal(
    refusalOf(message({ counts: [1, 0, 0, 9] })),
    RCODE.formatError,
    'records that are not there',
  );
  assert.equal(refusalOf(message().subarray(0, 15)), RCODE.formatError);
  assert.equal(
    refusalOf(Buffer.concat([message().subarray(0, 12), Buffer.of(0xc0, 0, 0, 1, 0, 1)])),
    RCODE.formatError,
  );
  assert.equal(
    refusalOf(message({ additionalCount: 2, rest: Buffer.concat([opt(), opt()]) })),
    RCODE.formatError,
  );
});

test('decodeQuery() takes whatever bytes, and what it takes can be forwarded and answered', () => {
  let taken = 0;
  fc.assert(
    fc.property(fc.oneof(hostileArbitrary, fc.uint8Array({ maxLength: 600 })), (bytes) => {
      const received = decodeQuery(bytes);
      if (received.kind === 'refusal') assert.equal(received.bytes.length, 12);
      if (received.kind !== 'query') return;
      taken += 1;
      const again = queryOf(encodeForward(received.query, 99));
      assert.equal(again.idNumber, 99);
      assert.deepEqual(again.question, received.query.question);
      const answer = encodeAnswer(received.query, {
        rcode: 0,
        isTcp: false,
        records: [],
        ttlSeconds: 1,
      });
      assert.ok(answer.length <= 512);
    }),
    { numRuns: 3000 },
  );
  assert.ok(taken > 100, 'the bytes are near enough to queries');
});

test('encodeForward() passes flags and EDNS on, and asks for datagrams that are not fragmented', () => {
  const query = queryOf(
    message({ flags: 0x0130, additionalCount: 1, rest: opt(4096, Buffer.of(0, 3, 0, 0)) }),
  );
  const forward = encodeForward(query, 0xbeef);
  assert.equal(
    Buffer.from(forward).toString('hex'),
    `beef0130000100000000000103776562000001000100002904d0000000000004${'00030000'}`,
  );
});

test('encodeAnswer() fits into what the asker takes, and says when it does not', () => {
  const records = Array.from({ length: 100 }, (_, at) => ({
    type: 1,
    data: Buffer.of(10, 0, 0, at),
  }));
  const answer = { rcode: 0, records, ttlSeconds: 10 };
  const small = encodeAnswer(queryOf(message()), { ...answer, isTcp: false });
  assert.ok(small.length <= 512 && small.length > 490, String(small.length));
  assert.equal(small.readUInt16BE(2) & 0x0200, 0x0200);
  const edns = queryOf(message({ additionalCount: 1, rest: opt(4096) }));
  const large = encodeAnswer(edns, { ...answer, isTcp: false });
  assert.equal(large.readUInt16BE(2) & 0x0200, 0);
  assert.equal(large.readUInt16BE(6), 100);
  assert.equal(encodeAnswer(queryOf(message()), { ...answer, isTcp: true }).readUInt16BE(6), 100);
  const refused = encodeAnswer(edns, {
    rcode: RCODE.badVersion,
    records: [],
    ttlSeconds: 0,
    isTcp: false,
  });
  assert.equal(refused.readUInt16BE(2) & 0xf, 0);
  assert.equal(refused.at(-6), 1, 'the upper bits of BADVERS are in EDNS');
});

/** What a server that was asked for `name` with id 0x1234 said. */
function replyTo(name: string, reply: Uint8Array): ReturnType<typeof decodeReply> {
  return decodeReply(reply, { idNumber: 0x1234, question: queryOf(message({ name })).question });
}

test('decodeReply() takes the answer to its question and nothing else', () => {
  const asked = message({ name: 'web.example' });
  const right = answerTo(asked, [record(1, ipBytes('192.0.2.1'), { ttlSeconds: 77 })]);
  assert.deepEqual(
    replyTo('web.example', right)?.addresses.map(({ address, ttlSeconds }) => [
      formatAddress(address),
      ttlSeconds,
    ]),
    [['192.0.2.1', 77]],
  );
  assert.notEqual(replyTo('wEb.eXample', right), undefined, 'letters of another case');
  const wrong: readonly (readonly [string, Buffer])[] = [
    ['another id', answerTo(message({ name: 'web.example', id: 0x1235 }), [])],
    ['a query', asked],
    ['another name', answerTo(message({ name: 'web.exbmple' }), [])],
    ['another type', answerTo(message({ name: 'web.example', type: 28 }), [])],
    ['another class', answerTo(message({ name: 'web.example', classNumber: 3 }), [])],
    ['two questions', answerTo(message({ name: 'web.example', counts: [2, 0, 0, 0] }), [])],
    ['a record that is cut', right.subarray(0, -1)],
    ['nothing', Buffer.alloc(0)],
    ['a header', right.subarray(0, 12)],
  ];
  for (const [what, bytes] of wrong) assert.equal(replyTo('web.example', bytes), undefined, what);
});

test('decodeReply() gives the addresses of the name by way of aliases, not of others', () => {
  const asked = message({ name: 'www' });
  const reply = answerTo(asked, [
    record(5, wireName('real.host'), { ttlSeconds: 30 }),
    record(1, ipBytes('192.0.2.9'), { owner: wireName('REAL.host'), ttlSeconds: 500 }),
    record(1, ipBytes('10.0.0.1'), { owner: wireName('evil') }),
    record(1, Buffer.of(1, 2, 3), { owner: wireName('real.host') }),
  ]);
  const addresses = replyTo('www', reply)?.addresses ?? [];
  assert.deepEqual(
    addresses.map(({ address, ttlSeconds }) => [formatAddress(address), ttlSeconds]),
    [['192.0.2.9', 30]],
  );
  const loop = answerTo(asked, [
    record(5, wireName('b')),
    record(5, wireName('www'), { owner: wireName('b') }),
  ]);
  assert.deepEqual(replyTo('www', loop)?.addresses, []);
});

test('thousands of records with one long name are read in a moment', () => {
  const name = Array.from({ length: 126 }, () => 'a').join('.');
  const one = record(1, ipBytes('192.0.2.1'));
  const reply = answerTo(
    message({ name }),
    Array.from({ length: 3900 }, () => one),
  );
  assert.equal(replyTo(name, reply)?.addresses.length, 3900);
});

test('a truncated reply whose last record is cut is a reply without records', () => {
  const asked = message({ name: 'web' });
  const cut = answerTo(asked, [record(1, ipBytes('1.2.3.4'))], { flags: 0x0200 }).subarray(0, -2);
  const reply = replyTo('web', cut);
  assert.ok(reply !== undefined);
  assert.equal(reply.isTruncated, true);
  assert.equal(reply.bytes.readUInt16BE(6), 0);
  assert.equal(reply.bytes.length, asked.length);
});

test('fitReply() gives the asker its id, its letters and what it takes', () => {
  const asked = message({ name: 'web' });
  const reply = replyTo(
    'web',
    answerTo(
      asked,
      Array.from({ length: 60 }, () => record(1, ipBytes('1.2.3.4'))),
    ),
  );
  assert.ok(reply !== undefined);
  const small = fitReply(reply, queryOf(message({ name: 'WEB', id: 9 })), false);
  assert.equal(small.readUInt16BE(0), 9);
  assert.equal(small.subarray(13, 16).toString(), 'WEB');
  assert.ok(small.length <= 512);
  assert.equal(small.readUInt16BE(2) & 0x0200, 0x0200);
  const { question } = queryOf(message({ name: 'web' }));
  assert.notEqual(decodeReply(small, { idNumber: 9, question }), undefined);
  assert.equal(fitReply(reply, queryOf(asked), true).length, reply.bytes.length);
});

test('decodeReply() takes whatever bytes, and what it takes fits whoever asked', () => {
  const questions = ['', 'web', 'a.b.c.d'].map((name) => queryOf(message({ name })));
  let taken = 0;
  fc.assert(
    fc.property(hostileArbitrary, (bytes) => {
      for (const query of questions) {
        const idNumber = bytes.length < 2 ? 0 : bytes.readUInt16BE(0);
        const reply = decodeReply(bytes, { idNumber, question: query.question });
        if (reply === undefined) continue;
        taken += 1;
        assert.ok(fitReply(reply, query, false).length <= 512);
        assert.equal(fitReply(reply, query, true).length, reply.bytes.length);
      }
    }),
    { numRuns: 3000 },
  );
  assert.ok(taken > 50, 'the bytes are near enough to answers');
});

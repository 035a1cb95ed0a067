/**
 * N10: DNS messages that are changed here and there: a query is answered or
 * refused, an answer is passed on within bounds or dropped. Nothing throws.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeQuery, encodeForward, type Query } from '../../src/network/dns/query.ts';
import { decodeReply, encodeAnswer, fitReply } from '../../src/network/dns/response.ts';
import { answerTo, ipBytes, message, opt, record, wireName } from '../names/messages.ts';
import { Dice, FUZZ_FACTOR, FUZZ_SEED, mutateBytes } from './mutate.ts';

const LONG = Array.from({ length: 120 }, () => 'a').join('.');
const QUERIES: readonly Buffer[] = [
  message({ name: 'web' }),
  message({ name: LONG, type: 28 }),
  message({
    name: 'Example.ORG',
    additionalCount: 1,
    rest: opt(4096, Buffer.from('000a0002abcd', 'hex')),
  }),
  message({ name: '2.0.0.10.in-addr.arpa', type: 12 }),
];
const REPLIES: readonly Buffer[] = [
  answerTo(message({ name: 'web' }), [
    record(1, ipBytes('192.0.2.1')),
    record(28, Buffer.alloc(16, 1)),
  ]),
  answerTo(message({ name: 'web' }), [
    record(5, wireName('b.example')),
    record(5, Buffer.of(0xc0, 12), { owner: wireName('b.example') }),
  ]),
  answerTo(
    message({ name: LONG, type: 28 }),
    Array.from({ length: 40 }, () => record(28, Buffer.alloc(16, 2))),
  ),
  answerTo(message({ name: 'web' }), [record(1, ipBytes('192.0.2.1'))], {
    flags: 0x0200,
    rcode: 3,
  }),
];

/** The queries as they are read. */
const ASKED: readonly Query[] = QUERIES.flatMap((bytes) => {
  const received = decodeQuery(bytes);
  return received.kind === 'query' ? [received.query] : [];
});

function readQuery(bytes: Buffer): number {
  const received = decodeQuery(bytes);
  if (received.kind !== 'query') return 0;
  const { query } = received;
  const again = decodeQuery(encodeForward(query, 7));
  assert.ok(again.kind === 'query' && again.query.question.name === query.question.name);
  const failure = encodeAnswer(query, { rcode: 2, isTcp: false, records: [], ttlSeconds: 0 });
  assert.ok(failure.length <= 512);
  return 1;
}

function readReply(bytes: Buffer): number {
  let taken = 0;
  const idNumber = bytes.length < 2 ? 0 : bytes.readUInt16BE(0);
  for (const query of ASKED) {
    const reply = decodeReply(bytes, { idNumber, question: query.question });
    if (reply === undefined) continue;
    taken += 1;
    assert.ok(fitReply(reply, query, false).length <= 4096);
    assert.ok(reply.addresses.every(({ ttlSeconds }) => ttlSeconds >= 0));
  }
  return taken;
}

test('N10: whatever a container asks and whatever a server answers', () => {
  const all = [...QUERIES, ...REPLIES];
  let queries = 0;
  let replies = 0;
  for (let i = 0; i < 20_000 * FUZZ_FACTOR; i++) {
    const dice = new Dice(FUZZ_SEED + i);
    const bytes = mutateBytes(dice, dice.pick(all), all);
    try {
      queries += readQuery(bytes);
      replies += readReply(bytes);
    } catch (error) {
      assert.fail(`seed ${FUZZ_SEED + i}: ${error instanceof Error ? error.stack : String(error)}`);
    }
  }
  assert.ok(queries > 500 && replies > 500, `${queries} queries, ${replies} replies`);
});

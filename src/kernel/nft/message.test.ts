import { test } from 'node:test';
import assert from 'node:assert/strict';
import { be16, encodeMessages, u32 } from '../netlink/message.ts';
import { decodeElements } from './elements.ts';
import * as expression from './expression.ts';
import * as nft from './message.ts';

const at = { family: 'inet', table: 'carve' } as const;

function hex(annotated: string): string {
  return annotated.replace(/#.*$/gm, '').replace(/\s+/g, '');
}

test('encodeBatch() wraps messages in one transaction and asks for one ack', () => {
  assert.equal(
    Buffer.from(nft.encodeBatch([nft.addTable(at)])).toString('hex'),
    hex(`
      14000000 1000 0100 01000000 00000000  00 00 000a # NFNL_MSG_BATCH_BEGIN for subsystem 10
      20000000 000a 0504 02000000 00000000  01 00 0000 # NFT_MSG_NEWTABLE, REQUEST|ACK|CREATE, NFPROTO_INET
        0a00 0100 63617276650000 00                    #   NFTA_TABLE_NAME carve
      14000000 1100 0100 03000000 00000000  00 00 000a # NFNL_MSG_BATCH_END
    `),
  );
});

test('addRule() nests expressions as the kernel reads them', () => {
  const rule = nft.addRule(at, 'c', [
    expression.payload({ base: 'transport', offsetBytes: 2, lengthBytes: 2 }),
    expression.compare('eq', be16(80)),
    expression.verdict({ kind: 'drop' }),
  ]);
  assert.deepEqual(rule.attributes[2]?.[1], [
    [
      1,
      [
        [1, new TextEncoder().encode('payload\0')],
        [
          2,
          [
            [1, Uint8Array.of(0, 0, 0, 1)],
            [2, Uint8Array.of(0, 0, 0, 2)],
            [3, Uint8Array.of(0, 0, 0, 2)],
            [4, Uint8Array.of(0, 0, 0, 2)],
          ],
        ],
      ],
    ],
    [
      1,
      [
        [1, new TextEncoder().encode('cmp\0')],
        [
          2,
          [
            [1, Uint8Array.of(0, 0, 0, 1)],
            [2, Uint8Array.of(0, 0, 0, 0)],
            [3, [[1, Uint8Array.of(0, 80)]]],
          ],
        ],
      ],
    ],
    [
      1,
      [
        [1, new TextEncoder().encode('immediate\0')],
        [
          2,
          [
            [1, Uint8Array.of(0, 0, 0, 0)],
            [2, [[2, [[1, Uint8Array.of(0, 0, 0, 0)]]]]],
          ],
        ],
      ],
    ],
  ]);
});

test('concatKey() pads each part to four bytes', () => {
  assert.deepEqual(
    [...nft.concatKey([Uint8Array.of(10, 0, 0, 1), Uint8Array.of(6), be16(8080)])],
    [10, 0, 0, 1, 6, 0, 0, 0, 0x1f, 0x90, 0, 0],
  );
  assert.equal(nft.keyBytes(['ipv4', 'protocol', 'port']), 12);
  assert.equal(nft.keyBytes(['port']), 2);
});

test('addSet() names concatenated types six bits each and sizes map values', () => {
  const set = nft.addSet(at, { name: 'm', key: ['ipv4', 'port'], data: ['verdict'] }, 9);
  const found = new Map(set.attributes);
  assert.deepEqual(found.get(4), Uint8Array.of(0, 0, 1, (7 << 6) + 13 - 256));
  assert.deepEqual(found.get(6), Uint8Array.of(255, 255, 255, 0));
  assert.deepEqual(found.get(3), Uint8Array.of(0, 0, 0, 8));
  assert.deepEqual(found.get(10), Uint8Array.of(0, 0, 0, 9));
});

test('verdicts that jump carry their chain, negative codes in network order', () => {
  assert.deepEqual(expression.dataVerdict({ kind: 'goto', chain: 'x' }), [
    2,
    [
      [1, Uint8Array.of(255, 255, 255, 252)],
      [2, Uint8Array.of(120, 0)],
    ],
  ]);
  assert.deepEqual(u32(1), Uint8Array.of(1, 0, 0, 0));
});

test('any number of elements goes, in as many messages as hold them; what is too long for one is no message', () => {
  const list = Array.from({ length: 3000 }, (_, index) => ({
    key: be16(index),
    data: new Uint8Array(20),
  }));
  const sent = encodeMessages(nft.addElements(at, 's', list));
  assert.deepEqual(
    decodeElements(sent).map(({ key }) => Buffer.from(key).readUInt16BE()),
    list.map((_, index) => index),
  );
  assert.deepEqual(nft.deleteElements(at, 's', []), []);
  assert.throws(
    () => encodeMessages([nft.addTable({ ...at, table: 'x'.repeat(65_531) })]),
    /attribute 1 is too long/,
  );
});

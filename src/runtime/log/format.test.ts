import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../../base/error.ts';
import {
  HEADER_BYTES,
  offsetAfter,
  offsetBefore,
  parseSegmentHeader,
  parseSegmentName,
  recordAt,
  recordLength,
  recordLengthBefore,
  segmentName,
} from './format.ts';

function encodeRecord(
  text: string,
  options: { stream?: number; flags?: number; timeNs?: bigint } = {},
): Buffer {
  const payload = Buffer.from(text);
  const bytes = Buffer.alloc(16 + payload.byteLength + 4);
  bytes.writeUInt32LE(payload.byteLength, 0);
  bytes.writeUInt8(options.stream ?? 1, 4);
  bytes.writeUInt8(options.flags ?? 0, 5);
  bytes.writeUInt16LE(payload.filter((byte) => byte === 10).length, 6);
  bytes.writeBigUInt64LE(options.timeNs ?? 5n, 8);
  payload.copy(bytes, 16);
  bytes.writeUInt32LE(payload.byteLength, 16 + payload.byteLength);
  return bytes;
}

function encodeHeader(entries: readonly (readonly [offset: number, timeNs: bigint])[]): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.write('CRVLOG1\n');
  bytes.writeUInt32LE(1, 8);
  bytes.writeUInt32LE(65536, 12);
  bytes.writeBigUInt64LE(100n, 16);
  entries.forEach(([offset, timeNs], index) => {
    bytes.writeBigUInt64LE(BigInt(offset), 24 + index * 24);
    bytes.writeBigUInt64LE(timeNs, 32 + index * 24);
  });
  return bytes;
}

test("segment names and numbers are each other's inverse, and other names are none", () => {
  for (const number of [1, 42, 99_999_999, 100_000_000])
    assert.equal(parseSegmentName(segmentName(number)), number);
  for (const name of [
    'json.log',
    '1.log',
    '00000000.log',
    '00000001.log.1',
    'exit',
    '99999999999.log',
    '-0000001.log',
  ])
    assert.equal(parseSegmentName(name), undefined);
});

test('recordLength and recordAt read what a monitor writes', () => {
  const bytes = Buffer.concat([
    encodeRecord('hello\n'),
    encodeRecord('x', { stream: 2, flags: 3, timeNs: 2n ** 60n }),
  ]);
  const first = recordLength(bytes, 0, bytes.byteLength);
  assert.equal(first, 26);
  assert.deepEqual(recordAt(bytes, first), {
    stream: 'stderr',
    timeNs: 2n ** 60n,
    payload: Buffer.from('x'),
    isNote: true,
    isContinued: true,
  });
  assert.equal(recordLengthBefore(bytes, 0, bytes.byteLength), bytes.byteLength - first);
});

test('recordLength refuses every prefix and every damaged field', () => {
  const whole = encodeRecord('some text\n');
  for (let end = 0; end < whole.byteLength; end++)
    assert.equal(recordLength(whole, 0, end), 0, `prefix of ${end}`);
  const damage: readonly (readonly [string, (bytes: Buffer) => void])[] = [
    ['length 0', (bytes) => bytes.writeUInt32LE(0, 0)],
    ['length too great', (bytes) => bytes.writeUInt32LE(0xffffffff, 0)],
    ['stream 0', (bytes) => bytes.writeUInt8(0, 4)],
    ['stream 3', (bytes) => bytes.writeUInt8(3, 4)],
    ['unknown flags', (bytes) => bytes.writeUInt8(4, 5)],
    ['another trailing length', (bytes) => bytes.writeUInt32LE(9, bytes.byteLength - 4)],
  ];
  for (const [name, spoil] of damage) {
    const bytes = Buffer.from(whole);
    spoil(bytes);
    assert.equal(recordLength(bytes, 0, bytes.byteLength), 0, name);
    assert.equal(recordLengthBefore(bytes, 0, bytes.byteLength), 0, name);
  }
});

test('a payload that looks like records is not taken for them from the front', () => {
  const inner = Buffer.concat([encodeRecord('forged 1\n'), encodeRecord('forged 2\n')]);
  const bytes = encodeRecord(inner.toString('latin1'));
  assert.equal(recordLength(bytes, 0, bytes.byteLength), bytes.byteLength);
});

test('parseSegmentHeader reads the index up to its end and stops at nonsense', () => {
  const header = parseSegmentHeader(
    encodeHeader([
      [4096, 100n],
      [70_000, 200n],
      [140_000, 300n],
    ]),
  );
  assert.deepEqual(
    header.index.map((entry) => entry.offset),
    [4096, 70_000, 140_000],
  );
  assert.equal(
    parseSegmentHeader(
      encodeHeader([
        [4096, 1n],
        [4096, 2n],
      ]),
    ).index.length,
    1,
  );
  assert.throws(
    () => parseSegmentHeader(Buffer.alloc(HEADER_BYTES)),
    (error) => isEngineError(error) && error.kind === 'corrupt',
  );
  assert.throws(
    () => parseSegmentHeader(encodeHeader([]).subarray(0, 100)),
    (error) => isEngineError(error) && error.kind === 'corrupt',
  );
});

test('offsetBefore and offsetAfter use the index', () => {
  const header = parseSegmentHeader(
    encodeHeader([
      [4096, 100n],
      [70_000, 200n],
      [140_000, 300n],
    ]),
  );
  assert.equal(offsetBefore(header, 50n), HEADER_BYTES);
  assert.equal(offsetBefore(header, 200n), 4096);
  assert.equal(offsetBefore(header, 201n), 70_000);
  assert.equal(offsetBefore(header, 10_000n), 140_000);
  assert.equal(offsetAfter(header, 70_000), 140_000);
  assert.equal(offsetAfter(header, 140_000), undefined);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../base/error.ts';
import { decodeExitRecord, parseExitRecord } from './exit-record.ts';

const RECORD = {
  code: 137,
  signal: 9,
  isOomKilled: true,
  startedAtNs: 1_763_913_600_123_456_789n,
  exitedAtNs: 1_763_913_601_000_000_001n,
  pid: 4_194_303,
};

test('parseExitRecord reads the six lines, in any order', () => {
  const text =
    'code 137\nsignal 9\noom 1\nstarted 1763913600123456789\nexited 1763913601000000001\npid 4194303\n';
  assert.deepEqual(parseExitRecord(text), RECORD);
  assert.deepEqual(parseExitRecord(text.split('\n').toReversed().join('\n')), RECORD);
});

test('parseExitRecord names the line that is missing or no number', () => {
  for (const text of ['', 'code 1\n', 'code x\nsignal 0\noom 0\nstarted 1\nexited 1\npid 1\n']) {
    assert.throws(
      () => parseExitRecord(text),
      (error) =>
        isEngineError(error) && error.kind === 'corrupt' && /it has no \w+$/.test(error.message),
    );
  }
});

test('decodeExitRecord reads the payload of an EXITED frame', () => {
  const payload = Buffer.alloc(32);
  payload.writeInt32LE(137, 0);
  payload.writeInt32LE(9, 4);
  payload.writeUInt32LE(1, 8);
  payload.writeBigUInt64LE(RECORD.startedAtNs, 12);
  payload.writeBigUInt64LE(RECORD.exitedAtNs, 20);
  payload.writeUInt32LE(4_194_303, 28);
  assert.deepEqual(decodeExitRecord(payload), RECORD);
  assert.throws(
    () => decodeExitRecord(payload.subarray(0, 31)),
    (error) => isEngineError(error) && error.kind === 'corrupt',
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeFrame } from './stream-frame.ts';

test('encodeFrame() writes stream, padding, length and payload', () => {
  assert.equal(
    encodeFrame('stdout', 'hé').toString('hex'),
    `0100000000000003${Buffer.from('hé').toString('hex')}`,
  );
  assert.equal(encodeFrame('stderr', Uint8Array.of(0xff)).toString('hex'), '0200000000000001ff');
  assert.equal(encodeFrame('error', '').toString('hex'), '0300000000000000');
});

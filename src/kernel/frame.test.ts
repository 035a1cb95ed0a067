import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isEngineError } from '../base/error.ts';
import { encodeFrame, encodeU32s, FRAME_KIND, FrameDecoder } from './frame.ts';

const frames = fc.array(
  fc.record({
    kind: fc.integer({ min: 0, max: 0xffff }),
    id: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    payload: fc.uint8Array({ maxLength: 300 }),
  }),
  { maxLength: 12 },
);

test('FrameDecoder gives back what encodeFrame made, however the bytes are cut', () => {
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 400 })), (sent, cuts) => {
      const bytes = Buffer.concat(
        sent.map(({ kind, id, payload }) => encodeFrame(kind, id, [payload])),
      );
      const decoder = new FrameDecoder();
      const received = [];
      let at = 0;
      for (const cut of [...cuts, bytes.byteLength]) {
        const chunk = bytes.subarray(at, at + cut);
        if (chunk.byteLength > 0) received.push(...decoder.push(chunk));
        at += cut;
      }
      assert.deepEqual(
        received.map((frame) => ({ ...frame, payload: [...frame.payload] })),
        sent.map((frame) => ({ ...frame, payload: [...frame.payload] })),
      );
      assert.equal(decoder.isInsideFrame, false);
    }),
  );
});

test('encodeFrame joins its parts as the protocol has them', () => {
  const bytes = encodeFrame(FRAME_KIND.resize, 7, [encodeU32s(1, 2), Buffer.from('x')]);
  assert.equal(
    bytes.toString('hex'),
    '15000000' + '1300' + '0000' + '0700000000000000' + '01000000' + '02000000' + '78',
  );
});

test('FrameDecoder refuses lengths out of bounds before it waits for the bytes', () => {
  for (const length of [0, 11, 4097, 0xffffffff]) {
    const head = Buffer.alloc(16);
    head.writeUInt32LE(length, 0);
    assert.throws(
      () => new FrameDecoder(4096).push(head),
      (error) => isEngineError(error) && error.kind === 'corrupt',
      String(length),
    );
  }
});

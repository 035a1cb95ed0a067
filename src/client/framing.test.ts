import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isEngineError } from '../base/error.ts';
import { Demultiplexer } from './framing.ts';

function frame(stream: number, payload: Buffer | string): Buffer {
  const bytes = Buffer.from(payload);
  const header = Buffer.alloc(8);
  header.writeUInt8(stream, 0);
  header.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([header, bytes]);
}

test('Demultiplexer gives back what was framed, however it is cut', () => {
  const frames = fc.array(fc.tuple(fc.constantFrom(1, 2), fc.uint8Array({ maxLength: 40 })), {
    maxLength: 20,
  });
  fc.assert(
    fc.property(frames, fc.integer({ min: 1, max: 50 }), (list, size) => {
      const all = Buffer.concat(list.map(([stream, bytes]) => frame(stream, Buffer.from(bytes))));
      const demux = new Demultiplexer();
      const seen = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
      for (let at = 0; at < all.length; at += size) {
        for (const piece of demux.push(Buffer.from(all.subarray(at, at + size))))
          seen[piece.stream].push(Buffer.from(piece.bytes));
      }
      const expected = (stream: number): Buffer =>
        Buffer.concat(list.filter(([s]) => s === stream).map(([, b]) => Buffer.from(b)));
      assert.deepEqual(Buffer.concat(seen.stdout), expected(1));
      assert.deepEqual(Buffer.concat(seen.stderr), expected(2));
      assert.equal(demux.isInsideFrame, false);
    }),
  );
});

test('Demultiplexer joins frames of one stream that came together', () => {
  const input = Buffer.concat([frame(1, 'a\n'), frame(1, 'b\n'), frame(2, 'c\n'), frame(1, 'd\n')]);
  const pieces = new Demultiplexer()
    .push(input)
    .map(({ stream, bytes }) => [stream, bytes.toString()]);
  assert.deepEqual(pieces, [
    ['stdout', 'a\nb\n'],
    ['stderr', 'c\n'],
    ['stdout', 'd\n'],
  ]);
});

test('Demultiplexer keeps the text of an error frame, and the output before it', () => {
  const demux = new Demultiplexer();
  const bytes = Buffer.concat([frame(1, 'x'), frame(3, 'log is gone\n')]);
  const pieces = demux.push(Buffer.from(bytes.subarray(0, 20)));
  assert.deepEqual([pieces[0]?.bytes.toString(), demux.failure], ['x', undefined]);
  demux.push(Buffer.from(bytes.subarray(20)));
  assert.equal(demux.failure?.message, 'log is gone');
});

test('Demultiplexer refuses bytes that are not frames', () => {
  assert.throws(
    () => new Demultiplexer().push(Buffer.from('plain text of a console')),
    (error: unknown) => isEngineError(error) && error.kind === 'corrupt',
  );
});

test('Demultiplexer knows when it was cut inside a frame', () => {
  const demux = new Demultiplexer();
  demux.push(frame(1, 'abc').subarray(0, 9));
  assert.equal(demux.isInsideFrame, true);
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { lateDuplex } from './late-duplex.ts';

/** A target that says `text` and ends; what is written to it goes nowhere. */
function speaker(text?: string): Duplex {
  const stream = new Duplex({
    allowHalfOpen: true,
    read: () => undefined,
    write: (_chunk, _encoding, done) => done(),
  });
  if (text !== undefined) stream.push(text);
  stream.push(null);
  return stream;
}

test('a target that ended before it was connected ends the stream', async () => {
  const target = speaker();
  // As a socket whose end was read while nobody listened.
  target.resume();
  await once(target, 'end');
  const late = lateDuplex();
  const order: string[] = [];
  late.connect(target, async () => void order.push('awaited'));
  late.stream.resume();
  await once(late.stream, 'end');
  order.push('end');
  assert.deepEqual(order, ['awaited', 'end']);
});

test('what a target said before it was connected is read, then the end', async () => {
  const late = lateDuplex();
  const chunks: Uint8Array[] = [];
  late.stream.on('data', (chunk: Uint8Array) => chunks.push(chunk));
  late.connect(speaker('hello'));
  await once(late.stream, 'end');
  assert.equal(Buffer.concat(chunks).toString(), 'hello');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isEngineError } from '../../base/error.ts';
import { defaultDetachKeys, DetachWatch, parseDetachKeys } from './detach-keys.ts';

test('parseDetachKeys() reads characters and control keys', () => {
  const rows: [string | undefined, number[]][] = [
    [undefined, [0x10, 0x11]],
    ['', [0x10, 0x11]],
    ['ctrl-p,ctrl-q', [0x10, 0x11]],
    ['ctrl-a', [1]],
    ['ctrl-z,x', [26, 0x78]],
    ['ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_', [0, 27, 28, 29, 30, 31]],
    ['a,b,c', [0x61, 0x62, 0x63]],
  ];
  for (const [text, keys] of rows) assert.deepEqual([...parseDetachKeys(text)], keys, text);
});

test('parseDetachKeys() refuses what is no key', () => {
  for (const text of ['ctrl-', 'ctrl-1', 'ab', ',', 'a,', 'ctrl-p;ctrl-q', 'shift-a', ' ']) {
    if (text === ' ') continue;
    assert.throws(
      () => parseDetachKeys(text),
      (error) => isEngineError(error) && error.kind === 'invalid',
      text,
    );
  }
});

/** Types `parts`; what the process gets, and whether it was left. */
function type(
  keys: Uint8Array,
  parts: readonly Uint8Array[],
): { bytes: number[]; isDetached: boolean } {
  const watch = new DetachWatch(keys);
  const bytes: number[] = [];
  for (const part of parts) {
    const result = watch.push(part);
    bytes.push(...result.bytes);
    if (result.isDetached) return { bytes, isDetached: true };
  }
  bytes.push(...watch.flush());
  return { bytes, isDetached: false };
}

test('DetachWatch detaches on the sequence, also when it comes in pieces', () => {
  const [p, q] = [0x10, 0x11];
  const whole = Uint8Array.of(1, p, q, 2);
  assert.deepEqual(type(defaultDetachKeys, [whole]), { bytes: [1], isDetached: true });
  assert.deepEqual(
    type(
      defaultDetachKeys,
      [...whole].map((byte) => Uint8Array.of(byte)),
    ),
    { bytes: [1], isDetached: true },
  );
});

test('DetachWatch passes held bytes on when the sequence is not completed', () => {
  const [p, q] = [0x10, 0x11];
  assert.deepEqual(type(defaultDetachKeys, [Uint8Array.of(p), Uint8Array.of(1)]), {
    bytes: [p, 1],
    isDetached: false,
  });
  assert.deepEqual(type(defaultDetachKeys, [Uint8Array.of(p, p, q)]), {
    bytes: [p],
    isDetached: true,
  });
  assert.deepEqual(type(defaultDetachKeys, [Uint8Array.of(q, p)]), {
    bytes: [q, p],
    isDetached: false,
  });
});

test('DetachWatch finds a sequence that begins within itself', () => {
  const keys = Buffer.from('aab');
  assert.deepEqual(type(keys, [Buffer.from('aaab')]), { bytes: [0x61], isDetached: true });
  assert.deepEqual(type(Buffer.from('ababc'), [Buffer.from('abababc')]), {
    bytes: [0x61, 0x62],
    isDetached: true,
  });
});

test('DetachWatch agrees with a search in the whole text, wherever it is cut', () => {
  const byte = fc.integer({ min: 0, max: 2 });
  fc.assert(
    fc.property(
      fc.array(byte, { minLength: 1, maxLength: 4 }),
      fc.array(fc.array(byte, { maxLength: 6 }), { maxLength: 6 }),
      (keys, parts) => {
        const text = Buffer.from(parts.flat());
        const at = text.indexOf(Buffer.from(keys));
        const expected =
          at === -1
            ? { bytes: [...text], isDetached: false }
            : { bytes: [...text.subarray(0, at)], isDetached: true };
        assert.deepEqual(
          type(
            Uint8Array.from(keys),
            parts.map((part) => Uint8Array.from(part)),
          ),
          expected,
        );
      },
    ),
    { numRuns: 1000 },
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatSignal, parseSignal } from './signal.ts';
import { decodeStreamFrames, encodeStreamFrame } from './stream-frame.ts';
import { formatTimeNs, parseTimeNs, ZERO_TIME } from './time.ts';
import { isVolumeName } from './volume-name.ts';

test('instants keep their nanoseconds both ways', () => {
  assert.equal(formatTimeNs(0n), ZERO_TIME);
  const rows: readonly [bigint, string][] = [
    [1_700_000_000_000_000_000n, '2023-11-14T22:13:20Z'],
    [1_700_000_000_000_000_001n, '2023-11-14T22:13:20.000000001Z'],
    [1_700_000_000_120_000_000n, '2023-11-14T22:13:20.12Z'],
    [-1n, '1969-12-31T23:59:59.999999999Z'],
  ];
  for (const [ns, text] of rows) {
    assert.equal(formatTimeNs(ns), text);
    assert.equal(parseTimeNs(text), ns);
  }
  assert.equal(parseTimeNs('2023-11-14T23:13:20.5+01:00'), 1_700_000_000_500_000_000n);
  for (const bad of ['', 'now', '2023-11-14', '2023-13-14T00:00:00Z', '2023-11-14T22:13:20']) {
    assert.throws(() => parseTimeNs(bad), { kind: 'invalid' }, bad);
  }
});

test('signals by name and number', () => {
  const rows: readonly [string, number][] = [
    ['SIGTERM', 15],
    ['term', 15],
    ['9', 9],
    ['SIGRTMIN', 34],
    ['RTMIN+3', 37],
    ['rtmax-1', 63],
    ['SIGIOT', 6],
  ];
  for (const [text, number] of rows) assert.equal(parseSignal(text), number, text);
  for (const bad of [
    '',
    '0',
    '65',
    'SIGNOPE',
    '-1',
    '1.5',
    'RTMIN-1',
    'RTMAX+1',
    'RTMIN+40',
    'constructor',
  ]) {
    assert.throws(() => parseSignal(bad), { kind: 'invalid', message: `invalid signal: ${bad}` });
  }
  assert.deepEqual([15, 37, 34, 40].map(formatSignal), [
    'SIGTERM',
    'SIGRTMIN+3',
    'SIGRTMIN',
    'SIGRTMIN+6',
  ]);
});

test('stream frames survive any cut', async () => {
  const whole = Buffer.concat([
    encodeStreamFrame(1, Buffer.from('hello')),
    encodeStreamFrame(2, Buffer.from('')),
    encodeStreamFrame(2, Buffer.from('err')),
  ]);
  for (let size = 1; size <= whole.length; size++) {
    const cut = async function* (): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < whole.length; at += size) yield whole.subarray(at, at + size);
    };
    const text = ['', '', ''];
    for await (const { stream, payload } of decodeStreamFrames(cut()))
      text[stream] += Buffer.from(payload).toString();
    assert.deepEqual(text, ['', 'hello', 'err']);
  }
});

test('volume names are one safe component', () => {
  for (const good of ['ab', 'a.b-c_d', '0x']) assert.equal(isVolumeName(good), true);
  for (const bad of ['', 'a', '.a', '../x', 'a/b', 'a b', 'a\0', '-a', 'ä1', 'x'.repeat(256)])
    assert.equal(isVolumeName(bad), false);
});

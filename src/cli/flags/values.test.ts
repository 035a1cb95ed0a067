import { test } from 'node:test';
import assert from 'node:assert/strict';
import { isEngineError } from '../../base/error.ts';
import { parseBytes, parseDecimal, parseDuration, parseInteger } from './values.ts';

const isInvalid = (error: unknown): boolean => isEngineError(error) && error.kind === 'invalid';

test('parseBytes() reads sizes in powers of 1024', () => {
  for (const [text, bytes] of [
    ['0', 0],
    ['1024', 1024],
    ['1b', 1],
    ['64k', 65536],
    ['10M', 10485760],
    ['1.5g', 1610612736],
    ['2gb', 2147483648],
    ['1 KiB', 1024],
    ['1t', 1099511627776],
  ] as const) {
    assert.equal(parseBytes(text), bytes, text);
  }
});

test('parseBytes() refuses what is not a size', () => {
  for (const text of ['', 'abc', '-1', '1x', '1.m', '1e3', '0x10', '9999999p', '1,5m'])
    assert.throws(() => parseBytes(text), isInvalid, text);
});

test('parseDuration() reads what time.ParseDuration reads', () => {
  for (const [text, ns] of [
    ['0', 0],
    ['10s', 10e9],
    ['1h30m', 5400e9],
    ['1.5s', 1.5e9],
    ['100ms', 1e8],
    ['2us', 2000],
    ['3µs', 3000],
    ['.5m', 30e9],
    ['-1s', -1e9],
    ['+1s', 1e9],
  ] as const) {
    assert.equal(parseDuration(text), ns, text);
  }
  for (const text of ['', '5', '1d', 's', '1s2', '1 s', '--1s', '99999999h'])
    assert.throws(() => parseDuration(text), isInvalid, text);
});

test('parseDecimal() reads decimals exactly', () => {
  for (const [text, nanos] of [
    ['1', 1e9],
    ['1.5', 1.5e9],
    ['.25', 25e7],
    ['0.1', 1e8],
    ['0.000000001', 1],
    ['2.', 2e9],
    ['1.5000000000', 1.5e9],
  ] as const) {
    assert.equal(parseDecimal(text), nanos, text);
  }
  for (const text of ['', '.', '-1', '1/2', '1e3', '0.0000000001', '99999999999'])
    assert.throws(() => parseDecimal(text), isInvalid, text);
});

test('parseInteger() reads whole numbers only', () => {
  assert.deepEqual(['-1', '0', '+5', '10'].map(parseInteger), [-1, 0, 5, 10]);
  for (const text of ['', '1.0', '0x1', '1e3', ' 1', '99999999999999999999'])
    assert.throws(() => parseInteger(text), isInvalid, text);
});

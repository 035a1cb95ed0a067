import { test } from 'node:test';
import assert from 'node:assert/strict';
import { neutraliseCell, neutraliseJson, neutraliseText } from './safe.ts';
import { formatTable } from './table.ts';
import { formatBinarySize, formatDuration, formatSize } from './units.ts';

const attacks: readonly (readonly [string, string, string])[] = [
  ['an escape sequence', '\x1b[31mred\x1b[0m', '\\x1b[31mred\\x1b[0m'],
  ['a title change', 'a\x1b]0;owned\x07', 'a\\x1b]0;owned\\x07'],
  ['an eight-bit CSI', 'a\u009b31m', 'a\\x9b31m'],
  ['a bidirectional override', 'a\u202etxt.exe', 'a\\u202etxt.exe'],
  ['an invisible character', 'a\u200bb\ufeff', 'a\\u200bb\\ufeff'],
  ['a carriage return that rewrites the line', 'safe\revil', 'safe\\x0devil'],
  ['a delete', 'a\x7f', 'a\\x7f'],
];

for (const [name, text, shown] of attacks) {
  test(`neutraliseCell() makes ${name} visible`, () => {
    assert.equal(neutraliseCell(text), shown);
    assert.equal(neutraliseText(text), shown);
    const json = neutraliseJson(JSON.stringify(text));
    assert.equal(JSON.parse(json), text);
    assert.equal(/^[ -~ünï🙂]*$/u.test(json), true, json);
  });
}

test('neutraliseText() keeps lines and tabs, neutraliseCell() does not', () => {
  assert.equal(neutraliseText('a\n\tb'), 'a\n\tb');
  assert.equal(neutraliseCell('a\n\tb'), 'a\\x0a\\x09b');
  assert.equal(neutraliseCell('plain ünï🙂'), 'plain ünï🙂');
});

test('formatSize() and formatBinarySize() write what docker writes', () => {
  assert.deepEqual(
    [0, 1, 999, 1000, 1536, 4_261_550, 78_123_456, 999_900_000, 1_840_000_000].map(formatSize),
    ['0B', '1B', '999B', '1kB', '1.54kB', '4.26MB', '78.1MB', '1GB', '1.84GB'],
  );
  assert.deepEqual([0, 1023, 1024, 1_500_000, 8_233_000_000].map(formatBinarySize), [
    '0B',
    '1023B',
    '1KiB',
    '1.431MiB',
    '7.668GiB',
  ]);
});

const durations: readonly (readonly [number, string])[] = [
  [0.4, 'Less than a second'],
  [1.9, '1 second'],
  [2, '2 seconds'],
  [59, '59 seconds'],
  [60, 'About a minute'],
  [119, 'About a minute'],
  [120, '2 minutes'],
  [3599, '59 minutes'],
  [3600, 'About an hour'],
  [5399, 'About an hour'],
  [5400, '2 hours'],
  [47.4 * 3600, '47 hours'],
  [48 * 3600, '2 days'],
  [13 * 86400, '13 days'],
  [14 * 86400, '2 weeks'],
  [59 * 86400, '8 weeks'],
  [60 * 86400, '2 months'],
  [364 * 86400, '12 months'],
  [729 * 86400, '24 months'],
  [730 * 86400, '2 years'],
];

test('formatDuration() writes what docker writes', () => {
  for (const [seconds, text] of durations)
    assert.equal(formatDuration(seconds * 1000), text, String(seconds));
});

test('formatTable() aligns as docker does and keeps a hostile cell on its line', () => {
  assert.equal(
    formatTable([
      ['ID', 'NAMES', 'LAST'],
      ['0123456789ab', 'ünï', 'x'],
      ['', '\n', ''],
    ]),
    'ID             NAMES     LAST\n0123456789ab   ünï       x\n               \\x0a      \n',
  );
});

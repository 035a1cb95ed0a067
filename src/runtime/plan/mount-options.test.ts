import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../../base/error.ts';
import { formatFlags, MOUNT_ATTR, MS } from '../../kernel/plan/flags.ts';
import type { MountOptions } from './mount-options.ts';
import { parseMountOptions } from './mount-options.ts';

/** What the options say, without the parts that say nothing. */
function text(options: MountOptions): string {
  const parts = [
    ['+', options.set],
    ['-', options.clear],
    ['r+', options.setDeep],
    ['r-', options.clearDeep],
  ] as const;
  const attributes = parts
    .filter(([, bits]) => bits !== 0n)
    .map(([sign, bits]) => sign + formatFlags(bits, MOUNT_ATTR).replaceAll('MOUNT_ATTR_', ''));
  const propagation =
    options.propagation === 0n
      ? []
      : [formatFlags(options.propagation, MS) + (options.isPropagationDeep ? '|deep' : '')];
  const words = [options.bind, options.idmap].filter((each) => each !== undefined);
  return [...attributes, ...propagation, ...words, ...options.data].join(' ');
}

const ROWS: readonly (readonly [string, string])[] = [
  ['', ''],
  ['defaults', ''],
  ['ro', '+RDONLY'],
  ['rw', '-RDONLY'],
  ['ro,rw', '-RDONLY'],
  ['rw,ro', '+RDONLY'],
  ['nosuid,noexec,nodev', '+NOSUID|NODEV|NOEXEC'],
  ['nosuid,suid,exec,dev', '-NOSUID|NODEV|NOEXEC'],
  ['noatime', '+NOATIME -_ATIME'],
  ['relatime', '-_ATIME'],
  ['strictatime,nodiratime', '+STRICTATIME|NODIRATIME -_ATIME'],
  ['noatime,relatime', '-_ATIME'],
  ['nosymfollow', '+NOSYMFOLLOW'],
  ['symfollow', '-NOSYMFOLLOW'],
  ['rro', 'r+RDONLY'],
  ['rro,rrw', 'r-RDONLY'],
  ['rnosuid,rnodev,rnoexec', 'r+NOSUID|NODEV|NOEXEC'],
  ['rnoatime', 'r+NOATIME r-_ATIME'],
  ['rnosymfollow,rstrictatime', 'r+STRICTATIME|NOSYMFOLLOW r-_ATIME'],
  ['rbind,rslave', 'MS_SLAVE|deep rbind'],
  ['bind,private', 'MS_PRIVATE bind'],
  ['bind,shared', 'MS_SHARED bind'],
  ['rbind,rshared', 'MS_SHARED|deep rbind'],
  ['unbindable', 'MS_UNBINDABLE'],
  ['runbindable', 'MS_UNBINDABLE|deep'],
  ['rbind,idmap', 'rbind idmap'],
  ['rbind,ridmap', 'rbind ridmap'],
  ['size=64m,mode=1777', 'size=64m mode=1777'],
  ['newinstance,ptmxmode=0666,gid=5', 'newinstance ptmxmode=0666 gid=5'],
  ['sync,dirsync,lazytime', 'sync dirsync lazytime'],
  ['silent,loud,iversion,noiversion', ''],
  ['relative', 'relative'],
  ['r', 'r'],
];

for (const [words, expected] of ROWS) {
  test(`mount options "${words}" are read`, () => {
    assert.equal(text(parseMountOptions(words === '' ? [] : words.split(','))), expected);
  });
}

test('words that could be two are refused', () => {
  for (const word of [
    '',
    'a b',
    'size=1\nro',
    '=x',
    'a\0',
    '1=2',
    'constructor,',
    'x'.repeat(5000),
  ]) {
    assert.throws(
      () => parseMountOptions([word]),
      isEngineError,
      JSON.stringify(word.slice(0, 20)),
    );
  }
  assert.throws(() => parseMountOptions(['tmpcopyup']), /tmpcopyup/);
});

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { encodeCpio } from './cpio.ts';

test('encodeCpio() writes the header fields in order, padded to four bytes', () => {
  const bytes = Buffer.from(
    encodeCpio([{ name: 'a', mode: 0o100644, data: Buffer.from('hello') }]),
  );
  const header =
    '07070100000001000081a400000000000000000000000100000000000000050000000000000000000000000000000000000002000000' +
    '00';
  assert.equal(bytes.subarray(0, 110).toString(), header);
  assert.equal(bytes.subarray(110, 120).toString('latin1'), 'a\0hello\0\0\0');
  assert.equal(bytes.length % 4, 0);
  assert.equal(bytes.indexOf('TRAILER!!!'), 120 + 110);
});

test('busybox reads back what encodeCpio() wrote', (t) => {
  const archive = encodeCpio([
    { name: 'dir', mode: 0o40755 },
    { name: 'dir/file', mode: 0o100600, data: Buffer.from('x'.repeat(7)) },
    { name: 'link', mode: 0o120777, data: Buffer.from('dir/file') },
  ]);
  let listing: string;
  try {
    listing = execFileSync('busybox', ['cpio', '-t'], {
      input: archive,
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'ignore'],
    });
  } catch {
    t.skip('busybox is not installed');
    return;
  }
  assert.deepEqual(listing.trim().split('\n'), ['dir', 'dir/file', 'link']);
});

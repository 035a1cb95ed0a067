import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linkLocalOf } from './quiet.ts';

test('linkLocalOf() is the modified EUI-64 of RFC 4291 appendix A', () => {
  const mac = Uint8Array.of(0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde);
  assert.equal(Buffer.from(linkLocalOf(mac)).toString('hex'), 'fe80000000000000365678fffe9abcde');
});

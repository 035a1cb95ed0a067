import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAddress } from '../spec/cidr.ts';
import { linkLocalOf, macBytes } from './packet.ts';

test('linkLocalOf() is the modified EUI-64 of RFC 4291 appendix A', () => {
  const address = linkLocalOf(macBytes('34:56:78:9a:bc:de'));
  assert.equal(formatAddress(address), 'fe80::3656:78ff:fe9a:bcde');
});

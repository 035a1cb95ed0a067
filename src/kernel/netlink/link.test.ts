/** Bytes of what an ipvlan is asked for. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addIpvlan, type IpvlanKind } from './link.ts';
import { encodeMessage } from './message.ts';

function hexOf(kind: IpvlanKind): string {
  const message = addIpvlan({ name: 'eth0', index: 10 }, 3, kind);
  return Buffer.from(encodeMessage(message, 1)).toString('hex');
}

test('addIpvlan(): the mode, and the flag where it is not the usual one', () => {
  // u16 length 6, u16 IFLA_IPVLAN_MODE, u16 value and two bytes of padding; then IFLA_IPVLAN_FLAGS.
  const mode = (value: number): string => `060001000${value}000000`;
  assert.ok(hexOf({ mode: 'l3', flag: 'private' }).includes(`${mode(1)}0600020001000000`));
  assert.ok(hexOf({ mode: 'l2', flag: 'vepa' }).includes(`${mode(0)}0600020002000000`));
  assert.ok(hexOf({ mode: 'l3s', flag: 'bridge' }).includes(mode(2)));
  assert.ok(!hexOf({ mode: 'l3s', flag: 'bridge' }).includes('06000200'));
});

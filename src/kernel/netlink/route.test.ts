import { test } from 'node:test';
import assert from 'node:assert/strict';
import {
  concatBytes,
  decodeAttributes,
  encodeAttributes,
  encodeMessages,
  offsetOf,
  u32,
  type Message,
} from './message.ts';
import * as link from './link.ts';
import * as route from './route.ts';

/** Hex without blanks and comments (`#` to the end of the line). */
function hex(annotated: string): string {
  return annotated.replace(/#.*$/gm, '').replace(/\s+/g, '');
}

function bytesOf(...messages: Message[]): string {
  return Buffer.from(encodeMessages(messages)).toString('hex');
}

test('setLink() brings a link up', () => {
  assert.equal(
    bytesOf(link.setLink({ index: 1 }, { up: true })),
    hex(`
      20000000 1000 0500 01000000 00000000  # nlmsghdr: 32 bytes, RTM_NEWLINK, REQUEST|ACK, sequence 1
      00 00 0000 01000000 01000000 01000000 # ifinfomsg: index 1, IFF_UP set and changed
    `),
  );
});

test('addAddress() gives an IPv4 address with its broadcast', () => {
  assert.equal(
    bytesOf(route.addAddress(2, { address: Uint8Array.of(10, 9, 0, 2), prefixLength: 20 })),
    hex(`
      30000000 1400 0506 01000000 00000000  # nlmsghdr: 48 bytes, RTM_NEWADDR, REQUEST|ACK|EXCL|CREATE
      02 14 00 00 02000000                  # ifaddrmsg: AF_INET, /20, index 2
      0800 0200 0a090002                    # IFA_LOCAL
      0800 0100 0a090002                    # IFA_ADDRESS
      0800 0400 0a090fff                    # IFA_BROADCAST
    `),
  );
});

test('replaceDefaultRoute() makes a default route through a gateway', () => {
  assert.equal(
    bytesOf(
      route.replaceDefaultRoute({
        gateway: Uint8Array.of(10, 9, 0, 1),
        linkIndex: 2,
        family: 'ipv4',
      }),
    ),
    hex(`
      2c000000 1800 0505 01000000 00000000  # nlmsghdr: 44 bytes, RTM_NEWROUTE, REQUEST|ACK|REPLACE|CREATE
      02 00 00 00 fe 04 00 01 00000000      # rtmsg: AF_INET, /0, table main, static, universe, unicast
      0800 0500 0a090001                    # RTA_GATEWAY
      0800 0400 02000000                    # RTA_OIF
    `),
  );
});

test('addVeth() nests the peer with its own header and one namespace placeholder', () => {
  const bytes = encodeMessages([
    link.addVeth(
      { name: 'v0', masterIndex: 7 },
      { name: 'eth0', index: 2, mac: Uint8Array.of(2, 0, 0, 0, 0, 2) },
    ),
  ]);
  const offset = offsetOf(bytes, u32(link.NETNS_FD_PLACEHOLDER));
  assert.deepEqual(
    [...bytes.subarray(offset - 4, offset)],
    [8, 0, 28, 0],
    'IFLA_NET_NS_FD stands before it',
  );
  assert.equal(
    Buffer.from(bytes).toString('hex'),
    hex(`
      78000000 1000 0506 01000000 00000000
      00 00 0000 00000000 01000000 01000000 # ifinfomsg: up
      0700 0300 76300000                    # IFLA_IFNAME v0
      0800 0a00 07000000                    # IFLA_MASTER 7
      4800 1280                             # IFLA_LINKINFO
        0900 0100 7665746800000000          #   IFLA_INFO_KIND veth
        3800 0280                           #   IFLA_INFO_DATA
          3400 0100                         #     VETH_INFO_PEER
            00 00 0000 02000000 00000000 00000000 # ifinfomsg: index 2
            0900 0300 6574683000000000      #       IFLA_IFNAME eth0
            0a00 0100 0200000000020000      #       IFLA_ADDRESS
            0800 1c00 d50f577e              #       IFLA_NET_NS_FD placeholder
    `),
  );
});

test('setLink() leaves a link without a link-local address', () => {
  const bytes = encodeMessages([link.setLink({ index: 7 }, { withoutLinkLocal: true })]);
  assert.equal(
    Buffer.from(bytes).toString('hex'),
    hex(`
      30000000 1000 0500 01000000 00000000  # RTM_NEWLINK, REQUEST|ACK
      00 00 0000 07000000 00000000 00000000 # ifinfomsg: index 7, flags kept
      1000 1a80                             # IFLA_AF_SPEC
        0c00 0a80                           #   AF_INET6
          0500 0800 01000000                #     IFLA_INET6_ADDR_GEN_MODE none
    `),
  );
});

test('decodeAttributes() undoes encodeAttributes() and stops at a malformed length', () => {
  const bytes = encodeAttributes([
    [1, u32(7)],
    [2, Uint8Array.of(1)],
    [3, [[4, u32(9)]]],
  ]);
  const found = decodeAttributes(bytes);
  assert.deepEqual([...found.keys()], [1, 2, 3]);
  assert.deepEqual(found.get(2), Uint8Array.of(1));
  assert.deepEqual(decodeAttributes(found.get(3) ?? new Uint8Array()).get(4), u32(9));
  assert.equal(decodeAttributes(concatBytes([bytes, Uint8Array.of(3, 0, 1, 0)])).size, 3);
  assert.equal(decodeAttributes(Uint8Array.of(255, 255, 1, 0)).size, 0);
});

test('offsetOf() fails loudly without its placeholder', () => {
  assert.throws(() => offsetOf(new Uint8Array(8), u32(1)), RangeError);
});

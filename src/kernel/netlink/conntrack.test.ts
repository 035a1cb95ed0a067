import { test } from 'node:test';
import assert from 'node:assert/strict';
import { formatAddress } from '../../spec/cidr.ts';
import { decodeFlows, deleteFlow, listFlows, type FlowEnds } from './conntrack.ts';
import { encodeMessage } from './message.ts';

function hex(annotated: string): string {
  return annotated.replace(/#.*$/gm, '').replace(/\s+/g, '');
}

const bytesOf = (message: Parameters<typeof encodeMessage>[0]): string =>
  Buffer.from(encodeMessage(message, 1)).toString('hex');

test('listFlows() asks for flows by the port of their first packet', () => {
  assert.equal(
    bytesOf(listFlows({ family: 'ipv4', protocol: 17, end: 'asked', port: 9000 })),
    hex(`
      38000000 0101 0103 01000000 00000000  02 00 0000 # IPCTNL_MSG_CT_GET, REQUEST|DUMP, AF_INET
        1800 0180                                      #   CTA_TUPLE_ORIG
          1400 0280                                    #     CTA_TUPLE_PROTO
            0500 0100 11000000                         #       CTA_PROTO_NUM udp
            0600 0300 23280000                         #       CTA_PROTO_DST_PORT 9000
        0c00 1980                                      #   CTA_FILTER
          0800 0100 28000000                           #     CTA_FILTER_ORIG_FLAGS PROTO_NUM|PROTO_DST_PORT
    `),
  );
});

test('listFlows() asks for flows by the port that answers', () => {
  assert.equal(
    bytesOf(listFlows({ family: 'ipv6', protocol: 17, end: 'answering', port: 53 })),
    hex(`
      38000000 0101 0103 01000000 00000000  0a 00 0000 # AF_INET6
        1800 0280                                      #   CTA_TUPLE_REPLY
          1400 0280                                    #     CTA_TUPLE_PROTO
            0500 0100 11000000                         #       CTA_PROTO_NUM udp
            0600 0200 00350000                         #       CTA_PROTO_SRC_PORT 53
        0c00 1980                                      #   CTA_FILTER
          0800 0200 18000000                           #     CTA_FILTER_REPLY_FLAGS PROTO_NUM|PROTO_SRC_PORT
    `),
  );
});

/** An answer of one flow: 192.0.2.2:5000 asked 192.0.2.1:9000, which 172.17.0.2:53 answers. */
const ANSWER = hex(`
  84000000 0001 0200 01000000 00000000  02 00 0000     # IPCTNL_MSG_CT_NEW, MULTI
    3400 0180                                          #   CTA_TUPLE_ORIG
      1400 0180 0800 0100 c0000202 0800 0200 c0000201
      1c00 0280 0500 0100 11000000 0600 0200 13880000 0600 0300 23280000
    3400 0280                                          #   CTA_TUPLE_REPLY
      1400 0180 0800 0100 ac110002 0800 0200 c0000202
      1c00 0280 0500 0100 11000000 0600 0200 00350000 0600 0300 13880000
    0800 0c00 deadbeef                                 #   CTA_ID
  14000000 0300 0200 01000000 00000000 00000000        # NLMSG_DONE
`);

test('decodeFlows() reads both ways of a flow, and deleteFlow() names exactly it', () => {
  const [flow, ...others] = decodeFlows(Buffer.from(ANSWER, 'hex'));
  assert.ok(flow !== undefined);
  assert.deepEqual(others, []);
  const shown = ({ source, sourcePort, destination, destinationPort }: FlowEnds): string =>
    `${formatAddress(source)}:${sourcePort} ${formatAddress(destination)}:${destinationPort}`;
  assert.equal(flow.protocol, 17);
  assert.equal(shown(flow.original), '192.0.2.2:5000 192.0.2.1:9000');
  assert.equal(shown(flow.reply), '172.17.0.2:53 192.0.2.2:5000');
  assert.equal(
    bytesOf(deleteFlow(flow)),
    hex(`
      50000000 0201 0500 01000000 00000000  02 00 0000 # IPCTNL_MSG_CT_DELETE, REQUEST|ACK
        3400 0180                                      #   CTA_TUPLE_ORIG, as it was told
          1400 0180 0800 0100 c0000202 0800 0200 c0000201
          1c00 0280 0500 0100 11000000 0600 0200 13880000 0600 0300 23280000
        0800 0c00 deadbeef                             #   CTA_ID
    `),
  );
});

test('decodeFlows() leaves out what is cut off, has no number or no ports', () => {
  const whole = Buffer.from(ANSWER, 'hex');
  for (let length = 0; length < 0x84; length += 1)
    assert.deepEqual(decodeFlows(whole.subarray(0, length)), [], String(length));
  for (let at = 16; at < 0x84; at += 1) {
    const changed = Buffer.from(whole);
    changed[at] = 0xff;
    assert.ok(decodeFlows(changed).length <= 1);
  }
  const noNumber = Buffer.from(whole);
  noNumber.writeUInt16LE(0x7f, 0x84 - 6);
  assert.deepEqual(decodeFlows(noNumber), []);
});

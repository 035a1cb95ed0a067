/**
 * rtnetlink requests about addresses and routes. Pure.
 *
 * Source: include/uapi/linux/{rtnetlink,if_addr}.h; rtnetlink(7).
 */

import { NLM_F, u32, type Message } from './message.ts';
import { AF, CREATE, RTM } from './rtnetlink.ts';

const IFA = { ADDRESS: 1, LOCAL: 2, BROADCAST: 4, FLAGS: 8 } as const;
const IFA_F_NODAD = 0x02;
const RTA = { OIF: 4, GATEWAY: 5 } as const;
const RT_TABLE_MAIN = 254;
const RTPROT_STATIC = 4;
const RT_SCOPE_UNIVERSE = 0;
const RTN_UNICAST = 1;

/** An address with its prefix; 4 bytes are IPv4, 16 IPv6. */
export interface InterfaceAddress {
  readonly address: Uint8Array;
  /** Bits. */
  readonly prefixLength: number;
}

function broadcastOf({ address, prefixLength }: InterfaceAddress): Uint8Array {
  return address.map((byte, index) => {
    const hostBits = Math.min(8, Math.max(0, 8 * (index + 1) - prefixLength));
    return byte | ((1 << hostBits) - 1);
  });
}

function ifaddrmsg(address: InterfaceAddress, linkIndex: number): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, address.address.length === 4 ? AF.INET : AF.INET6);
  view.setUint8(1, address.prefixLength);
  view.setUint32(4, linkIndex, true);
  return bytes;
}

/** Give a link an address. IPv6 skips duplicate detection: carve's own allocator made it unique. */
export function addAddress(linkIndex: number, address: InterfaceAddress): Message {
  const isV4 = address.address.length === 4;
  return {
    type: RTM.NEWADDR,
    flags: CREATE,
    header: ifaddrmsg(address, linkIndex),
    attributes: [
      [IFA.LOCAL, address.address],
      [IFA.ADDRESS, address.address],
      ...(isV4 && address.prefixLength < 31
        ? [[IFA.BROADCAST, broadcastOf(address)] as const]
        : []),
      ...(isV4 ? [] : [[IFA.FLAGS, u32(IFA_F_NODAD)] as const]),
    ],
  };
}

/** A default route. */
export interface DefaultRoute {
  /** The next hop. */
  readonly gateway: Uint8Array;
  readonly linkIndex: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** Make a default route, in the place of one that is there. */
export function replaceDefaultRoute({ gateway, linkIndex, family }: DefaultRoute): Message {
  const header = new Uint8Array(12);
  header[0] = family === 'ipv4' ? AF.INET : AF.INET6;
  header[4] = RT_TABLE_MAIN;
  header[5] = RTPROT_STATIC;
  header[6] = RT_SCOPE_UNIVERSE;
  header[7] = RTN_UNICAST;
  return {
    type: RTM.NEWROUTE,
    flags: NLM_F.REQUEST | NLM_F.ACK | NLM_F.CREATE | NLM_F.REPLACE,
    header,
    attributes: [
      [RTA.GATEWAY, gateway],
      [RTA.OIF, u32(linkIndex)],
    ],
  };
}

/**
 * A network's own link on the host as plan operations: a bridge with its
 * addresses, or the parent of macvlan and ipvlan. Pure.
 *
 * Two plans, because a link that is there already is used as it is: the first
 * makes it and asks for its number, the second acts on the number.
 *
 * Source: rtnetlink(7); Documentation/networking/ip-sysctl.rst.
 */

import {
  decodeAttributes,
  encodeMessage,
  encodeMessages,
  type Message,
  payloadsOf,
} from '../../kernel/netlink/message.ts';
import {
  addBridge,
  addDummy,
  addVlan,
  deleteLink,
  getLink,
  listLinks,
  type LinkSettings,
  setLink,
  type VlanOf,
} from '../../kernel/netlink/link.ts';
import { addAddress } from '../../kernel/netlink/route.ts';
import type { PlanOp } from '../../kernel/plan/op.ts';
import { addressBytes } from '../../spec/cidr.ts';
import { linkSettingsOf } from '../settings.ts';
import type { NetworkRecord } from '../store.ts';
import { openRoute, route, setting, SLOT } from './ops.ts';

const EEXIST = 17;
const ENODEV = 19;
/** Bytes; an answer about one link with all its attributes is some 2 KiB. */
const LINK_ANSWER_MAX = 65_536;

/** Make the link where it is missing, as one of `group`, and ask what it is: see {@link decodeLink}. */
export function planMakeLink(network: NetworkRecord, group: number): readonly PlanOp[] {
  const { link, mtuBytes } = linkSettingsOf(network);
  const mtu = mtuBytes === undefined ? {} : { mtu: mtuBytes };
  const make = makeLink(network, { name: link, group, ...mtu });
  return [
    openRoute(SLOT.host),
    ...(make === undefined ? [] : [route(SLOT.host, [make], EEXIST)]),
    askLink(link),
  ];
}

/** Make a VLAN of a link, up, where it is missing. */
export function planMakeVlan(link: LinkSettings, vlan: VlanOf): readonly PlanOp[] {
  return [openRoute(SLOT.host), route(SLOT.host, [addVlan(link, vlan)], EEXIST)];
}

/** Set a link up. */
function planUp(index: number): readonly PlanOp[] {
  return [openRoute(SLOT.host), route(SLOT.host, [setLink({ index }, { up: true })])];
}

/** Ask what the link of a network is. */
export function planFindLink(network: NetworkRecord): readonly PlanOp[] {
  return planAskLink(linkSettingsOf(network).link);
}

/** Ask what a link of the host is: see {@link decodeLink}. */
export function planAskLink(name: string): readonly PlanOp[] {
  return [openRoute(SLOT.host), askLink(name)];
}

function askLink(name: string): PlanOp {
  return {
    op: 'netlink-query',
    slot: SLOT.host,
    message: encodeMessages([getLink({ name })]),
    maxBytes: LINK_ANSWER_MAX,
  };
}

function makeLink(
  network: NetworkRecord,
  link: { readonly name: string; readonly mtu?: number; readonly group: number },
): Message | undefined {
  if (network.driver === 'bridge') return addBridge({ ...link, mac: bridgeMac(network) });
  // A parent that was named is the user's; without one the network leads nowhere.
  return network.options['parent'] === undefined ? addDummy(link) : undefined;
}

/**
 * A bridge that was given no address of its own takes the lowest of its ports', and another one
 * when containers come and go: whoever knew the old one waits for his next probe. A local one, by
 * the network's id.
 */
function bridgeMac({ id }: NetworkRecord): Uint8Array {
  const bytes = Array.from({ length: 5 }, (_, at) =>
    Number.parseInt(id.slice(2 * at, 2 * at + 2), 16),
  );
  return Uint8Array.of(2, ...bytes);
}

/** A link as the kernel tells it. */
export interface FoundLink {
  readonly index: number;
  /** `bridge`, `dummy`, …; empty for a device. */
  readonly kind: string;
  /** Number that links of one maker share. */
  readonly group: number;
}

const IFLA_GROUP = 27;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;
const HEADERS_BYTES = 32;

/** The answer of a link query: `u32 errno, u32 length, bytes`; `undefined` when there is no such link. */
export function decodeLink(reply: Uint8Array): FoundLink | undefined {
  const view = new DataView(reply.buffer, reply.byteOffset, reply.byteLength);
  if (reply.length < 8 + HEADERS_BYTES || view.getUint32(0, true) !== 0) return undefined;
  const attributes = decodeAttributes(reply.subarray(8 + HEADERS_BYTES));
  const info = decodeAttributes(attributes.get(IFLA_LINKINFO) ?? new Uint8Array());
  const [kind = ''] = new TextDecoder().decode(info.get(IFLA_INFO_KIND)).split('\0');
  return {
    index: view.getInt32(8 + 16 + 4, true),
    kind,
    group: readU32(attributes.get(IFLA_GROUP)),
  };
}

/** Bytes; a link with all its attributes is some 2 KiB. */
const LINKS_ANSWER_MAX = 4_194_304;
const RTM_NEWLINK = 16;
const IFINFO_BYTES = 16;
const IFLA_IFNAME = 3;

/** Ask for all links of the host: see {@link decodeLinks}. */
export function planListLinks(): readonly PlanOp[] {
  const message = encodeMessage(listLinks(), 1);
  return [
    openRoute(SLOT.host),
    { op: 'netlink-query', slot: SLOT.host, message, maxBytes: LINKS_ANSWER_MAX },
  ];
}

/** Number and name of the links of a group in an answer. */
export function decodeLinks(
  reply: Uint8Array,
  group: number,
): readonly { readonly index: number; readonly name: string }[] {
  return payloadsOf(reply.subarray(8), RTM_NEWLINK).flatMap((payload) => {
    const attributes = decodeAttributes(payload.subarray(IFINFO_BYTES));
    if (readU32(attributes.get(IFLA_GROUP)) !== group) return [];
    const [name = ''] = new TextDecoder().decode(attributes.get(IFLA_IFNAME)).split('\0');
    return [{ index: readU32(payload.subarray(4)), name }];
  });
}

function readU32(bytes: Uint8Array | undefined): number {
  if (bytes === undefined || bytes.length < 4) return 0;
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
}

/** Give a bridge its addresses and settings, and set it up. */
export function planSetLink(network: NetworkRecord, index: number): readonly PlanOp[] {
  if (network.driver !== 'bridge') {
    return network.options['parent'] === undefined ? planUp(index) : [];
  }
  const { link, hostless } = linkSettingsOf(network);
  const settings = [
    setting(`ipv6/conf/${link}/disable_ipv6`, network.hasIpv6 ? '0' : '1'),
    setting(`ipv6/conf/${link}/accept_ra`, '0'),
    // Until its link-local address is known to be unique the host asks for no neighbour with it: a second or two.
    ...(network.hasIpv6 ? [setting(`ipv6/conf/${link}/accept_dad`, '0')] : []),
    // Ports published on a loopback address are reached from the host by this way; the firewall lets nobody else.
    setting(`ipv4/conf/${link}/route_localnet`, '1'),
    // A container is no router of the host's, whoever it says it is. Of IPv6 a host that passes packets on takes none anyway.
    setting(`ipv4/conf/${link}/accept_redirects`, '0'),
  ];
  const own = network.subnets.filter(({ gateway }) => !hostless.has(gateway.family));
  const addresses = own.map(({ gateway, subnet }) =>
    route(
      SLOT.host,
      [
        addAddress(index, {
          address: addressBytes(gateway),
          prefixLength: subnet.prefixLength,
        }),
      ],
      EEXIST,
    ),
  );
  return [openRoute(SLOT.host), ...settings, ...addresses, ...planUp(index).slice(1)];
}

/** Delete the link with this number. */
export function planDeleteLink(index: number): readonly PlanOp[] {
  return [openRoute(SLOT.host), route(SLOT.host, [deleteLink({ index })], ENODEV)];
}

/** The host passes packets on between its links. */
export function planForwarding(hasIpv6: boolean): readonly PlanOp[] {
  return [
    setting('ipv4/ip_forward', '1'),
    ...(hasIpv6 ? [setting('ipv6/conf/all/forwarding', '1')] : []),
  ];
}

/**
 * rtnetlink requests about links. Pure.
 *
 * Every function but {@link getLink} returns a {@link Message} that asks for an
 * ack; a batch of them rides in one `netlink` plan op.
 *
 * Source: include/uapi/linux/{rtnetlink,if_link,if}.h; rtnetlink(7).
 */

import {
  encodeAttributes,
  NLM_F,
  text,
  u16,
  u32,
  u8,
  type Attribute,
  type Message,
} from './message.ts';
import { AF, CHANGE, CREATE, RTM } from './rtnetlink.ts';

const IFLA = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  LINK: 5,
  MASTER: 10,
  LINKINFO: 18,
  AF_SPEC: 26,
  GROUP: 27,
  NET_NS_FD: 28,
  PROTINFO: 12,
} as const;
const IFLA_INFO = { KIND: 1, DATA: 2 } as const;
const IFLA_BRPORT = { MODE: 4, ISOLATED: 33 } as const;
const IFLA_BR = { MCAST_SNOOPING: 23 } as const;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const IN6_ADDR_GEN_MODE_NONE = 1;
const VETH_INFO_PEER = 1;
const IFLA_MACVLAN_MODE = 1;
const IFLA_IPVLAN_MODE = 1;
const IFLA_VLAN_ID = 1;
const IFLA_IPVLAN_FLAGS = 2;
const IFF_UP = 1;

/** Stands where the executor stores a namespace's fd number. */
export const NETNS_FD_PLACEHOLDER = 0x7e57_0fd5;

/** What a request says of IFF_UP. */
type LinkState = 'up' | 'down' | 'kept';

/** `struct ifinfomsg`: family, pad, type, index, flags, change. */
function ifinfomsg(index: number, state: LinkState, family: number = AF.UNSPEC): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, family);
  view.setInt32(4, index, true);
  view.setUint32(8, state === 'up' ? IFF_UP : 0, true);
  view.setUint32(12, state === 'kept' ? 0 : IFF_UP, true);
  return bytes;
}

/** A link that exists, by its number or its name (at most 15 bytes). */
export type LinkName = { readonly index: number } | { readonly name: string };

function linkHeader(
  link: LinkName,
  state: LinkState,
): { readonly header: Uint8Array; readonly name: readonly Attribute[] } {
  return 'index' in link
    ? { header: ifinfomsg(link.index, state), name: [] }
    : { header: ifinfomsg(0, state), name: [[IFLA.IFNAME, text(link.name)]] };
}

/** Settings common to new links. */
export interface LinkSettings {
  readonly name: string;
  /** Six bytes. */
  readonly mac?: Uint8Array;
  /** In bytes; `undefined`: the kernel's default. */
  readonly mtu?: number;
  /** A number that links of one maker share; `undefined`: 0. */
  readonly group?: number;
}

function settingsOf(link: LinkSettings): Attribute[] {
  return [
    [IFLA.IFNAME, text(link.name)],
    ...(link.mac === undefined ? [] : [[IFLA.ADDRESS, link.mac] as const]),
    ...(link.mtu === undefined ? [] : [[IFLA.MTU, u32(link.mtu)] as const]),
    ...(link.group === undefined ? [] : [[IFLA.GROUP, u32(link.group)] as const]),
  ];
}

/** A new bridge, not up yet: what it does then is to be set before. */
export function addBridge(link: LinkSettings): Message {
  return {
    type: RTM.NEWLINK,
    flags: CREATE,
    header: ifinfomsg(0, 'kept'),
    attributes: [
      ...settingsOf(link),
      [
        IFLA.LINKINFO,
        [
          [IFLA_INFO.KIND, text('bridge')],
          [IFLA_INFO.DATA, [[IFLA_BR.MCAST_SNOOPING, u8(0)]]],
        ],
      ],
    ],
  };
}

/** One end of a veth pair in another network namespace. */
export interface VethPeer extends LinkSettings {
  /** Number the peer gets in its namespace; the kernel keeps to it only when the near end has one too. */
  readonly index: number;
}

/**
 * A veth pair: the near end up and, when given, on bridge `masterIndex`; the
 * far end in the namespace whose fd the executor stores at
 * {@link NETNS_FD_PLACEHOLDER}.
 */
export function addVeth(
  near: LinkSettings & { readonly index?: number; readonly masterIndex?: number },
  far: VethPeer,
): Message {
  const peer: Attribute[] = [...settingsOf(far), [IFLA.NET_NS_FD, u32(NETNS_FD_PLACEHOLDER)]];
  return {
    type: RTM.NEWLINK,
    flags: CREATE,
    header: ifinfomsg(near.index ?? 0, 'up'),
    attributes: [
      ...settingsOf(near),
      ...(near.masterIndex === undefined ? [] : [[IFLA.MASTER, u32(near.masterIndex)] as const]),
      [
        IFLA.LINKINFO,
        [
          [IFLA_INFO.KIND, text('veth')],
          [IFLA_INFO.DATA, [[VETH_INFO_PEER, rawNested(ifinfomsg(far.index, 'kept'), peer)]]],
        ],
      ],
    ],
  };
}

/** `VETH_INFO_PEER` holds a header before its attributes. */
function rawNested(header: Uint8Array, attributes: readonly Attribute[]): Uint8Array {
  const encoded = encodeAttributes(attributes);
  const bytes = new Uint8Array(header.length + encoded.length);
  bytes.set(header);
  bytes.set(encoded, header.length);
  return bytes;
}

/** macvlan modes. Source: linux/if_link.h. */
export const MACVLAN_MODE = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const;
/** ipvlan modes. Source: linux/if_link.h. */
export const IPVLAN_MODE = { l2: 0, l3: 1, l3s: 2 } as const;
/** Whom children of one parent reach: each other, nobody of them, or only by a switch outside. Source: linux/if_link.h. */
export const IPVLAN_FLAG = { bridge: 0, private: 1, vepa: 2 } as const;

/** How an ipvlan passes packets. */
export interface IpvlanKind {
  readonly mode: keyof typeof IPVLAN_MODE;
  readonly flag: keyof typeof IPVLAN_FLAG;
}

/** A macvlan on `parentIndex`, in the namespace of the placeholder. */
export function addMacvlan(
  link: LinkSettings & { readonly index: number },
  parentIndex: number,
  mode: keyof typeof MACVLAN_MODE,
): Message {
  return addChild(
    link,
    parentIndex,
    infoOf('macvlan', [IFLA_MACVLAN_MODE, u32(MACVLAN_MODE[mode])]),
  );
}

/** An ipvlan on `parentIndex`, in the namespace of the placeholder. */
export function addIpvlan(
  link: LinkSettings & { readonly index: number },
  parentIndex: number,
  { mode, flag }: IpvlanKind,
): Message {
  const settings: readonly Attribute[] = [
    [IFLA_IPVLAN_MODE, u16(IPVLAN_MODE[mode])],
    ...(flag === 'bridge' ? [] : [[IFLA_IPVLAN_FLAGS, u16(IPVLAN_FLAG[flag])] as const]),
  ];
  return addChild(link, parentIndex, infoOf('ipvlan', ...settings));
}

/** `IFLA_LINKINFO` of a kind with its settings. */
function infoOf(kind: string, ...data: readonly Attribute[]): Attribute {
  return [
    IFLA.LINKINFO,
    [
      [IFLA_INFO.KIND, text(kind)],
      [IFLA_INFO.DATA, data],
    ],
  ];
}

function addChild(
  link: LinkSettings & { readonly index: number },
  parentIndex: number,
  info: Attribute,
): Message {
  return {
    type: RTM.NEWLINK,
    flags: CREATE,
    header: ifinfomsg(link.index, 'kept'),
    attributes: [
      ...settingsOf(link),
      [IFLA.LINK, u32(parentIndex)],
      [IFLA.NET_NS_FD, u32(NETNS_FD_PLACEHOLDER)],
      info,
    ],
  };
}

/** Which VLAN of which link. */
export interface VlanOf {
  /** Number of the link. */
  readonly parentIndex: number;
  /** Number of the VLAN, 1..4094. */
  readonly id: number;
}

/** A VLAN, up. Errors: ENETDOWN when its parent is not; then there is none. */
export function addVlan(link: LinkSettings, { parentIndex, id }: VlanOf): Message {
  return {
    type: RTM.NEWLINK,
    flags: CREATE,
    header: ifinfomsg(0, 'up'),
    attributes: [
      ...settingsOf(link),
      [IFLA.LINK, u32(parentIndex)],
      infoOf('vlan', [IFLA_VLAN_ID, u16(id)]),
    ],
  };
}

/** A dummy link (the parent of an internal macvlan). */
export function addDummy(link: LinkSettings): Message {
  return {
    type: RTM.NEWLINK,
    flags: CREATE,
    header: ifinfomsg(0, 'up'),
    attributes: [...settingsOf(link), [IFLA.LINKINFO, [[IFLA_INFO.KIND, text('dummy')]]]],
  };
}

/** What to change of a link; absent fields stay. */
export interface LinkChange {
  readonly up?: boolean;
  /** In bytes. */
  readonly mtu?: number;
  readonly mac?: Uint8Array;
  readonly rename?: string;
  /** Bridge the link becomes a port of; 0: none. */
  readonly masterIndex?: number;
  /** The kernel makes it no link-local address. Before it is up; a kernel without IPv6 refuses. */
  readonly withoutLinkLocal?: true;
}

/** Change a link. */
export function setLink(link: LinkName, change: LinkChange): Message {
  const { header, name } = linkHeader(
    link,
    change.up === undefined ? 'kept' : change.up ? 'up' : 'down',
  );
  return {
    type: RTM.NEWLINK,
    flags: CHANGE,
    header,
    attributes: [
      ...name,
      ...(change.rename === undefined ? [] : [[IFLA.IFNAME, text(change.rename)] as const]),
      ...(change.mac === undefined ? [] : [[IFLA.ADDRESS, change.mac] as const]),
      ...(change.mtu === undefined ? [] : [[IFLA.MTU, u32(change.mtu)] as const]),
      ...(change.masterIndex === undefined
        ? []
        : [[IFLA.MASTER, u32(change.masterIndex)] as const]),
      ...(change.withoutLinkLocal === undefined ? [] : [NO_LINK_LOCAL]),
    ],
  };
}

const NO_LINK_LOCAL: Attribute = [
  IFLA.AF_SPEC,
  [[AF.INET6, [[IFLA_INET6_ADDR_GEN_MODE, u8(IN6_ADDR_GEN_MODE_NONE)]]]],
];

/** What a port of a bridge does; absent: as it is. Source: bridge(8). */
export interface PortSettings {
  /** Isolated ports do not see each other. */
  readonly isIsolated?: boolean;
  /** A frame may leave by the port it came in. */
  readonly isHairpin?: boolean;
}

/** Change a port of a bridge. */
export function setPort(portIndex: number, settings: PortSettings): Message {
  const { isIsolated, isHairpin } = settings;
  return {
    // Not NEWLINK, which does nothing for a port.
    type: RTM.SETLINK,
    flags: CHANGE,
    header: ifinfomsg(portIndex, 'kept', AF.BRIDGE),
    attributes: [
      [
        IFLA.PROTINFO,
        [
          ...(isHairpin === undefined ? [] : [[IFLA_BRPORT.MODE, u8(isHairpin ? 1 : 0)] as const]),
          ...(isIsolated === undefined
            ? []
            : [[IFLA_BRPORT.ISOLATED, u8(isIsolated ? 1 : 0)] as const]),
        ],
      ],
    ],
  };
}

/** Ask for one link; its answer is a message, or an error where there is none. */
export function getLink(link: LinkName): Message {
  const { header, name } = linkHeader(link, 'kept');
  return { type: RTM.GETLINK, flags: NLM_F.REQUEST, header, attributes: name };
}

/** Ask for all links. */
export function listLinks(): Message {
  const { header } = linkHeader({ index: 0 }, 'kept');
  return { type: RTM.GETLINK, flags: NLM_F.REQUEST | NLM_F.DUMP, header, attributes: [] };
}

/** Delete a link; its veth peer goes too. */
export function deleteLink(link: LinkName): Message {
  const { header, name } = linkHeader(link, 'kept');
  return { type: RTM.DELLINK, flags: CHANGE, header, attributes: name };
}

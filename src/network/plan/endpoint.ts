/**
 * A container's endpoints as plan operations: in a plan that starts it, and in
 * host plans that join a running one. Pure.
 *
 * The link is made from the host's namespace, with its far end born in the
 * container's; addresses and routes are set from inside. Interface numbers are
 * chosen, not asked for, so that all of it is known beforehand.
 *
 * Source: veth(4), rtnetlink(7); Documentation/networking/ip-sysctl.rst.
 */

import { CLONE } from '../../kernel/plan/flags.ts';
import type { Message } from '../../kernel/netlink/message.ts';
import {
  addIpvlan,
  addMacvlan,
  addVeth,
  deleteLink,
  IPVLAN_FLAG,
  IPVLAN_MODE,
  type IpvlanKind,
  MACVLAN_MODE,
  setLink,
  setPort,
} from '../../kernel/netlink/link.ts';
import {
  addAddress,
  type InterfaceAddress,
  replaceDefaultRoute,
} from '../../kernel/netlink/route.ts';
import type { PlanOp } from '../../kernel/plan/op.ts';
import { addressBytes, parseAddress, type Address } from '../../spec/cidr.ts';
import type { WithPolicies } from '../egress/contract.ts';
import type { Endpoint, EndpointAddress } from '../endpoint.ts';
import type { NamespaceOwner } from '../fabric.ts';
import { linkLocalOf, macBytes } from '../packet.ts';
import { linkSettingsOf } from '../settings.ts';
import type { NetworkRecord } from '../store.ts';
import { askedSetting, firewall, openRoute, route, routeInto, setting, SLOT } from './ops.ts';
import { planQuiet, planQuietRemoval } from './quiet.ts';

/** An endpoint, and what the host has for its network. */
export interface PlannedEndpoint extends WithPolicies {
  readonly endpoint: Endpoint;
  readonly network: NetworkRecord;
  /** Number of the bridge or of the parent link. */
  readonly linkIndex: number;
  /** The link is one that carve made, and nobody but its containers is on it. */
  readonly isOwnLink: boolean;
  /** Number the host's end is to get. */
  readonly hostIndex: number;
}

const OWN_NAMESPACE: PlanOp = {
  op: 'open',
  slot: SLOT.namespace,
  dir: undefined,
  path: '/proc/self/ns/net',
  flags: 0,
};

/** What a start plan does before its clone. */
export const BEFORE_CLONE: readonly PlanOp[] = [openRoute(SLOT.host)];

/** What it does in the new namespace, whose loopback is up. `proc`: a slot, see {@link setting}. Precondition: {@link BEFORE_CLONE} ran. */
export function planInside(
  endpoints: readonly PlannedEndpoint[],
  proc?: number,
): readonly PlanOp[] {
  return [
    OWN_NAMESPACE,
    ...endpoints.flatMap((each) => planLink(each, proc)),
    ...firewall(endpoints.filter(isQuiet).flatMap(({ endpoint }) => planQuiet(endpoint.index))),
    ...planAddresses(endpoints),
  ];
}

/** A host plan that gives a running container more endpoints. */
export function planJoin(
  owner: NamespaceOwner,
  endpoints: readonly PlannedEndpoint[],
): readonly PlanOp[] {
  return [openRoute(SLOT.host), ...enter(owner), ...planInside(endpoints)];
}

/** Whether {@link planJoin} had made a link when it failed at the operation of this number; `undefined`: nobody knows which. */
export function hasMadeLink(join: readonly PlanOp[], failedAt: number | undefined): boolean {
  const makesLink = join.findIndex((each) => each.op === 'netlink' && each.patches.length > 0);
  return failedAt === undefined || failedAt > makesLink;
}

/** A host plan that takes an endpoint from a running container; its routes go with it. */
export function planLeave(owner: NamespaceOwner, endpoint: Endpoint): readonly PlanOp[] {
  return [
    ...enter(owner),
    openRoute(SLOT.inside),
    route(SLOT.inside, [deleteLink({ name: endpoint.interfaceName })], ENODEV),
    ...firewall(planQuietRemoval(endpoint.index), ENOENT),
  ];
}

/** A host plan that takes links away by their ends in the host, whoever has the others. */
export function planCut(endpoints: readonly Endpoint[]): readonly PlanOp[] {
  return [
    openRoute(SLOT.host),
    ...endpoints
      .filter(({ hostLink }) => hostLink !== '')
      .map(({ hostLink }) => route(SLOT.host, [deleteLink({ name: hostLink })], ENODEV)),
  ];
}

/** A host plan that sends the default routes of a running container by these endpoints. */
export function planDefaultRoutes(
  owner: NamespaceOwner,
  endpoints: readonly Endpoint[],
): readonly PlanOp[] {
  const routes = endpoints.flatMap(defaultRoutes);
  if (routes.length === 0) return [];
  return [...enter(owner), openRoute(SLOT.inside), route(SLOT.inside, routes)];
}

const ENOENT = 2;
const ENODEV = 19;
const EAFNOSUPPORT = 97;
/** Bits of the prefix of 169.254.0.0/16 and of fe80::/64. */
const LINK_LOCAL_BITS = { ipv4: 16, ipv6: 64 } as const;

function enter({ pid, startTicks }: NamespaceOwner): readonly PlanOp[] {
  return [
    { op: 'pidfd', slot: SLOT.namespace, pid, startTicks },
    { op: 'setns', slot: SLOT.namespace, flags: CLONE.CLONE_NEWNET },
    { op: 'close', slot: SLOT.namespace },
  ];
}

function planLink(planned: PlannedEndpoint, proc?: number): readonly PlanOp[] {
  const { endpoint, network, hostIndex } = planned;
  const link = linkMessage(planned);
  return [
    routeInto(SLOT.host, link),
    ...(network.driver === 'bridge' ? [withoutAddress(hostIndex)] : []),
    ...planPort(planned),
    setting(
      `ipv6/conf/${endpoint.interfaceName}/disable_ipv6`,
      hasIpv6(endpoint) ? '0' : '1',
      proc,
    ),
    // Addresses and routes come from carve; whoever else on the network sends router advertisements is not heard.
    setting(`ipv6/conf/${endpoint.interfaceName}/accept_ra`, '0', proc),
    ...(endpoint.settings ?? []).map(([path, value]) => askedSetting(path, value, proc)),
  ];
}

/** What the bridge does with frames of the container's port. */
function planPort({ endpoint, network, hostIndex }: PlannedEndpoint): readonly PlanOp[] {
  const port = {
    ...(linkSettingsOf(network).isConnected ? {} : { isIsolated: true }),
    // Where the kernel filters bridged packets too, a port that leads back to its own container needs it.
    ...(endpoint.ports.length > 0 ? { isHairpin: true } : {}),
  };
  const hasPort = network.driver === 'bridge' && Object.keys(port).length > 0;
  return hasPort ? [route(SLOT.host, [setPort(hostIndex, port)])] : [];
}

/** A host plan that puts a container whose port is on no bridge on that of its network. */
export function planRejoin(planned: PlannedEndpoint): readonly PlanOp[] {
  const { hostIndex, linkIndex } = planned;
  const master = setLink({ index: hostIndex }, { masterIndex: linkIndex });
  return [openRoute(SLOT.host), route(SLOT.host, [master], ENODEV), ...planPort(planned)];
}

function hasIpv6({ ipv6, linkLocal = [] }: Endpoint): boolean {
  return ipv6 !== undefined || linkLocal.some((text) => text.includes(':'));
}

/** A port of a bridge hears nothing itself: an address would be one more route and one more group of the host for each container. */
function withoutAddress(hostIndex: number): PlanOp {
  return route(
    SLOT.host,
    [setLink({ index: hostIndex }, { withoutLinkLocal: true })],
    EAFNOSUPPORT,
  );
}

/** Nobody on its link needs to be told what `plan/quiet.ts` keeps back. */
function isQuiet({ endpoint, network, isOwnLink }: PlannedEndpoint): boolean {
  return network.driver === 'bridge' && isOwnLink && endpoint.ipv6 !== undefined;
}

function linkMessage({ endpoint, network, linkIndex, hostIndex }: PlannedEndpoint): Message {
  const { mtuBytes } = linkSettingsOf(network);
  const mtu = mtuBytes === undefined ? {} : { mtu: mtuBytes };
  const far = {
    name: endpoint.interfaceName,
    index: endpoint.index,
    mac: macBytes(endpoint.mac),
    ...mtu,
  };
  if (network.driver === 'macvlan')
    return addMacvlan(far, linkIndex, macvlanMode(network.options['macvlan_mode']));
  if (network.driver === 'ipvlan') {
    const { mac: _, ...child } = far;
    return addIpvlan(child, linkIndex, ipvlanKind(network.options));
  }
  const near = { name: endpoint.hostLink, index: hostIndex, masterIndex: linkIndex, ...mtu };
  return addVeth(near, far);
}

/** Errors: none; the mode was checked when the network was made. */
function macvlanMode(value: string | undefined): keyof typeof MACVLAN_MODE {
  return isKeyOf(MACVLAN_MODE, value) ? value : 'bridge';
}

function ipvlanKind(options: NetworkRecord['options']): IpvlanKind {
  const { ipvlan_mode: mode, ipvlan_flag: flag } = options;
  return {
    mode: isKeyOf(IPVLAN_MODE, mode) ? mode : 'l2',
    flag: isKeyOf(IPVLAN_FLAG, flag) ? flag : 'bridge',
  };
}

function isKeyOf<T extends object>(table: T, key: string | undefined): key is keyof T & string {
  return key !== undefined && Object.hasOwn(table, key);
}

function planAddresses(endpoints: readonly PlannedEndpoint[]): readonly PlanOp[] {
  const messages = endpoints.flatMap((planned) => {
    const { index, ipv4, ipv6 } = planned.endpoint;
    return [
      // Before the link is up: then the kernel makes its own, with a probe, or finds it there.
      ...linkLocalsOf(planned).map((address) => addAddress(index, address)),
      setLink({ index }, { up: true }),
      ...[ipv4, ipv6].flatMap((each) =>
        each === undefined ? [] : [addAddress(index, addressOf(each))],
      ),
    ];
  });
  const routes = endpoints.flatMap(({ endpoint }) => defaultRoutes(endpoint));
  return [openRoute(SLOT.inside), route(SLOT.inside, [...messages, ...routes])];
}

function addressOf({ address, prefixLength }: Omit<EndpointAddress, 'gateway'>): InterfaceAddress {
  return { address: addressBytes(address), prefixLength };
}

/** Those that were asked for, and the link's own where it is {@link isQuiet} and the user chose nothing about it. */
function linkLocalsOf(planned: PlannedEndpoint): readonly InterfaceAddress[] {
  const { mac, settings = [], linkLocal = [] } = planned.endpoint;
  const asked = linkLocal.map(parseAddress);
  const own = linkLocalOf(macBytes(mac));
  const isSaid =
    asked.some(({ family, value }) => family === own.family && value === own.value) ||
    settings.some(([path]) => path.startsWith('ipv6/'));
  const all = isSaid || !isQuiet(planned) ? asked : [...asked, own];
  return all.map((address) =>
    addressOf({ address, prefixLength: LINK_LOCAL_BITS[address.family] }),
  );
}

function defaultRoutes(endpoint: Endpoint): readonly Message[] {
  return [
    ...(endpoint.isDefault4 ? byWay(endpoint, endpoint.ipv4) : []),
    ...(endpoint.isDefault6 ? byWay(endpoint, endpoint.ipv6) : []),
  ];
}

function byWay(endpoint: Endpoint, address: EndpointAddress | undefined): readonly Message[] {
  const gateway: Address | undefined = address?.gateway;
  if (gateway === undefined) return [];
  const way = { gateway: addressBytes(gateway), linkIndex: endpoint.index, family: gateway.family };
  return [replaceDefaultRoute(way)];
}

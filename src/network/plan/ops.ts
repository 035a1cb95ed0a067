/** Netlink messages as plan operations. Pure. */

import { encodeMessages, offsetOf, u32, type Message } from '../../kernel/netlink/message.ts';
import { NETNS_FD_PLACEHOLDER } from '../../kernel/netlink/link.ts';
import { NETLINK_ROUTE } from '../../kernel/netlink/rtnetlink.ts';
import { encodeBatch, NETLINK_NETFILTER } from '../../kernel/nft/message.ts';
import type { PlanOp, PlanOpOf } from '../../kernel/plan/op.ts';

const NONE = new Uint8Array(0);
const encoder = new TextEncoder();

/** Slots that network plans use; the runtime's planners keep off them. */
export const SLOT = { host: 28, firewall: 29, namespace: 30, inside: 31 } as const;

/** A route socket in the network namespace of the moment. */
export function openRoute(slot: number): PlanOp {
  return { op: 'netlink-open', slot, protocol: NETLINK_ROUTE };
}

/** Send route requests. `ignore`: an errno that is as good as success. */
export function route(slot: number, messages: readonly Message[], ignore = 0): PlanOp {
  return { op: 'netlink', slot, messages: encodeMessages(messages), patches: NONE, ignore };
}

/** Send one request that names a namespace by the descriptor in {@link SLOT.namespace}. */
export function routeInto(slot: number, message: Message): PlanOp {
  const messages = encodeMessages([message]);
  const patches = new Uint8Array(8);
  const view = new DataView(patches.buffer);
  view.setUint32(0, offsetOf(messages, u32(NETNS_FD_PLACEHOLDER)), true);
  view.setUint32(4, SLOT.namespace, true);
  return { op: 'netlink', slot, messages, patches, ignore: 0 };
}

/** One transaction of the firewall, in the network namespace of the moment. */
export function firewall(messages: readonly Message[], ignore = 0): readonly PlanOp[] {
  if (messages.length === 0) return [];
  const slot = SLOT.firewall;
  return [
    { op: 'netlink-open', slot, protocol: NETLINK_NETFILTER },
    { op: 'netlink', slot, messages: encodeBatch(messages), patches: NONE, ignore },
    { op: 'close', slot },
  ];
}

/** Open the socket of {@link keptFirewall}. */
export const OPEN_KEPT: readonly PlanOp[] = [
  { op: 'netlink-open', slot: SLOT.firewall, protocol: NETLINK_NETFILTER },
];

/** As {@link firewall}, by the socket that {@link OPEN_KEPT} opened in the same keeper. */
export function keptFirewall(messages: readonly Message[], ignore = 0): readonly PlanOp[] {
  const slot = SLOT.firewall;
  return [
    { op: 'kept', slots: 1 << slot },
    { op: 'netlink', slot, messages: encodeBatch(messages), patches: NONE, ignore },
  ];
}

/**
 * Write a network setting of the namespace of the moment; one the kernel does not have is passed over.
 * `path`: below /proc/sys/net. `proc`: the slot of a procfs; `undefined`: the host's.
 *
 * In one procfs the directories of all network namespaces have the same names, and a look-up passes
 * by each that was looked at before: a container that has a procfs of its own is better served by it.
 */
export function setting(path: string, value: string, proc?: number): PlanOp {
  return { ...askedSetting(path, value, proc), skipMissing: 1 };
}

/** As {@link setting}; one the kernel does not have is an error. */
export function askedSetting(path: string, value: string, proc?: number): PlanOpOf<'write'> {
  const data = encoder.encode(value);
  const below = `sys/net/${path}`;
  return {
    op: 'write',
    dir: proc,
    path: proc === undefined ? `/proc/${below}` : below,
    data,
    skipMissing: 0,
  };
}

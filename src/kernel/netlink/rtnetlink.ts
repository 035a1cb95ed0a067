/**
 * Numbers that links, addresses and routes share. Pure.
 *
 * Source: include/uapi/linux/rtnetlink.h; rtnetlink(7).
 */

import { NLM_F } from './message.ts';

/** netlink(7): the protocol number of rtnetlink. */
export const NETLINK_ROUTE = 0;

/** Address families. Source: bits/socket.h. */
export const AF = { UNSPEC: 0, BRIDGE: 7, INET: 2, INET6: 10 } as const;

/** Kinds of messages. */
export const RTM = {
  NEWLINK: 16,
  DELLINK: 17,
  GETLINK: 18,
  SETLINK: 19,
  NEWADDR: 20,
  NEWROUTE: 24,
} as const;

/** Make something new; what is there is an error. */
export const CREATE: number = NLM_F.REQUEST | NLM_F.ACK | NLM_F.CREATE | NLM_F.EXCL;
/** Change, or delete, what is there. */
export const CHANGE: number = NLM_F.REQUEST | NLM_F.ACK;

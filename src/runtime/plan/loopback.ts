/**
 * The loopback interface of a new network namespace, which exists but is down.
 *
 * Source: rtnetlink(7).
 */

import { encodeMessages } from '../../kernel/netlink/message.ts';
import { setLink } from '../../kernel/netlink/link.ts';
import { NETLINK_ROUTE } from '../../kernel/netlink/rtnetlink.ts';
import type { PlanBuilder } from './builder.ts';

/** The kernel gives it this number in every namespace. */
const LOOPBACK_INDEX = 1;
const UP: Uint8Array = encodeMessages([setLink({ index: LOOPBACK_INDEX }, { up: true })]);
const NOTHING = new Uint8Array(0);

/** Set it up, in the namespace of the running process. */
export function planLoopback(builder: PlanBuilder): void {
  const slot = builder.take();
  builder.push(
    { op: 'netlink-open', slot, protocol: NETLINK_ROUTE },
    { op: 'netlink', slot, messages: UP, patches: NOTHING, ignore: 0 },
  );
  builder.release(slot);
}

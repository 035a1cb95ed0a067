/**
 * Link-local addresses and group reports of a container on a bridge that carve
 * made. Pure.
 *
 * A bridge hands a multicast frame to every port, so what each new container
 * sends unasked costs each of the others: on a network of five hundred, more
 * than the start. Two things are sent at every start and tell nobody anything:
 *
 * - A probe whether somebody has the link-local address already. It is made of
 *   the hardware address, which carve gave, so it is set without a probe, as
 *   the other addresses are.
 * - Four reports that the kernel joined its own solicited-node groups. They are
 *   for switches that hand groups out by membership; the bridge has no such
 *   snooping. The kernel has no switch for them, so a rule drops them in the
 *   container's namespace.
 *
 * Everything else passes: reports of groups that programs join, answers to a
 * router's queries (which are records of another type), neighbour discovery.
 *
 * Source: RFC 3810 section 5.2.12, RFC 4291 sections 2.5.6 and 2.7.1.
 */

import { be16, type Message, u32 } from '../../kernel/netlink/message.ts';
import * as expression from '../../kernel/nft/expression.ts';
import * as nft from '../../kernel/nft/message.ts';

const ICMPV6 = Uint8Array.of(58);
const REPORT_V2 = Uint8Array.of(143);
/** Types of a group record: below it what is so, from it on what has changed. */
const FIRST_CHANGE = Uint8Array.of(3);
/** ff02::1:ff00:0/104. */
const SOLICITED_NODE = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff);
/** Offset of the number of records in a report, in bytes. */
const COUNT_OFFSET = 6;
/** Offset of the first record. */
const RECORDS_OFFSET = 8;
/** Bytes of a record without sources, and the offset of its group. */
const RECORD_BYTES = 20;
const GROUP_OFFSET = 4;
/** An endpoint has two addresses of IPv6, unless its user asked for more: then it reports them. */
const RECORDS_MAX = 2;
const CHAIN = 'output';

/** The table of one interface: it comes and goes with it. `index`: number of the interface. */
function tableOf(index: number): nft.TableName {
  return { family: 'ipv6', table: `quiet-${index}` };
}

/** Keep back the reports of one interface. In the container's namespace, before the interface is up. */
export function planQuiet(index: number): readonly Message[] {
  const at = tableOf(index);
  return [
    nft.addTable(at),
    nft.addChain(at, CHAIN, { type: 'filter', hook: 'output', priority: 0 }),
    ...Array.from({ length: RECORDS_MAX }, (_, more) =>
      nft.addRule(at, CHAIN, reportOf(index, more + 1)),
    ),
  ];
}

/** Take back what {@link planQuiet} made. */
export function planQuietRemoval(index: number): readonly Message[] {
  return [nft.deleteTable(tableOf(index))];
}

/** Drops a report of `count` changes, all of solicited-node groups. */
function reportOf(index: number, count: number): readonly expression.Expression[] {
  return [
    expression.meta('l4proto'),
    expression.compare('eq', ICMPV6),
    ...field(0, REPORT_V2),
    ...field(COUNT_OFFSET, be16(count)),
    expression.meta('oif'),
    expression.compare('eq', u32(index)),
    ...Array.from({ length: count }, (_, record) => RECORDS_OFFSET + record * RECORD_BYTES).flatMap(
      (offsetBytes) => [
        ...field(offsetBytes, FIRST_CHANGE, 'gte'),
        ...field(offsetBytes + GROUP_OFFSET, SOLICITED_NODE),
      ],
    ),
    expression.counter(),
    expression.verdict({ kind: 'drop' }),
  ];
}

function field(
  offsetBytes: number,
  value: Uint8Array,
  operator: 'eq' | 'gte' = 'eq',
): readonly expression.Expression[] {
  return [
    expression.payload({ base: 'transport', offsetBytes, lengthBytes: value.length }),
    expression.compare(operator, value),
  ];
}

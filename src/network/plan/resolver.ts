/**
 * The resolver of a container's network namespace, as operations. Pure.
 *
 * Programs ask 127.0.0.11, port 53. The sockets stand at another port of that
 * address and headers are rewritten on their way out, so that a name server in
 * the container may have port 53 of every address for itself. The rewriting
 * needs no connection tracking, and looks at nothing that leaves by another
 * link than loopback.
 *
 * Source: decision 40; nft(8) "payload set".
 */

import { be16, type Message, u32 } from '../../kernel/netlink/message.ts';
import * as expression from '../../kernel/nft/expression.ts';
import * as nft from '../../kernel/nft/message.ts';
import type { Plan } from '../../kernel/plan/op.ts';

/** What resolv.conf of a container names: 127.0.0.11. */
export const RESOLVER_ADDRESS = '127.0.0.11';
/** The socket in the engine's run directory where name servers listen. */
export const NAMES_SOCKET = 'names.sock';

const ADDRESS: Uint8Array = Uint8Array.of(127, 0, 0, 11);
const DOMAIN_PORT = 53;
/** Where the sockets stand: a privileged number that no service has. */
const HIDDEN_PORT = 4;
const LOOPBACK_INDEX = 1;
/** Header of the transport: source port at 0, destination at 2, the sum behind. */
const TRANSPORTS = [
  { protocol: 17, checksumOffsetBytes: 6 },
  { protocol: 6, checksumOffsetBytes: 16 },
] as const;
const TABLE: nft.TableName = { family: 'ipv4', table: 'resolver' };
const NOTHING = new Uint8Array(0);

interface Rewrite {
  /** Offset of the resolver's address in the network header, in bytes. */
  readonly addressBytes: number;
  /** Offset of its port in the transport header, in bytes. */
  readonly portBytes: number;
  readonly from: number;
  readonly to: number;
}

/** Queries on their way in, answers on their way out. */
const REWRITES: readonly Rewrite[] = [
  { addressBytes: 16, portBytes: 2, from: DOMAIN_PORT, to: HIDDEN_PORT },
  { addressBytes: 12, portBytes: 0, from: HIDDEN_PORT, to: DOMAIN_PORT },
];

function rewriteRules(): readonly Message[] {
  return REWRITES.flatMap(({ addressBytes, portBytes, from, to }) =>
    TRANSPORTS.map(({ protocol, checksumOffsetBytes }) => {
      const port = { base: 'transport', offsetBytes: portBytes, lengthBytes: 2 } as const;
      return nft.addRule(TABLE, 'output', [
        expression.payload({ base: 'network', offsetBytes: addressBytes, lengthBytes: 4 }),
        expression.compare('eq', ADDRESS),
        expression.meta('l4proto'),
        expression.compare('eq', Uint8Array.of(protocol)),
        expression.payload(port),
        expression.compare('eq', be16(from)),
        expression.immediate(expression.REGISTER.r1, be16(to)),
        expression.setPayload(port, checksumOffsetBytes),
      ]);
    }),
  );
}

/** The table, in one transaction. The same for every container. */
const REDIRECTION: Uint8Array = nft.encodeBatch([
  nft.addTable(TABLE),
  nft.addChain(TABLE, 'output', { type: 'filter', hook: 'output', priority: -300 }),
  nft.addRule(TABLE, 'output', [
    expression.meta('oif'),
    expression.compare('neq', u32(LOOPBACK_INDEX)),
    expression.verdict({ kind: 'accept' }),
  ]),
  ...rewriteRules(),
]);

/** Whose resolver, and where it asks. */
export interface ResolverPlace {
  /** A slot that is empty; it is empty again afterwards. */
  readonly slot: number;
  /** Host directory that has {@link NAMES_SOCKET}. */
  readonly directory: string;
  /** The container's id, which the name server hears. */
  readonly containerId: string;
  /** The kernel has no nftables in this namespace: the sockets take port 53 itself. Default false. */
  readonly withoutRedirection?: boolean;
}

/**
 * Operations that make the resolver. They stand in the container's process (so
 * after `clone`), in its network namespace, after loopback is up and while it
 * has CAP_NET_ADMIN and CAP_NET_BIND_SERVICE there.
 */
export function planResolver(place: ResolverPlace): Plan {
  const isDirect = place.withoutRedirection === true;
  const redirection: Plan = [
    { op: 'netlink-open', slot: place.slot, protocol: nft.NETLINK_NETFILTER },
    { op: 'netlink', slot: place.slot, messages: REDIRECTION, patches: NOTHING, ignore: 0 },
    { op: 'close', slot: place.slot },
  ];
  return [
    ...(isDirect ? [] : redirection),
    {
      op: 'resolver',
      address: Buffer.from(ADDRESS).readUInt32BE(0),
      port: isDirect ? DOMAIN_PORT : HIDDEN_PORT,
      dir: place.directory,
      name: NAMES_SOCKET,
      label: place.containerId,
    },
  ];
}

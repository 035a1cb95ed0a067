/**
 * Flows that the kernel tracks: asking for some, forgetting one. Pure.
 *
 * **Invariant:** a deletion names one flow by its first packet's ends and its
 * number, so it can only meet the flow that was listed.
 *
 * Source: include/uapi/linux/netfilter/nfnetlink_conntrack.h; the bits of a
 * filter: net/netfilter/nf_internals.h `CTA_FILTER_F_*`; filters of a list since Linux 5.8.
 */

import type { Address, Family } from '../../spec/cidr.ts';
import {
  be16,
  decodeAttributes,
  MESSAGE_HEADER_BYTES,
  NLM_F,
  u32,
  u8,
  type Attribute,
  type Message,
} from './message.ts';

const NFNL_SUBSYS_CTNETLINK = 1;
const CT = { NEW: 0, GET: 1, DELETE: 2 } as const;
const CTA = { TUPLE_ORIG: 1, TUPLE_REPLY: 2, ID: 12, ZONE: 18, FILTER: 25 } as const;
const TUPLE = { IP: 1, PROTO: 2 } as const;
const IP = {
  ipv4: { source: 1, destination: 2 },
  ipv6: { source: 3, destination: 4 },
} as const;
const PROTO = { NUM: 1, SOURCE_PORT: 2, DESTINATION_PORT: 3 } as const;
const FILTER = { ORIG_FLAGS: 1, REPLY_FLAGS: 2 } as const;
const FILTER_F_PROTO_NUM = 8;
const NLA_F_NESTED = 0x8000;
const AF: Readonly<Record<Family, number>> = { ipv4: 2, ipv6: 10 };
/** `struct nfgenmsg`. */
const FAMILY_HEADER_BYTES = 4;

/**
 * Which flows: whose first packet goes to this port, or whose answers come from
 * it. Not by address: kernels differ in what they take as the same IPv6 address.
 */
export interface FlowFilter {
  readonly family: Family;
  /** Number, as in an IP header. */
  readonly protocol: number;
  readonly end: 'asked' | 'answering';
  /** 1..65535. */
  readonly port: number;
}

/** Where a packet comes from and goes to. */
export interface FlowEnds {
  readonly source: Address;
  readonly destination: Address;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** One flow of a protocol that has ports. */
export interface TrackedFlow {
  /** Number, as in an IP header. */
  readonly protocol: number;
  /** Of the first packet, before it was rewritten. */
  readonly original: FlowEnds;
  /** Of what answers it, as that is sent. */
  readonly reply: FlowEnds;
  /** What names it to the kernel. */
  readonly key: readonly Attribute[];
}

function request(type: number, family: Family, rest: Omit<Message, 'type' | 'header'>): Message {
  const header = Uint8Array.of(AF[family], 0, 0, 0);
  return { ...rest, type: (NFNL_SUBSYS_CTNETLINK << 8) | type, header };
}

const END = {
  asked: { tuple: CTA.TUPLE_ORIG, port: PROTO.DESTINATION_PORT, flags: FILTER.ORIG_FLAGS, bit: 32 },
  answering: {
    tuple: CTA.TUPLE_REPLY,
    port: PROTO.SOURCE_PORT,
    flags: FILTER.REPLY_FLAGS,
    bit: 16,
  },
} as const;

/** Ask for the flows that fit. A kernel may answer with more. */
export function listFlows({ family, protocol, end, port }: FlowFilter): Message {
  const { tuple, port: type, flags, bit } = END[end];
  const proto: readonly Attribute[] = [
    [PROTO.NUM, u8(protocol)],
    [type, be16(port)],
  ];
  return request(CT.GET, family, {
    flags: NLM_F.REQUEST | NLM_F.DUMP,
    attributes: [
      [tuple, [[TUPLE.PROTO, proto]]],
      [CTA.FILTER, [[flags, u32(FILTER_F_PROTO_NUM | bit)]]],
    ],
  });
}

/** Forget it: its next packet is judged as a first one. Errors: ENOENT when it is gone. */
export function deleteFlow({ key, original }: TrackedFlow): Message {
  const flags = NLM_F.REQUEST | NLM_F.ACK;
  return request(CT.DELETE, original.source.family, { flags, attributes: key });
}

/** Flows of an answer to {@link listFlows}; what is malformed, or has no ports, is left out. */
export function decodeFlows(answer: Uint8Array): readonly TrackedFlow[] {
  const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength);
  const found: TrackedFlow[] = [];
  for (let at = 0; at + MESSAGE_HEADER_BYTES <= answer.length; ) {
    const length = view.getUint32(at, true);
    if (length < MESSAGE_HEADER_BYTES || at + length > answer.length) break;
    if (view.getUint16(at + 4, true) === ((NFNL_SUBSYS_CTNETLINK << 8) | CT.NEW)) {
      const start = at + MESSAGE_HEADER_BYTES + FAMILY_HEADER_BYTES;
      const flow = decodeFlow(decodeAttributes(answer.subarray(start, at + length)));
      if (flow !== undefined) found.push(flow);
    }
    at += (length + 3) & ~3;
  }
  return found;
}

function decodeFlow(attributes: ReadonlyMap<number, Uint8Array>): TrackedFlow | undefined {
  const [first, answer, id] = [CTA.TUPLE_ORIG, CTA.TUPLE_REPLY, CTA.ID].map((type) =>
    attributes.get(type),
  );
  const original = decodeTuple(first);
  const reply = decodeTuple(answer);
  if (first === undefined || id === undefined) return undefined;
  if (original === undefined || reply === undefined) return undefined;
  const zone = attributes.get(CTA.ZONE);
  const key: readonly Attribute[] = [
    [CTA.TUPLE_ORIG | NLA_F_NESTED, first],
    [CTA.ID, id],
    ...(zone === undefined ? [] : [[CTA.ZONE, zone] as const]),
  ];
  return { protocol: original.protocol, original: original.ends, reply: reply.ends, key };
}

function decodeTuple(
  bytes: Uint8Array | undefined,
): { readonly protocol: number; readonly ends: FlowEnds } | undefined {
  if (bytes === undefined) return undefined;
  const tuple = decodeAttributes(bytes);
  const ip = decodeAttributes(tuple.get(TUPLE.IP) ?? new Uint8Array());
  const proto = decodeAttributes(tuple.get(TUPLE.PROTO) ?? new Uint8Array());
  const source = addressOf(ip, 'source');
  const destination = addressOf(ip, 'destination');
  const [protocol] = proto.get(PROTO.NUM) ?? [];
  const sourcePort = portOf(proto.get(PROTO.SOURCE_PORT));
  const destinationPort = portOf(proto.get(PROTO.DESTINATION_PORT));
  if (source === undefined || destination === undefined || protocol === undefined) return undefined;
  if (sourcePort === undefined || destinationPort === undefined) return undefined;
  return { protocol, ends: { source, destination, sourcePort, destinationPort } };
}

function addressOf(
  ip: ReadonlyMap<number, Uint8Array>,
  end: 'source' | 'destination',
): Address | undefined {
  for (const family of ['ipv4', 'ipv6'] as const) {
    const bytes = ip.get(IP[family][end]);
    if (bytes?.length !== (family === 'ipv4' ? 4 : 16)) continue;
    return { family, value: bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n) };
  }
  return undefined;
}

function portOf(bytes: Uint8Array | undefined): number | undefined {
  return bytes?.length === 2 ? ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0) : undefined;
}

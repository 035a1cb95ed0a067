/**
 * nftables expressions: the instructions of a rule, as netlink attributes. Pure.
 *
 * Numbers in nftables messages are in network order; register contents are in
 * the order the packet or the kernel has them.
 *
 * Source: include/uapi/linux/netfilter/nf_tables.h.
 */

import { be32, be64, text, type Attribute } from '../netlink/message.ts';

/** One instruction. */
export interface Expression {
  readonly name: string;
  readonly attributes: readonly Attribute[];
}

/** Data registers: four of 16 bytes, in the order expressions fill them. */
export const REGISTER = { verdict: 0, r1: 1, r2: 2, r3: 3, r4: 4 } as const;

/** 32-bit registers; `REG32 + n` is the nth. A concatenated key starts at one and runs on. */
export const REG32 = 8;

/** What a rule decides. */
export type Verdict =
  | { readonly kind: 'accept' | 'drop' | 'return' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string };

const NFTA_DATA = { VALUE: 1, VERDICT: 2 } as const;
const VERDICT_CODE = { drop: 0, accept: 1, return: -5, jump: -3, goto: -4 } as const;

/** NFTA_DATA_VALUE. */
export function dataValue(value: Uint8Array): Attribute {
  return [NFTA_DATA.VALUE, value];
}

/** NFTA_DATA_VERDICT. */
export function dataVerdict(value: Verdict): Attribute {
  const code: Attribute = [1, be32(VERDICT_CODE[value.kind])];
  return [NFTA_DATA.VERDICT, 'chain' in value ? [code, [2, text(value.chain)]] : [code]];
}

/** End the rule with a verdict. */
export function verdict(value: Verdict): Expression {
  return {
    name: 'immediate',
    attributes: [
      [1, be32(REGISTER.verdict)],
      [2, [dataVerdict(value)]],
    ],
  };
}

/** Put a constant into a register. */
export function immediate(register: number, value: Uint8Array): Expression {
  return {
    name: 'immediate',
    attributes: [
      [1, be32(register)],
      [2, [dataValue(value)]],
    ],
  };
}

const META_KEY = {
  length: 0,
  protocol: 1,
  mark: 3,
  iif: 4,
  oif: 5,
  iifname: 6,
  oifname: 7,
  nfproto: 15,
  l4proto: 16,
  bri_iifname: 17,
} as const;

/** Load packet metadata. */
export function meta(key: keyof typeof META_KEY, register: number = REGISTER.r1): Expression {
  return {
    name: 'meta',
    attributes: [
      [2, be32(META_KEY[key])],
      [1, be32(register)],
    ],
  };
}

/** Store a register into packet metadata (the mark). */
export function setMeta(key: 'mark', register: number = REGISTER.r1): Expression {
  return {
    name: 'meta',
    attributes: [
      [2, be32(META_KEY[key])],
      [3, be32(register)],
    ],
  };
}

const PAYLOAD_BASE = { link: 0, network: 1, transport: 2 } as const;

/** A piece of a packet's header. */
export interface HeaderField {
  readonly base: keyof typeof PAYLOAD_BASE;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/** Load bytes of a header. */
export function payload(field: HeaderField, register: number = REGISTER.r1): Expression {
  return {
    name: 'payload',
    attributes: [
      [1, be32(register)],
      [2, be32(PAYLOAD_BASE[field.base])],
      [3, be32(field.offsetBytes)],
      [4, be32(field.lengthBytes)],
    ],
  };
}

/** Store a register into bytes of a header; the sum of the transport's header, at `checksumOffsetBytes` of it, is kept right. */
export function setPayload(
  field: HeaderField,
  checksumOffsetBytes: number,
  register: number = REGISTER.r1,
): Expression {
  const NFT_PAYLOAD_CSUM_INET = 1;
  return {
    name: 'payload',
    attributes: [
      [5, be32(register)],
      [2, be32(PAYLOAD_BASE[field.base])],
      [3, be32(field.offsetBytes)],
      [4, be32(field.lengthBytes)],
      [6, be32(NFT_PAYLOAD_CSUM_INET)],
      [7, be32(checksumOffsetBytes)],
    ],
  };
}

const CMP_OP = { eq: 0, neq: 1, lt: 2, lte: 3, gt: 4, gte: 5 } as const;

/** Go on only when the register compares so with a constant. */
export function compare(
  operator: keyof typeof CMP_OP,
  value: Uint8Array,
  register: number = REGISTER.r1,
): Expression {
  return {
    name: 'cmp',
    attributes: [
      [1, be32(register)],
      [2, be32(CMP_OP[operator])],
      [3, [dataValue(value)]],
    ],
  };
}

/** register = (register & mask) ^ 0. */
export function maskRegister(mask: Uint8Array, register: number = REGISTER.r1): Expression {
  return {
    name: 'bitwise',
    attributes: [
      [1, be32(register)],
      [2, be32(register)],
      [3, be32(mask.length)],
      [4, [dataValue(mask)]],
      [5, [dataValue(new Uint8Array(mask.length))]],
    ],
  };
}

const CT_KEY = { state: 0, direction: 1, status: 2, mark: 3 } as const;

/** Load a fact of the connection. */
export function conntrack(key: keyof typeof CT_KEY, register: number = REGISTER.r1): Expression {
  return {
    name: 'ct',
    attributes: [
      [2, be32(CT_KEY[key])],
      [1, be32(register)],
    ],
  };
}

const CT_TUPLE_KEY = { protocolDestination: 12, destination4: 20, destination6: 22 } as const;

/** Load where the connection's first packet was going, before any rewriting. */
export function conntrackOriginal(
  key: keyof typeof CT_TUPLE_KEY,
  register: number = REGISTER.r1,
): Expression {
  const IP_CT_DIR_ORIGINAL = 0;
  return {
    name: 'ct',
    attributes: [
      [2, be32(CT_TUPLE_KEY[key])],
      [1, be32(register)],
      [3, Uint8Array.of(IP_CT_DIR_ORIGINAL)],
    ],
  };
}

/** Bits of `conntrack('state')`. */
export const CT_STATE = { invalid: 1, established: 2, related: 4, new: 8 } as const;
/** Bits of `conntrack('status')`. Source: nf_conntrack_common.h. */
export const CT_STATUS = { snat: 0x10, dnat: 0x20 } as const;

/** How a key is looked up. */
export interface LookupOptions {
  /** Number of the register a map's value goes into. */
  readonly target?: number;
  /** Go on when the key is not there. */
  readonly invert?: boolean;
}

/** Look a key up in a set: go on when it is there (`invert`: when it is not); with a map the value goes into `target`. */
export function lookup(set: string, key: number, options: LookupOptions = {}): Expression {
  return {
    name: 'lookup',
    attributes: [
      [1, text(set)],
      [2, be32(key)],
      ...(options.target === undefined ? [] : [[3, be32(options.target)] as const]),
      ...(options.invert === true ? [[5, be32(1)] as const] : []),
    ],
  };
}

/** Put the key into a set and count there; an element that is there lives on for `timeoutMs`. Goes on only when it is in. */
export function updateSet(set: string, key: number, timeoutMs: number): Expression {
  const NFT_DYNSET_OP_UPDATE = 1;
  return {
    name: 'dynset',
    attributes: [
      [1, text(set)],
      [3, be32(NFT_DYNSET_OP_UPDATE)],
      [4, be32(key)],
      [6, be64(BigInt(timeoutMs))],
      [7, encodeExpression(counter())],
    ],
  };
}

const FIB_RESULT = { addressType: 3 } as const;
const FIB_F = { saddr: 1, daddr: 2, iif: 8 } as const;

/** Load the routing type (see {@link ADDRESS_TYPE}) of the packet's destination or source. */
export function fibAddressType(of: 'saddr' | 'daddr', register: number = REGISTER.r1): Expression {
  return {
    name: 'fib',
    attributes: [
      [1, be32(register)],
      [2, be32(FIB_RESULT.addressType)],
      [3, be32(FIB_F[of])],
    ],
  };
}

/** Routing types as `fib` gives them, in host order. Source: linux/rtnetlink.h. */
export const ADDRESS_TYPE = { unicast: 1, local: 2, broadcast: 3, multicast: 5 } as const;

/** Rewrite the destination: address in `addressRegister`, port in `portRegister`. */
export function destinationNat(
  family: 'ipv4' | 'ipv6',
  addressRegister: number,
  portRegister: number,
): Expression {
  const NFT_NAT_DNAT = 1;
  return {
    name: 'nat',
    attributes: [
      [1, be32(NFT_NAT_DNAT)],
      [2, be32(family === 'ipv4' ? 2 : 10)],
      [3, be32(addressRegister)],
      [5, be32(portRegister)],
    ],
  };
}

/** Rewrite the source to the address of the link the packet leaves by. */
export function masquerade(): Expression {
  return { name: 'masq', attributes: [] };
}

/** Send the packet to this host, at the port in `portRegister`. */
export function redirect(portRegister: number): Expression {
  return { name: 'redir', attributes: [[1, be32(portRegister)]] };
}

/** Count packets and bytes. */
export function counter(): Expression {
  return { name: 'counter', attributes: [] };
}

/** Name and data of an instruction, as lists of them have it. */
export function encodeExpression({ name, attributes }: Expression): readonly Attribute[] {
  return [
    [1, text(name)],
    [2, attributes],
  ];
}

/** Answer with a TCP reset or an ICMP "administratively prohibited". */
export function reject(): Expression {
  const ICMPX_UNREACH = 2;
  const ADMIN_PROHIBITED = 3;
  return {
    name: 'reject',
    attributes: [
      [1, be32(ICMPX_UNREACH)],
      [2, Uint8Array.of(ADMIN_PROHIBITED)],
    ],
  };
}

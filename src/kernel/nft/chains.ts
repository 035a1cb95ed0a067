/**
 * The kernel's answers to "which chains are there" and "has anything changed"
 * as values. Pure; what is malformed is left out.
 *
 * Source: include/uapi/linux/netfilter/nf_tables.h `nft_chain_attributes`, `nft_hook_attributes`, `nft_gen_attributes`.
 */

import { decodeAttributes, payloadsOf } from '../netlink/message.ts';
import { HOOK, NFPROTO } from './message.ts';

/** A chain. */
export interface FoundChain {
  readonly family: keyof typeof NFPROTO;
  readonly table: string;
  readonly chain: string;
  /** `undefined`: packets get there by the rules of other chains only. */
  readonly hook: keyof typeof HOOK | undefined;
  /** What happens to a packet of a hook that no rule decided on. */
  readonly policy: 'accept' | 'drop';
}

const FAMILY_HEADER_BYTES = 4;
const NEW_CHAIN = (10 << 8) | 3;
const NEW_GENERATION = (10 << 8) | 15;
const ATTRIBUTE = { table: 1, name: 3, hook: 4, policy: 5 } as const;
const HOOK_NUMBER = 1;
const decoder = new TextDecoder();

/** Chains of an answer to `listChains`, of families and hooks that carve knows. */
export function decodeChains(answer: Uint8Array): readonly FoundChain[] {
  return payloadsOf(answer, NEW_CHAIN).flatMap(decodeChain);
}

/** The number in an answer to `askGeneration`. */
export function decodeGeneration(answer: Uint8Array): number | undefined {
  const [payload] = payloadsOf(answer, NEW_GENERATION);
  if (payload === undefined) return undefined;
  return number32(decodeAttributes(payload.subarray(FAMILY_HEADER_BYTES)).get(1));
}

function decodeChain(bytes: Uint8Array): readonly FoundChain[] {
  const attributes = decodeAttributes(bytes.subarray(FAMILY_HEADER_BYTES));
  const family = keyOf(NFPROTO, bytes[0]);
  const base = attributes.get(ATTRIBUTE.hook);
  const hook =
    base === undefined ? undefined : keyOf(HOOK, number32(decodeAttributes(base).get(HOOK_NUMBER)));
  if (family === undefined || (base !== undefined && hook === undefined)) return [];
  const isDrop = hook !== undefined && number32(attributes.get(ATTRIBUTE.policy)) === 0;
  const [table, chain] = [
    textOf(attributes.get(ATTRIBUTE.table)),
    textOf(attributes.get(ATTRIBUTE.name)),
  ];
  return [{ family, table, chain, hook, policy: isDrop ? 'drop' : 'accept' }];
}

function keyOf<K extends string>(
  numbers: Readonly<Record<K, number>>,
  value: number | undefined,
): K | undefined {
  const isKey = (key: string): key is K => Object.hasOwn(numbers, key);
  return Object.keys(numbers)
    .filter(isKey)
    .find((key) => numbers[key] === value);
}

/** Four bytes in network order. */
export function number32(bytes: Uint8Array | undefined): number | undefined {
  if (bytes?.length !== 4) return undefined;
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, false);
}

/** Text up to its NUL. */
export function textOf(bytes: Uint8Array | undefined): string {
  return decoder.decode(bytes).split('\0')[0] ?? '';
}

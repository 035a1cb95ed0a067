/**
 * The kernel's answer to "which chains are there" as values. Pure; what is
 * malformed is left out.
 *
 * Source: include/uapi/linux/netfilter/nf_tables.h `nft_chain_attributes`, `nft_hook_attributes`.
 */

import { decodeAttributes, MESSAGE_HEADER_BYTES } from '../netlink/message.ts';
import { HOOK, NFPROTO } from './message.ts';

/** A chain that packets pass. */
export interface FoundChain {
  readonly family: keyof typeof NFPROTO;
  readonly table: string;
  readonly chain: string;
  readonly hook: keyof typeof HOOK;
  /** What happens to a packet that no rule decided on. */
  readonly policy: 'accept' | 'drop';
}

const FAMILY_HEADER_BYTES = 4;
const NEW_CHAIN = (10 << 8) | 3;
const ATTRIBUTE = { table: 1, name: 3, hook: 4, policy: 5 } as const;
const HOOK_NUMBER = 1;

/** Base chains of an answer to `listChains`, of families and hooks that carve knows. */
export function decodeChains(answer: Uint8Array): readonly FoundChain[] {
  const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength);
  const found: FoundChain[] = [];
  for (let at = 0; at + MESSAGE_HEADER_BYTES <= answer.length; ) {
    const length = view.getUint32(at, true);
    if (length < MESSAGE_HEADER_BYTES || at + length > answer.length) break;
    if (view.getUint16(at + 4, true) === NEW_CHAIN)
      found.push(...decodeChain(answer.subarray(at + MESSAGE_HEADER_BYTES, at + length)));
    at += (length + 3) & ~3;
  }
  return found;
}

function decodeChain(bytes: Uint8Array): readonly FoundChain[] {
  const attributes = decodeAttributes(bytes.subarray(FAMILY_HEADER_BYTES));
  const hooks = decodeAttributes(attributes.get(ATTRIBUTE.hook) ?? new Uint8Array());
  const family = keyOf(NFPROTO, bytes[0]);
  const hook = keyOf(HOOK, number32(hooks.get(HOOK_NUMBER)));
  const policy = number32(attributes.get(ATTRIBUTE.policy)) === 0 ? 'drop' : 'accept';
  if (family === undefined || hook === undefined) return [];
  const [table, chain] = [
    textOf(attributes.get(ATTRIBUTE.table)),
    textOf(attributes.get(ATTRIBUTE.name)),
  ];
  return [{ family, table, chain, hook, policy }];
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

function number32(bytes: Uint8Array | undefined): number | undefined {
  if (bytes?.length !== 4) return undefined;
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, false);
}

function textOf(bytes: Uint8Array | undefined): string {
  return new TextDecoder().decode(bytes).split('\0')[0] ?? '';
}

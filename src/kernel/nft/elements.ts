/**
 * The kernel's answer to "which elements has this set" as values. Pure; what is
 * malformed is left out.
 *
 * Source: include/uapi/linux/netfilter/nf_tables.h `nft_set_elem_attributes`.
 */

import { decodeAttributes, decodeList, payloadsOf } from '../netlink/message.ts';
import type { ElementCount } from './message.ts';

/** An element of a plain or dynamic set. */
export interface FoundElement {
  readonly key: Uint8Array;
  /** Milliseconds it lives after it was last seen; `undefined`: for ever. */
  readonly timeoutMs: number | undefined;
  /** Milliseconds it will live yet. */
  readonly expiresInMs: number | undefined;
  readonly count: ElementCount | undefined;
}

/** `struct nfgenmsg`. */
const FAMILY_HEADER_BYTES = 4;
const NEW_ELEMENTS = (10 << 8) | 12;

/** Elements of an answer to `listElements`. */
export function decodeElements(answer: Uint8Array): readonly FoundElement[] {
  return payloadsOf(answer, NEW_ELEMENTS).flatMap((payload) => {
    const list = decodeAttributes(payload.subarray(FAMILY_HEADER_BYTES)).get(3);
    return list === undefined ? [] : decodeList(list).flatMap(decodeElement);
  });
}

function decodeElement(bytes: Uint8Array): readonly FoundElement[] {
  const attributes = decodeAttributes(bytes);
  const key = decodeAttributes(attributes.get(1) ?? new Uint8Array()).get(1);
  if (key === undefined) return [];
  return [
    {
      key,
      timeoutMs: number64(attributes.get(4)),
      expiresInMs: number64(attributes.get(5)),
      count: decodeCount(attributes.get(7)),
    },
  ];
}

function decodeCount(bytes: Uint8Array | undefined): ElementCount | undefined {
  if (bytes === undefined) return undefined;
  const data = decodeAttributes(bytes).get(2);
  if (data === undefined) return undefined;
  const fields = decodeAttributes(data);
  const [byteCount, packets] = [big64(fields.get(1)), big64(fields.get(2))];
  return byteCount === undefined || packets === undefined
    ? undefined
    : { bytes: byteCount, packets };
}

function big64(bytes: Uint8Array | undefined): bigint | undefined {
  if (bytes?.length !== 8) return undefined;
  return new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, false);
}

function number64(bytes: Uint8Array | undefined): number | undefined {
  const value = big64(bytes);
  return value === undefined ? undefined : Number(value);
}

/**
 * Netlink messages and their attributes as bytes. Pure; knows no family.
 *
 * Lengths are the kernel's: a message and an attribute carry their length
 * without padding and are padded to four bytes.
 *
 * Source: include/uapi/linux/netlink.h; netlink(7).
 */

/** One attribute: its type and its bytes, or attributes nested in it. */
export type Attribute = readonly [type: number, value: Uint8Array | readonly Attribute[]];

/** Flags of a request. Source: linux/netlink.h. */
export const NLM_F = {
  REQUEST: 0x1,
  ACK: 0x4,
  DUMP: 0x300,
  REPLACE: 0x100,
  EXCL: 0x200,
  CREATE: 0x400,
  APPEND: 0x800,
} as const;

/** Bytes of `struct nlmsghdr`. */
export const MESSAGE_HEADER_BYTES = 16;
const ATTRIBUTE_HEADER_BYTES = 4;
const NLA_F_NESTED = 0x8000;

/** Host order (little endian on every platform carve runs on). */
export function u8(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff);
}

/** Two bytes, host order. */
export function u16(value: number): Uint8Array {
  const bytes = new Uint8Array(2);
  new DataView(bytes.buffer).setUint16(0, value, true);
  return bytes;
}

/** Four bytes, host order. */
export function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value >>> 0, true);
  return bytes;
}

/** Two bytes, network order. */
export function be16(value: number): Uint8Array {
  const bytes = new Uint8Array(2);
  new DataView(bytes.buffer).setUint16(0, value, false);
  return bytes;
}

/** Four bytes, network order. */
export function be32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value >>> 0, false);
  return bytes;
}

/** Eight bytes, network order. */
export function be64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, false);
  return bytes;
}

/** UTF-8 with a closing NUL. */
export function text(value: string): Uint8Array {
  return new TextEncoder().encode(`${value}\0`);
}

/** Join byte strings. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

function padded(length: number): number {
  return (length + 3) & ~3;
}

/** What the 16 bits of a length leave to the value. */
const ATTRIBUTE_MAX_BYTES = 0xffff - ATTRIBUTE_HEADER_BYTES;

/** Attributes in order, each padded. Errors: `RangeError` for one that is too long. */
export function encodeAttributes(attributes: readonly Attribute[]): Uint8Array {
  return concatBytes(attributes.map(encodeAttribute));
}

function encodeAttribute([type, value]: Attribute): Uint8Array {
  const isNested = !(value instanceof Uint8Array);
  const payload = isNested ? encodeAttributes(value) : value;
  if (payload.length > ATTRIBUTE_MAX_BYTES) throw new RangeError(`attribute ${type} is too long`);
  const bytes = new Uint8Array(padded(ATTRIBUTE_HEADER_BYTES + payload.length));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, ATTRIBUTE_HEADER_BYTES + payload.length, true);
  view.setUint16(2, isNested ? type | NLA_F_NESTED : type, true);
  bytes.set(payload, ATTRIBUTE_HEADER_BYTES);
  return bytes;
}

/** A message before it is bytes. */
export interface Message {
  /** Number of the message in its family. */
  readonly type: number;
  /** NLM_F bits. */
  readonly flags: number;
  /** The family's fixed header, e.g. `struct ifinfomsg`. */
  readonly header: Uint8Array;
  readonly attributes: readonly Attribute[];
}

/** One message with sequence number `sequence`, padded. */
export function encodeMessage(message: Message, sequence: number): Uint8Array {
  const attributes = encodeAttributes(message.attributes);
  const headerBytes = padded(message.header.length);
  const length = MESSAGE_HEADER_BYTES + headerBytes + attributes.length;
  const bytes = new Uint8Array(padded(length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, length, true);
  view.setUint16(4, message.type, true);
  view.setUint16(6, message.flags, true);
  view.setUint32(8, sequence, true);
  bytes.set(message.header, MESSAGE_HEADER_BYTES);
  bytes.set(attributes, MESSAGE_HEADER_BYTES + headerBytes);
  return bytes;
}

/** Messages in one datagram, numbered from 1. */
export function encodeMessages(messages: readonly Message[]): Uint8Array {
  return concatBytes(messages.map((message, index) => encodeMessage(message, index + 1)));
}

/** A decoded attribute list: type → bytes (the last of equals). Stops at the first malformed one. */
export function decodeAttributes(bytes: Uint8Array): ReadonlyMap<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + ATTRIBUTE_HEADER_BYTES <= bytes.length; ) {
    const length = view.getUint16(at, true);
    if (length < ATTRIBUTE_HEADER_BYTES || at + length > bytes.length) break;
    found.set(
      view.getUint16(at + 2, true) & 0x3fff,
      bytes.subarray(at + ATTRIBUTE_HEADER_BYTES, at + length),
    );
    at += padded(length);
  }
  return found;
}

/** What follows the header in each message of type `type`. Stops at the first malformed one. */
export function payloadsOf(answer: Uint8Array, type: number): readonly Uint8Array[] {
  const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength);
  const found: Uint8Array[] = [];
  for (let at = 0; at + MESSAGE_HEADER_BYTES <= answer.length; ) {
    const length = view.getUint32(at, true);
    if (length < MESSAGE_HEADER_BYTES || at + length > answer.length) break;
    if (view.getUint16(at + 4, true) === type)
      found.push(answer.subarray(at + MESSAGE_HEADER_BYTES, at + length));
    at += padded(length);
  }
  return found;
}

/** Values of a list whose items have all the same type. Stops at the first malformed one. */
export function decodeList(bytes: Uint8Array): readonly Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const items: Uint8Array[] = [];
  for (let at = 0; at + ATTRIBUTE_HEADER_BYTES <= bytes.length; ) {
    const length = view.getUint16(at, true);
    if (length < ATTRIBUTE_HEADER_BYTES || at + length > bytes.length) break;
    items.push(bytes.subarray(at + ATTRIBUTE_HEADER_BYTES, at + length));
    at += padded(length);
  }
  return items;
}

/** Where a placeholder stands in encoded bytes: the offset of the first occurrence of `pattern`. Precondition: it occurs once. */
export function offsetOf(bytes: Uint8Array, pattern: Uint8Array): number {
  outer: for (let at = 0; at + pattern.length <= bytes.length; at += 1) {
    for (let index = 0; index < pattern.length; index += 1) {
      if (bytes[at + index] !== pattern[index]) continue outer;
    }
    return at;
  }
  throw new RangeError('placeholder not found');
}

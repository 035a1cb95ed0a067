/**
 * Domain names: wire labels ↔ text. Pure.
 *
 * In text, bytes that are not printable ASCII, dots inside a label and
 * backslashes stand as `\DDD`. No trailing dot; the root is the empty text.
 *
 * **Invariant:** reading ends: a pointer leads to an earlier place only, and a
 * name has at most 255 bytes.
 * Source: RFC 1035 3.1, 4.1.4, 5.1.
 */

/** Greatest name in bytes, length bytes and the final zero included. */
export const NAME_MAX_BYTES = 255;
const LABEL_MAX_BYTES = 63;
const POINTER = 0xc0;

/** A name that was read. */
export interface ReadName {
  readonly text: string;
  /** Index of the byte behind it. */
  readonly endIndex: number;
}

/** Whether names may be cut short by a pointer to an earlier one. */
export type Pointers = 'pointers' | 'no-pointers';

function labelText(label: Uint8Array): string {
  let text = '';
  for (const byte of label) {
    const isPlain = byte > 0x20 && byte < 0x7f && byte !== 0x2e && byte !== 0x5c;
    text += isPlain ? String.fromCharCode(byte) : `\\${String(byte).padStart(3, '0')}`;
  }
  return text;
}

/** Whether all of a label is there, and it is not too long. */
function isLabel(label: Uint8Array, lengthBytes: number): boolean {
  return label.length === lengthBytes && lengthBytes <= LABEL_MAX_BYTES;
}

/** Where the two bytes at `at` lead. */
function pointerTarget(bytes: Uint8Array, at: number): number | undefined {
  const low = bytes[at + 1];
  return low === undefined ? undefined : (((bytes[at] ?? 0) & 0x3f) << 8) | low;
}

/** The name at `start`; `undefined` when there is none. */
export function readName(
  bytes: Uint8Array,
  start: number,
  pointers: Pointers,
): ReadName | undefined {
  const labels: string[] = [];
  let at = start;
  let endIndex = -1;
  let lowest = start;
  let nameBytes = 1;
  for (;;) {
    const length = bytes[at];
    if (length === undefined) return undefined;
    if (length === 0) {
      return { text: labels.join('.'), endIndex: endIndex === -1 ? at + 1 : endIndex };
    }
    if ((length & POINTER) === POINTER) {
      const target = pointers === 'pointers' ? pointerTarget(bytes, at) : undefined;
      if (target === undefined || target >= lowest) return undefined;
      if (endIndex === -1) endIndex = at + 2;
      lowest = target;
      at = target;
      continue;
    }
    nameBytes += 1 + length;
    const label = bytes.subarray(at + 1, at + 1 + length);
    if (!isLabel(label, length) || nameBytes > NAME_MAX_BYTES) return undefined;
    labels.push(labelText(label));
    at += 1 + length;
  }
}

/** Index behind the name at `start`, wherever its pointer leads; `undefined` when it runs out of the bytes. */
export function skipName(bytes: Uint8Array, start: number): number | undefined {
  let at = start;
  for (;;) {
    const length = bytes[at];
    if (length === undefined) return undefined;
    if (length === 0) return at + 1;
    if ((length & POINTER) === POINTER) return at + 2 <= bytes.length ? at + 2 : undefined;
    if (length > LABEL_MAX_BYTES) return undefined;
    at += 1 + length;
  }
}

function labelBytes(label: string): readonly number[] {
  const bytes: number[] = [];
  for (let at = 0; at < label.length; at += 1) {
    const escaped = /^\\(\d{3})/.exec(label.slice(at, at + 4));
    bytes.push(escaped === null ? label.charCodeAt(at) : Number(escaped[1]));
    if (escaped !== null) at += 3;
  }
  return bytes;
}

/** The name's labels with their lengths, never compressed; `undefined` for a text that no name has. */
export function encodeName(text: string): Uint8Array | undefined {
  const bytes: number[] = [];
  for (const label of text === '' ? [] : text.split('.')) {
    const content = labelBytes(label);
    const isPossible =
      content.length > 0 &&
      content.length <= LABEL_MAX_BYTES &&
      content.every((byte) => byte <= 0xff);
    if (!isPossible) return undefined;
    bytes.push(content.length, ...content);
  }
  bytes.push(0);
  return bytes.length <= NAME_MAX_BYTES ? Uint8Array.from(bytes) : undefined;
}

/** As names are compared: ASCII letters in lower case. */
export function lowerName(text: string): string {
  return text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}

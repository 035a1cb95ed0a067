/**
 * What a container asks: its message read strictly, and written anew for an
 * upstream server, so that nothing reaches one that was not understood. Pure.
 *
 * Source: RFC 1035 4.1, RFC 6891 (EDNS), RFC 4035 (AD, CD).
 */

import { readName, skipName } from './name.ts';

/** Bytes of a header. */
export const HEADER_BYTES = 12;
/** Answer codes. Source: RFC 1035 4.1.1, RFC 6891 (BADVERS needs EDNS). */
export const RCODE = {
  noError: 0,
  formatError: 1,
  serverFailure: 2,
  nameError: 3,
  notImplemented: 4,
  refused: 5,
  badVersion: 16,
} as const;
/** Record types that are looked at. */
export const TYPE = {
  a: 1,
  cname: 5,
  ptr: 12,
  aaaa: 28,
  srv: 33,
  opt: 41,
  ixfr: 251,
  axfr: 252,
  any: 255,
} as const;
/** The class of the Internet. */
export const CLASS_IN = 1;
/** Bits of the header's second word. */
export const FLAG = {
  response: 0x8000,
  authoritative: 0x0400,
  truncated: 0x0200,
  recursionDesired: 0x0100,
  recursionAvailable: 0x0080,
  authenticData: 0x0020,
  checkingDisabled: 0x0010,
} as const;
/** What kind of question the header's second word says; 0: a query. */
export const OPCODE_MASK = 0x7800;
/** What a query may carry upstream. */
const PASSED_FLAGS = FLAG.recursionDesired | FLAG.authenticData | FLAG.checkingDisabled;
/** Without EDNS. Source: RFC 1035 4.2.1. */
const PLAIN_UDP_BYTES = 512;
/** Greatest datagram to a container: it goes over loopback. */
const UDP_MAX_BYTES = 4096;
/** Greatest datagram asked of an upstream: no fragments, which can be forged. */
const UPSTREAM_UDP_BYTES = 1232;
/** EDNS options of a query that are passed on, in bytes. */
const OPTIONS_MAX_BYTES = 512;
const DNSSEC_OK = 0x8000;

/** EDNS of a query. */
export interface Edns {
  /** Greatest datagram the asker takes, in bytes. */
  readonly payloadBytes: number;
  readonly versionNumber: number;
  readonly isDnssecOk: boolean;
  /** Options as they stand on the wire. */
  readonly options: Uint8Array;
}

/** The question. */
export interface Question {
  /** As text, in the asker's case: see `name.ts`. */
  readonly name: string;
  /** Number of the record type. */
  readonly type: number;
  /** Number of the class. */
  readonly classNumber: number;
  /** Name, type and class as they stand on the wire. */
  readonly bytes: Uint8Array;
}

/** One query. */
export interface Query {
  /** 16 bits, the asker's. */
  readonly idNumber: number;
  /** The header's second word. */
  readonly flags: number;
  readonly question: Question;
  readonly edns: Edns | undefined;
}

/** A message that is no query of ours: what its sender is told, if anything. */
export type Received =
  | { readonly kind: 'query'; readonly query: Query }
  | { readonly kind: 'refusal'; readonly bytes: Uint8Array }
  | { readonly kind: 'nothing' };

/** A header and nothing else: for messages whose question cannot be repeated. */
function bareRefusal(bytes: Buffer, rcode: number): Received {
  const header = Buffer.alloc(HEADER_BYTES);
  bytes.copy(header, 0, 0, 2);
  const kept = bytes.readUInt16BE(2) & (OPCODE_MASK | FLAG.recursionDesired);
  header.writeUInt16BE(FLAG.response | kept | rcode, 2);
  return { kind: 'refusal', bytes: header };
}

function readEdns(bytes: Buffer, at: number): Edns | undefined {
  // The name is one zero byte: the caller looked.
  const length = bytes.readUInt16BE(at + 9);
  const ttl = bytes.readUInt32BE(at + 5);
  return {
    payloadBytes: bytes.readUInt16BE(at + 3),
    versionNumber: (ttl >>> 16) & 0xff,
    isDnssecOk: (ttl & DNSSEC_OK) !== 0,
    options: bytes.subarray(at + 11, at + 11 + length),
  };
}

/** Index behind the record at `start`, `undefined` when it runs out of the bytes. */
export function skipRecord(bytes: Buffer, start: number): number | undefined {
  const at = skipName(bytes, start);
  if (at === undefined || at + 10 > bytes.length) return undefined;
  const end = at + 10 + bytes.readUInt16BE(at + 8);
  return end <= bytes.length ? end : undefined;
}

/** The one OPT record of the additional section: `null` without, `undefined` when the section is broken. */
function findEdns(bytes: Buffer, start: number): Edns | null | undefined {
  let edns: Edns | null = null;
  let at = start;
  // A query has neither answers nor authority; a signature (TSIG) is not ours to judge.
  if (bytes.readUInt32BE(6) !== 0) return undefined;
  for (let count = bytes.readUInt16BE(10); count > 0; count -= 1) {
    const end = skipRecord(bytes, at);
    if (end === undefined) return undefined;
    const isOpt = bytes[at] === 0 && bytes.readUInt16BE(at + 1) === TYPE.opt;
    if (isOpt && edns !== null) return undefined;
    if (isOpt) edns = readEdns(bytes, at) ?? null;
    at = end;
  }
  return edns;
}

/** Bytes of a container → what to do with them. Never throws. */
export function decodeQuery(message: Uint8Array): Received {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  if (bytes.length < HEADER_BYTES) return { kind: 'nothing' };
  const flags = bytes.readUInt16BE(2);
  if ((flags & FLAG.response) !== 0) return { kind: 'nothing' };
  if ((flags & OPCODE_MASK) !== 0) return bareRefusal(bytes, RCODE.notImplemented);
  if (bytes.readUInt16BE(4) !== 1) return bareRefusal(bytes, RCODE.formatError);
  const name = readName(bytes, HEADER_BYTES, 'no-pointers');
  const end = name === undefined ? 0 : name.endIndex + 4;
  if (name === undefined || end > bytes.length) return bareRefusal(bytes, RCODE.formatError);
  const edns = findEdns(bytes, end);
  if (edns === undefined) return bareRefusal(bytes, RCODE.formatError);
  const question: Question = {
    name: name.text,
    type: bytes.readUInt16BE(name.endIndex),
    classNumber: bytes.readUInt16BE(name.endIndex + 2),
    bytes: bytes.subarray(HEADER_BYTES, end),
  };
  return {
    kind: 'query',
    query: { idNumber: bytes.readUInt16BE(0), flags, question, edns: edns ?? undefined },
  };
}

/** Greatest answer that the asker takes, in bytes. */
export function answerLimitBytes(query: Query, isTcp: boolean): number {
  if (isTcp) return 65535;
  const asked = query.edns?.payloadBytes ?? PLAIN_UDP_BYTES;
  return Math.min(Math.max(asked, PLAIN_UDP_BYTES), UDP_MAX_BYTES);
}

/** An OPT record. `extendedCode`: the upper eight bits of the answer code. */
export function encodeOpt(edns: Edns, extendedCode = 0): Buffer {
  const record = Buffer.alloc(11);
  record.writeUInt16BE(TYPE.opt, 1);
  record.writeUInt16BE(edns.payloadBytes, 3);
  record.writeUInt8(extendedCode, 5);
  record.writeUInt8(edns.versionNumber, 6);
  record.writeUInt16BE(edns.isDnssecOk ? DNSSEC_OK : 0, 7);
  record.writeUInt16BE(edns.options.length, 9);
  return Buffer.concat([record, edns.options]);
}

/** The query for an upstream server, with an id of its own: header, question, EDNS. */
export function encodeForward(query: Query, idNumber: number): Uint8Array {
  const { edns, question } = query;
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(idNumber, 0);
  header.writeUInt16BE(query.flags & PASSED_FLAGS, 2);
  header.writeUInt16BE(1, 4);
  if (edns === undefined) return Buffer.concat([header, question.bytes]);
  header.writeUInt16BE(1, 10);
  const opt = encodeOpt({
    payloadBytes: Math.min(Math.max(edns.payloadBytes, PLAIN_UDP_BYTES), UPSTREAM_UDP_BYTES),
    versionNumber: 0,
    isDnssecOk: edns.isDnssecOk,
    options: edns.options.length <= OPTIONS_MAX_BYTES ? edns.options : new Uint8Array(0),
  });
  return Buffer.concat([header, question.bytes, opt]);
}

/**
 * Answers: our own, written; an upstream server's, checked and fitted to who
 * asked. Pure.
 *
 * **Invariant:** an upstream's bytes are passed on only when they answer the
 * question that was asked of it and every record lies within them.
 * Source: RFC 1035 4.1, RFC 2181 9 (truncation), RFC 6891.
 */

import type { Address } from '../../spec/cidr.ts';
import { lowerName, readName, skipName } from './name.ts';
import {
  answerLimitBytes,
  CLASS_IN,
  encodeOpt,
  FLAG,
  HEADER_BYTES,
  OPCODE_MASK,
  type Query,
  type Question,
  RCODE,
  skipRecord,
  TYPE,
} from './query.ts';

/** A record of our own, about the name that was asked for. */
export interface OwnRecord {
  /** Number of the record type. */
  readonly type: number;
  readonly data: Uint8Array;
}

/** What our own answer says. */
export interface OwnAnswer {
  /** Number of the answer code: see `RCODE`. */
  readonly rcode: number;
  readonly isTcp: boolean;
  readonly records: readonly OwnRecord[];
  /** Seconds that the records may be remembered. */
  readonly ttlSeconds: number;
}

/** An address that an answer gave. */
export interface AnsweredAddress {
  readonly address: Address;
  readonly ttlSeconds: number;
}

/** An upstream server's answer. */
export interface Reply {
  /** Number of the answer code: see `RCODE`. */
  readonly rcode: number;
  readonly isTruncated: boolean;
  /** Of the name that was asked for, by way of its aliases. */
  readonly addresses: readonly AnsweredAddress[];
  readonly bytes: Buffer;
}

/** Aliases that are followed. */
const ALIASES_MAX = 16;
/** What we take by UDP. */
const OWN_PAYLOAD_BYTES = 1232;

function ownRecord(record: OwnRecord, ttlSeconds: number): Buffer {
  const head = Buffer.alloc(12);
  // The name: a pointer to the question.
  head.writeUInt16BE(0xc000 | HEADER_BYTES, 0);
  head.writeUInt16BE(record.type, 2);
  head.writeUInt16BE(CLASS_IN, 4);
  head.writeUInt32BE(ttlSeconds, 6);
  head.writeUInt16BE(record.data.length, 10);
  return Buffer.concat([head, record.data]);
}

/** Our answer to `query`. Records that do not fit are left out, and the answer says so. */
export function encodeAnswer(query: Query, answer: OwnAnswer): Buffer {
  const { edns, question } = query;
  const opt =
    edns === undefined
      ? Buffer.alloc(0)
      : encodeOpt(
          {
            payloadBytes: OWN_PAYLOAD_BYTES,
            versionNumber: 0,
            isDnssecOk: edns.isDnssecOk,
            options: new Uint8Array(0),
          },
          answer.rcode >> 4,
        );
  let roomBytes =
    answerLimitBytes(query, answer.isTcp) - HEADER_BYTES - question.bytes.length - opt.length;
  const records: Buffer[] = [];
  for (const record of answer.records) {
    const bytes = ownRecord(record, answer.ttlSeconds);
    if (bytes.length > roomBytes) break;
    roomBytes -= bytes.length;
    records.push(bytes);
  }
  const isOurs = answer.rcode === RCODE.noError || answer.rcode === RCODE.nameError;
  const isCut = records.length < answer.records.length;
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(query.idNumber, 0);
  header.writeUInt16BE(
    FLAG.response |
      (isOurs ? FLAG.authoritative : 0) |
      FLAG.recursionAvailable |
      (query.flags & (FLAG.recursionDesired | FLAG.checkingDisabled)) |
      (isCut ? FLAG.truncated : 0) |
      (answer.rcode & 0xf),
    2,
  );
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  header.writeUInt16BE(edns === undefined ? 0 : 1, 10);
  return Buffer.concat([header, question.bytes, ...records, opt]);
}

/** The same but for the case of letters, which only name bytes can have here: types and classes are compared exactly. */
function isSameQuestion(bytes: Buffer, question: Question): boolean {
  const end = HEADER_BYTES + question.bytes.length;
  if (bytes.length < end) return false;
  const nameBytes = question.bytes.length - 4;
  for (let at = 0; at < question.bytes.length; at += 1) {
    const theirs = bytes[HEADER_BYTES + at] ?? 0;
    const ours = question.bytes[at] ?? 0;
    if (theirs === ours) continue;
    const isLetter = (ours | 0x20) >= 0x61 && (ours | 0x20) <= 0x7a;
    if (at >= nameBytes || !isLetter || (theirs | 0x20) !== (ours | 0x20)) return false;
  }
  return true;
}

interface Section {
  /** Start of each record of the answer section. */
  readonly starts: readonly number[];
  /** Index behind the last record of the message. */
  readonly endIndex: number;
}

function walkRecords(bytes: Buffer, start: number): Section | undefined {
  const answerCount = bytes.readUInt16BE(6);
  const total = answerCount + bytes.readUInt16BE(8) + bytes.readUInt16BE(10);
  const starts: number[] = [];
  let at = start;
  for (let index = 0; index < total; index += 1) {
    const end = skipRecord(bytes, at);
    if (end === undefined) return undefined;
    if (index < answerCount) starts.push(at);
    at = end;
  }
  return { starts, endIndex: at };
}

interface ChainRecord {
  readonly owner: string;
  /** Number of the record type. */
  readonly type: number;
  readonly ttlSeconds: number;
  /** Index of its data. */
  readonly dataIndex: number;
  readonly dataBytes: number;
}

/** Names by the first word of a pointer to them: thousands of records may have one long owner. */
type KnownNames = Map<number, string>;

function readOwner(bytes: Buffer, start: number, known: KnownNames): string | undefined {
  const word = bytes.readUInt16BE(start);
  const found = word < 0xc000 ? undefined : known.get(word);
  if (found !== undefined) return found;
  const name = readName(bytes, start, 'pointers');
  if (name === undefined) return undefined;
  const owner = lowerName(name.text);
  if (word >= 0xc000) known.set(word, owner);
  return owner;
}

function readChainRecord(bytes: Buffer, start: number, known: KnownNames): ChainRecord | undefined {
  const owner = readOwner(bytes, start, known);
  // The walk before this one found the end of every record.
  const at = skipName(bytes, start) ?? start;
  if (owner === undefined || bytes.readUInt16BE(at + 2) !== CLASS_IN) return undefined;
  return {
    owner,
    type: bytes.readUInt16BE(at),
    ttlSeconds: bytes.readUInt32BE(at + 4),
    dataIndex: at + 10,
    dataBytes: bytes.readUInt16BE(at + 8),
  };
}

function addressOf(bytes: Buffer, record: ChainRecord): Address | undefined {
  const data = bytes.subarray(record.dataIndex, record.dataIndex + record.dataBytes);
  const value = (): bigint => BigInt(`0x${data.toString('hex')}`);
  if (record.type === TYPE.a && data.length === 4) return { family: 'ipv4', value: value() };
  if (record.type === TYPE.aaaa && data.length === 16) return { family: 'ipv6', value: value() };
  return undefined;
}

/** Addresses of `name`, also by way of aliases; records of other names say nothing. */
function addressesOf(
  bytes: Buffer,
  starts: readonly number[],
  name: string,
): readonly AnsweredAddress[] {
  const aliases = new Map<string, { target: string; ttlSeconds: number }>();
  const records: ChainRecord[] = [];
  const known: KnownNames = new Map();
  for (const start of starts) {
    const record = readChainRecord(bytes, start, known);
    if (record === undefined) continue;
    if (record.type !== TYPE.cname) records.push(record);
    else if (!aliases.has(record.owner)) {
      const target = readName(bytes, record.dataIndex, 'pointers');
      if (target === undefined) continue;
      const { ttlSeconds } = record;
      aliases.set(record.owner, { target: lowerName(target.text), ttlSeconds });
    }
  }
  let owner = lowerName(name);
  let ttlSeconds = 0xffff_ffff;
  for (let count = 0; count < ALIASES_MAX; count += 1) {
    const alias = aliases.get(owner);
    if (alias === undefined) break;
    owner = alias.target;
    ttlSeconds = Math.min(ttlSeconds, alias.ttlSeconds);
  }
  return records
    .filter((record) => record.owner === owner)
    .flatMap((record) => {
      const address = addressOf(bytes, record);
      if (address === undefined) return [];
      return [{ address, ttlSeconds: Math.min(ttlSeconds, record.ttlSeconds) }];
    });
}

/** What an upstream was asked. */
export interface AskedUpstream {
  /** 16 bits, ours. */
  readonly idNumber: number;
  readonly question: Question;
}

function isAnswerTo(bytes: Buffer, { idNumber, question }: AskedUpstream): boolean {
  if (bytes.length < HEADER_BYTES || bytes.readUInt16BE(0) !== idNumber) return false;
  const isResponse = (bytes.readUInt16BE(2) & (FLAG.response | OPCODE_MASK)) === FLAG.response;
  return isResponse && bytes.readUInt16BE(4) === 1 && isSameQuestion(bytes, question);
}

/** Bytes of an upstream server; `undefined` when they do not answer what was asked of it. Never throws. */
export function decodeReply(message: Uint8Array, asked: AskedUpstream): Reply | undefined {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  if (!isAnswerTo(bytes, asked)) return undefined;
  const flags = bytes.readUInt16BE(2);
  const isTruncated = (flags & FLAG.truncated) !== 0;
  const questionEnd = HEADER_BYTES + asked.question.bytes.length;
  const section = walkRecords(bytes, questionEnd);
  if (section === undefined && !isTruncated) return undefined;
  const kept = Buffer.from(bytes.subarray(0, section?.endIndex ?? questionEnd));
  // A cut inside a record: only the header and the question are sure.
  if (section === undefined) kept.fill(0, 6, HEADER_BYTES);
  return {
    rcode: flags & 0xf,
    isTruncated,
    addresses: addressesOf(kept, section?.starts ?? [], asked.question.name),
    bytes: kept,
  };
}

/** The reply for who asked `query`: its id, its letters, and no longer than it takes. */
export function fitReply(reply: Reply, query: Query, isTcp: boolean): Buffer {
  const limitBytes = answerLimitBytes(query, isTcp);
  const bytes = Buffer.from(reply.bytes);
  bytes.writeUInt16BE(query.idNumber, 0);
  bytes.set(query.question.bytes, HEADER_BYTES);
  if (bytes.length <= limitBytes) return bytes;
  let answerCount = 0;
  let end = HEADER_BYTES + query.question.bytes.length;
  for (let left = bytes.readUInt16BE(6); left > 0; left -= 1) {
    const next = skipRecord(bytes, end);
    if (next === undefined || next > limitBytes) break;
    answerCount += 1;
    end = next;
  }
  bytes.writeUInt16BE(bytes.readUInt16BE(2) | FLAG.truncated, 2);
  bytes.writeUInt16BE(answerCount, 6);
  bytes.fill(0, 8, HEADER_BYTES);
  return bytes.subarray(0, end);
}

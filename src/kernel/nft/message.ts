/**
 * nftables requests: tables, chains, rules, sets and their elements, and the
 * batch that makes them one transaction. Pure.
 *
 * Source: include/uapi/linux/netfilter/nf_tables.h, nfnetlink.h.
 */

import {
  be32,
  be64,
  encodeMessages,
  NLM_F,
  payloadsOf,
  text,
  type Attribute,
  type Message,
} from '../netlink/message.ts';
import {
  dataValue,
  dataVerdict,
  encodeExpression,
  type Expression,
  type Verdict,
} from './expression.ts';

/** netlink(7): the protocol number of nfnetlink. */
export const NETLINK_NETFILTER = 12;

const NFNL_SUBSYS_NFTABLES = 10;
const NFNL_MSG_BATCH = { BEGIN: 16, END: 17 } as const;

/** Family of a table. Source: linux/netfilter.h. */
export const NFPROTO = { inet: 1, ipv4: 2, bridge: 7, ipv6: 10 } as const;

/** Names a table. */
export interface TableName {
  readonly family: keyof typeof NFPROTO;
  readonly table: string;
}

/** `struct nfgenmsg`: family, version, resource id in network order. */
function nfgenmsg(family: number, resourceId: number): Uint8Array {
  return Uint8Array.of(family, 0, resourceId >> 8, resourceId & 0xff);
}

/** Each request's NFT_MSG number, and its NLM_F bits beyond REQUEST. */
const REQUEST = {
  newTable: { type: 0, flags: NLM_F.CREATE },
  deleteTable: { type: 2, flags: 0 },
  newChain: { type: 3, flags: NLM_F.CREATE },
  deleteChain: { type: 5, flags: 0 },
  getChains: { type: 4, flags: NLM_F.DUMP },
  newRule: { type: 6, flags: NLM_F.CREATE | NLM_F.APPEND },
  getRules: { type: 7, flags: NLM_F.DUMP },
  deleteRules: { type: 8, flags: 0 },
  newSet: { type: 9, flags: NLM_F.CREATE },
  newElements: { type: 12, flags: NLM_F.CREATE },
  getElements: { type: 13, flags: NLM_F.DUMP },
  deleteElements: { type: 14, flags: 0 },
  getGeneration: { type: 16, flags: 0 },
} as const;

function request(
  at: TableName,
  name: keyof typeof REQUEST,
  attributes: readonly Attribute[],
): Message {
  return {
    type: (NFNL_SUBSYS_NFTABLES << 8) | REQUEST[name].type,
    flags: NLM_F.REQUEST | REQUEST[name].flags,
    header: nfgenmsg(NFPROTO[at.family], 0),
    attributes,
  };
}

/**
 * `owner`: only the socket that made the table, or took it over, may change or delete it; `persist`: it stays,
 * anybody's, when that socket is closed, and the next socket that says so takes it over. Linux 6.9 has both.
 */
export const TABLE_FLAG = { owner: 2, persist: 4 } as const;

/** Make the table; success when it exists. `flags`: {@link TABLE_FLAG}; 0: as it is. Errors: EPERM when it is another socket's. */
export function addTable(at: TableName, flags = 0): Message {
  const more: readonly Attribute[] = flags === 0 ? [] : [[2, be32(flags)]];
  return request(at, 'newTable', [[1, text(at.table)], ...more]);
}

/** Delete the table with all in it. Errors: ENOENT when it is not there. */
export function deleteTable(at: TableName): Message {
  return request(at, 'deleteTable', [[1, text(at.table)]]);
}

/** Where a base chain hooks in. Source: linux/netfilter.h. */
export const HOOK = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;

/** A base chain's place. */
export interface BaseChain {
  readonly type: 'filter' | 'nat' | 'route';
  readonly hook: keyof typeof HOOK;
  /** Lower runs earlier. */
  readonly priority: number;
  /** `drop` when the end of the chain is reached; default accept. */
  readonly policy?: 'accept' | 'drop';
}

/** Make a chain; without `base` one that only others jump to. */
export function addChain(at: TableName, chain: string, base?: BaseChain): Message {
  return request(at, 'newChain', [
    [1, text(at.table)],
    [3, text(chain)],
    ...(base === undefined
      ? []
      : ([
          [
            4,
            [
              [1, be32(HOOK[base.hook])],
              [2, be32(base.priority)],
            ],
          ],
          [5, be32(base.policy === 'drop' ? 0 : 1)],
          [7, text(base.type)],
        ] as const)),
  ]);
}

/** Append a rule. */
export function addRule(at: TableName, chain: string, expressions: readonly Expression[]): Message {
  return request(at, 'newRule', [
    [1, text(at.table)],
    [2, text(chain)],
    [4, expressions.map((expression): Attribute => [1, encodeExpression(expression)])],
  ]);
}

/** Delete a chain that has no rules and is not a base chain. Errors: EBUSY when it has, or a rule leads to it; ENOENT. */
export function deleteChain(at: TableName, chain: string): Message {
  return request(at, 'deleteChain', [
    [1, text(at.table)],
    [3, text(chain)],
  ]);
}

/** Delete one rule by the number that the kernel gave it. Errors: ENOENT. */
export function deleteRule(at: TableName, chain: string, handle: bigint): Message {
  return request(at, 'deleteRules', [
    [1, text(at.table)],
    [2, text(chain)],
    [3, be64(handle)],
  ]);
}

/** A question about every family. */
function question(name: 'getChains' | 'getGeneration'): Message {
  const ANY_FAMILY = 0;
  return {
    type: (NFNL_SUBSYS_NFTABLES << 8) | REQUEST[name].type,
    flags: NLM_F.REQUEST | REQUEST[name].flags,
    header: nfgenmsg(ANY_FAMILY, 0),
    attributes: [],
  };
}

/** Ask for the chains of all tables. */
export function listChains(): Message {
  return question('getChains');
}

/** Ask for a number that grows with every transaction of anybody, whatever table it is about. */
export function askGeneration(): Message {
  return question('getGeneration');
}

/** Ask for every rule of a table. */
export function listRules(at: TableName): Message {
  return request(at, 'getRules', [[1, text(at.table)]]);
}

/** How many of the messages in an answer are of this kind. */
export function countMessages(answer: Uint8Array, kind: keyof typeof REQUEST): number {
  return payloadsOf(answer, (NFNL_SUBSYS_NFTABLES << 8) | REQUEST[kind].type).length;
}

/** Delete every rule of a table. */
export function flushRules(at: TableName): Message {
  return request(at, 'deleteRules', [[1, text(at.table)]]);
}

/** Delete every rule of a chain. */
export function flushChain(at: TableName, chain: string): Message {
  return request(at, 'deleteRules', [
    [1, text(at.table)],
    [2, text(chain)],
  ]);
}

/** Element types as nft(8) prints them: their number and bytes in a register key (padded to 4). Source: libnftables datatype.h. */
export const DATA_TYPE = {
  verdict: { id: 1, bytes: 0 },
  ipv4: { id: 7, bytes: 4 },
  ipv6: { id: 8, bytes: 16 },
  mac: { id: 9, bytes: 6 },
  protocol: { id: 12, bytes: 1 },
  port: { id: 13, bytes: 2 },
  mark: { id: 19, bytes: 4 },
  ifname: { id: 41, bytes: 16 },
} as const;

/** One part of a key or value. */
export type DataType = keyof typeof DATA_TYPE;

const TYPE_BITS = 6;

/** Bytes of a part in a concatenation. */
function paddedBytes(type: DataType): number {
  return (DATA_TYPE[type].bytes + 3) & ~3;
}

/** Bytes of a whole key: exact for one part, each padded to four for a concatenation. */
export function keyBytes(types: readonly DataType[]): number {
  const [only] = types;
  return types.length === 1 && only !== undefined
    ? DATA_TYPE[only].bytes
    : types.reduce((sum, type) => sum + paddedBytes(type), 0);
}

function typeId(types: readonly DataType[]): number {
  return types.reduce((id, type) => (id << TYPE_BITS) | DATA_TYPE[type].id, 0);
}

const NFT_SET = { INTERVAL: 4, MAP: 8, TIMEOUT: 0x10, EVAL: 0x20, CONCAT: 0x80 } as const;

/** A set, or a map when `data` is given. */
export interface SetShape {
  readonly name: string;
  /** Parts of the key, in order. */
  readonly key: readonly DataType[];
  /** Parts of the value; `['verdict']` for a verdict map. */
  readonly data?: readonly DataType[];
  /** Elements are ranges. */
  readonly interval?: boolean;
  /** Elements may expire. */
  readonly timeout?: boolean;
  /** Rules add elements, at most this many are kept. */
  readonly dynamicCount?: number;
}

function setFlags(set: SetShape): number {
  const isInterval = set.interval === true;
  return (
    (isInterval ? NFT_SET.INTERVAL : 0) |
    (set.data === undefined ? 0 : NFT_SET.MAP) |
    (set.timeout === true ? NFT_SET.TIMEOUT : 0) |
    (set.dynamicCount === undefined ? 0 : NFT_SET.EVAL) |
    (set.key.length > 1 && isInterval ? NFT_SET.CONCAT : 0)
  );
}

function valueAttributes(data: readonly DataType[] | undefined): readonly Attribute[] {
  if (data === undefined) return [];
  const isVerdict = data[0] === 'verdict';
  return [
    [6, be32(isVerdict ? 0xffffff00 : typeId(data))],
    [7, be32(isVerdict ? 16 : keyBytes(data))],
  ];
}

/** The parts of a concatenated range. */
function fieldAttributes(key: readonly DataType[]): readonly Attribute[] {
  const fields = key.map((type): Attribute => [1, [[1, be32(DATA_TYPE[type].bytes)]]]);
  return [[9, [[2, fields]]]];
}

/** Make a set or map. `id` is any number unique in the batch. */
export function addSet(at: TableName, set: SetShape, id: number): Message {
  const isConcat = set.key.length > 1;
  return request(at, 'newSet', [
    [1, text(at.table)],
    [2, text(set.name)],
    [3, be32(setFlags(set))],
    [4, be32(typeId(set.key))],
    [5, be32(keyBytes(set.key))],
    ...valueAttributes(set.data),
    ...(isConcat && set.interval === true ? fieldAttributes(set.key) : []),
    ...(set.dynamicCount === undefined
      ? []
      : ([[9, [[1, be32(set.dynamicCount)]]]] satisfies readonly Attribute[])),
    [10, be32(id)],
    ...(isConcat || !isHostOrder(set.key) ? [] : [[13, KEY_IS_HOST_ORDER] as const]),
  ]);
}

/** Make sets or maps of one table. */
export function addSets(at: TableName, shapes: readonly SetShape[]): readonly Message[] {
  return shapes.map((shape, index) => addSet(at, shape, index + 1));
}

function isHostOrder(key: readonly DataType[]): boolean {
  return key[0] === 'ifname' || key[0] === 'mark';
}

/** User data the kernel only carries: tells nft(8) how to print the keys. Source: libnftnl udata.h (type 0, four bytes, host order). */
const KEY_IS_HOST_ORDER: Uint8Array = Uint8Array.of(0, 4, 1, 0, 0, 0);

/** A counter's state. */
export interface ElementCount {
  /** Count of packets. */
  readonly packets: bigint;
  readonly bytes: bigint;
}

/** One element. */
export interface Element {
  /** Parts joined, each padded to four bytes when there are several. */
  readonly key: Uint8Array;
  /** End of a range, inclusive; for interval sets with concatenated keys. */
  readonly keyEnd?: Uint8Array;
  /** Value of a map. */
  readonly data?: Uint8Array | Verdict;
  /** Milliseconds until it goes by itself. */
  readonly timeoutMs?: number;
  /** What the counter of the element has seen. */
  readonly count?: ElementCount;
  /** Marks the (exclusive) end of the range before it; for interval sets with plain keys. */
  readonly isIntervalEnd?: boolean;
}

const NFT_SET_ELEM_INTERVAL_END = 1;

function encodeElement(element: Element): Attribute {
  const { data } = element;
  return [
    1,
    [
      ...(element.isIntervalEnd === true ? [[3, be32(NFT_SET_ELEM_INTERVAL_END)] as const] : []),
      [1, [dataValue(element.key)]],
      ...(element.keyEnd === undefined ? [] : [[10, [dataValue(element.keyEnd)]] as const]),
      ...(data === undefined
        ? []
        : [[2, [data instanceof Uint8Array ? dataValue(data) : dataVerdict(data)]] as const]),
      ...(element.timeoutMs === undefined ? [] : [[4, be64(BigInt(element.timeoutMs))] as const]),
      ...(element.count === undefined ? [] : [[7, encodeCount(element.count)] as const]),
    ],
  ];
}

function encodeCount({ bytes, packets }: ElementCount): readonly Attribute[] {
  return encodeExpression({
    name: 'counter',
    attributes: [
      [1, be64(bytes)],
      [2, be64(packets)],
    ],
  });
}

/** Elements in one message: the length of a list has 16 bits. Even, so that both ends of a range are in one. */
const ELEMENTS_MAX = 256;

/** Messages about elements of one set, in one transaction; none for none. */
export type ElementAction = (
  at: TableName,
  set: string,
  list: readonly Element[],
) => readonly Message[];

function aboutElements(name: 'newElements' | 'deleteElements'): ElementAction {
  return (at, set, list) =>
    Array.from({ length: Math.ceil(list.length / ELEMENTS_MAX) }, (_, index) =>
      request(at, name, [
        [1, text(at.table)],
        [2, text(set)],
        [3, list.slice(index * ELEMENTS_MAX, (index + 1) * ELEMENTS_MAX).map(encodeElement)],
      ]),
    );
}

/** Add elements. Existing equal ones are kept. Errors: EEXIST when a map's key has another value. */
export const addElements: ElementAction = aboutElements('newElements');

/** Delete elements. Errors: ENOENT when one is not there. */
export const deleteElements: ElementAction = aboutElements('deleteElements');

/** Ask for every element of a set. */
export function listElements(at: TableName, set: string): Message {
  return request(at, 'getElements', [
    [1, text(at.table)],
    [2, text(set)],
  ]);
}

/** Delete every element of a set. */
export function flushSet(at: TableName, set: string): Message {
  return request(at, 'deleteElements', [
    [1, text(at.table)],
    [2, text(set)],
  ]);
}

/** Join the parts of a concatenated key, each padded to four bytes. */
export function concatKey(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + ((part.length + 3) & ~3), 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += (part.length + 3) & ~3;
  }
  return whole;
}

function batchMark(type: number): Message {
  return { type, flags: NLM_F.REQUEST, header: nfgenmsg(0, NFNL_SUBSYS_NFTABLES), attributes: [] };
}

/**
 * All messages as one transaction: all of it happens or nothing. Only the last
 * message asks for an ack; the kernel reports the first failure of any.
 */
export function encodeBatch(messages: readonly Message[]): Uint8Array {
  const last = messages.length - 1;
  const body = messages.map((message, index) =>
    index === last ? { ...message, flags: message.flags | NLM_F.ACK } : message,
  );
  return encodeMessages([batchMark(NFNL_MSG_BATCH.BEGIN), ...body, batchMark(NFNL_MSG_BATCH.END)]);
}

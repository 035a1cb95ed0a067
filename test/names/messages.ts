/** DNS messages for tests: written here by hand, so that a mistake of the codec is not repeated. */

import fc from 'fast-check';

/** Parts of a message; numbers of the header are as given, true or not. */
export interface MessageParts {
  /** 16 bits. */
  readonly id?: number;
  /** The header's second word. */
  readonly flags?: number;
  /** The four counts; default: what is there. */
  readonly counts?: readonly [number, number, number, number];
  readonly name?: string;
  /** Number of the record type; default A. */
  readonly type?: number;
  /** Number of the class; default IN. */
  readonly classNumber?: number;
  /** Bytes after the question. */
  readonly rest?: Uint8Array;
  /** Answer records in `rest`. */
  readonly answerCount?: number;
  /** Additional records in `rest`. */
  readonly additionalCount?: number;
}

/** Plain labels as they stand on the wire. */
export function wireName(name: string): Buffer {
  const labels = name === '' ? [] : name.split('.');
  return Buffer.concat([
    ...labels.map((label) => Buffer.from([label.length, ...Buffer.from(label, 'latin1')])),
    Buffer.of(0),
  ]);
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  values.forEach((value, at) => bytes.writeUInt16BE(value & 0xffff, at * 2));
  return bytes;
}

/** One message with one question. */
export function message(parts: MessageParts = {}): Buffer {
  const { id = 0x1234, flags = 0x0100, name = 'web', type = 1, classNumber = 1 } = parts;
  const counts = parts.counts ?? [1, parts.answerCount ?? 0, 0, parts.additionalCount ?? 0];
  return Buffer.concat([
    words(id, flags, ...counts),
    wireName(name),
    words(type, classNumber),
    parts.rest ?? Buffer.alloc(0),
  ]);
}

/** Id, name and, of an answer without EDNS whose last record is of an address, that address. */
export function readMessage(bytes: Buffer): {
  readonly id: number;
  readonly name: string;
  /** Offset behind the question. */
  readonly end: number;
  readonly address: string;
} {
  const labels: string[] = [];
  let at = 12;
  for (let length = bytes[at] ?? 0; length > 0; length = bytes[at] ?? 0) {
    labels.push(bytes.toString('latin1', at + 1, at + 1 + length));
    at += length + 1;
  }
  const hasAnswer = bytes.readUInt16BE(6) > 0;
  const address = hasAnswer ? [...bytes.subarray(-4)].join('.') : '';
  return { id: bytes.readUInt16BE(0), name: labels.join('.'), end: at + 5, address };
}

/** One record. `owner`: bytes of its name, default a pointer to the question. */
export function record(
  type: number,
  data: Uint8Array,
  rest: { readonly owner?: Uint8Array; readonly ttlSeconds?: number } = {},
): Buffer {
  const ttl = Buffer.alloc(4);
  ttl.writeUInt32BE(rest.ttlSeconds ?? 60);
  return Buffer.concat([
    rest.owner ?? words(0xc00c),
    words(type, 1),
    ttl,
    words(data.length),
    data,
  ]);
}

/** EDNS as an additional record. */
export function opt(
  payloadBytes = 1232,
  options: Uint8Array = Buffer.alloc(0),
  version = 0,
): Buffer {
  return Buffer.concat([
    Buffer.of(0),
    words(41, payloadBytes, version, 0, options.length),
    options,
  ]);
}

/** The answer to a query without EDNS: the query itself as an answer, with records. */
export function answerTo(
  query: Uint8Array,
  records: readonly Uint8Array[],
  header: { readonly rcode?: number; readonly flags?: number } = {},
): Buffer {
  const bytes = Buffer.concat([query, ...records]);
  bytes.writeUInt16BE(0x8180 | (header.rcode ?? 0) | (header.flags ?? 0), 2);
  bytes.writeUInt16BE(records.length, 6);
  bytes.writeUInt16BE(0, 10);
  return bytes;
}

/** Four or sixteen bytes of an address. */
export function ipBytes(text: string): Buffer {
  return Buffer.from(text.split('.').map(Number));
}

/** Names that the wire can have. */
export const nameArbitrary: fc.Arbitrary<string> = fc
  .array(
    fc
      .array(fc.integer({ min: 0, max: 255 }), { minLength: 1, maxLength: 20 })
      .map((bytes) => bytes.map(escape).join('')),
    { maxLength: 8 },
  )
  .map((labels) => labels.join('.'));

function escape(byte: number): string {
  const isPlain = byte > 0x20 && byte < 0x7f && byte !== 0x2e && byte !== 0x5c;
  return isPlain ? String.fromCharCode(byte) : `\\${String(byte).padStart(3, '0')}`;
}

const anyName = fc.constantFrom('', 'web', 'WEB', 'a.b.c.d', `${'x'.repeat(63)}.${'y'.repeat(63)}`);
/** Owners and aliases: right, in circles, and beyond the end. */
const pointedName = fc.constantFrom(
  Buffer.of(0xc0, 12),
  Buffer.of(0xc0, 0x20),
  Buffer.of(0xff, 0xff),
  Buffer.of(0xc0),
  wireName('web'),
  wireName('evil'),
  Buffer.of(63, 1, 2),
  Buffer.of(0),
);
const anyRecord = fc.oneof(
  fc
    .tuple(pointedName, fc.uint8Array({ maxLength: 20 }))
    .map(([owner, data]) => record(1, data, { owner })),
  fc.tuple(pointedName, pointedName).map(([owner, data]) => record(5, data, { owner })),
  fc.tuple(fc.nat(70), fc.uint8Array({ maxLength: 30 })).map(([type, data]) => record(type, data)),
  fc.tuple(fc.nat(0xffff), fc.uint8Array({ maxLength: 30 })).map(([size, data]) => opt(size, data)),
);

/** Counts that are true. */
const plausible = fc
  .tuple(
    anyName,
    fc.constantFrom(1, 5, 12, 28, 255),
    fc.array(anyRecord, { maxLength: 4 }),
    fc.boolean(),
  )
  .map(([name, type, records, isReply]) =>
    message({
      name,
      type,
      flags: isReply ? 0x8180 : 0x0100,
      answerCount: isReply ? records.length : 0,
      additionalCount: isReply ? 0 : records.length,
      rest: Buffer.concat(records),
    }),
  );

/** Counts that lie, and anything behind them. */
const lying = fc
  .record({
    id: fc.integer({ min: 0, max: 0xffff }),
    flags: fc.constantFrom(0, 0x0100, 0x8180, 0x8380, 0x2800, 0x8583),
    counts: fc.tuple(
      fc.constantFrom(0, 1, 1, 1, 2, 65535),
      fc.constantFrom(0, 1, 2, 300, 65535),
      fc.constantFrom(0, 0, 1, 65535),
      fc.constantFrom(0, 1, 2, 65535),
    ),
    name: anyName,
    type: fc.constantFrom(1, 5, 12, 28, 33, 41, 255, 65535),
    rest: fc.uint8Array({ maxLength: 300 }),
  })
  .map(message);

/** Bytes near enough to a message that a codec goes deep: changed here and there, or cut. */
export const hostileArbitrary: fc.Arbitrary<Buffer> = fc
  .tuple(
    fc.oneof({ weight: 3, arbitrary: plausible }, { weight: 1, arbitrary: lying }),
    fc.array(fc.tuple(fc.nat(300), fc.integer({ min: 0, max: 255 })), { maxLength: 3 }),
    fc.oneof({ weight: 4, arbitrary: fc.constant(-1) }, { weight: 1, arbitrary: fc.nat(200) }),
  )
  .map(([bytes, changes, cut]) => {
    for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
    return cut === -1 ? bytes : bytes.subarray(0, cut);
  });

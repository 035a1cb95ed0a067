import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import * as fc from 'fast-check';
import { isEngineError, type ErrorKind } from '../base/error.ts';
import { digestBytes } from '../spec/digest.ts';
import { decodeLayer, decompress } from './decompress.ts';
import { ZstdFrames } from './zstd-frames.ts';

async function* from(...chunks: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* chunks;
}

/** Chunks that all lie in the same memory. */
async function* inPlace(...chunks: readonly Buffer[]): AsyncGenerator<Buffer> {
  const piece = Buffer.alloc(Math.max(0, ...chunks.map(({ length }) => length)));
  for (const chunk of chunks) {
    chunk.copy(piece);
    yield piece.subarray(0, chunk.length);
    piece.fill(0xaa);
  }
}

const gz = (text: string): Buffer => gzipSync(text);
const zs = (text: string): Buffer => zstdCompressSync(text);
const skippable = (size: number): Buffer => {
  const frame = Buffer.alloc(8 + size, 0x61);
  frame.writeUInt32LE(0x184d2a5e, 0);
  frame.writeUInt32LE(size, 4);
  return frame;
};

const GOOD: readonly (readonly [what: string, bytes: Buffer, text: string, compression: string])[] =
  [
    ['nothing', Buffer.alloc(0), '', 'none'],
    ['two plain bytes', Buffer.from('ab'), 'ab', 'none'],
    ['plain bytes', Buffer.from('plain text'), 'plain text', 'none'],
    ['a gzip member', gz('hello'), 'hello', 'gzip'],
    [
      'several gzip members',
      Buffer.concat([gz('hello '), gz(''), gz('world')]),
      'hello world',
      'gzip',
    ],
    ['a gzip member and zeros', Buffer.concat([gz('hello'), Buffer.alloc(600)]), 'hello', 'gzip'],
    [
      'a gzip member and many zeros',
      Buffer.concat([gz('hello'), Buffer.alloc(100_000)]),
      'hello',
      'gzip',
    ],
    ['a zstd frame', zs('hello'), 'hello', 'zstd'],
    ['an empty zstd frame', zs(''), '', 'zstd'],
    [
      'several zstd frames',
      Buffer.concat([zs('hello '), zs(''), zs('world')]),
      'hello world',
      'zstd',
    ],
    [
      'skippable frames anywhere',
      Buffer.concat([
        skippable(4),
        zs('hello '),
        skippable(0),
        skippable(9),
        zs('world'),
        skippable(3),
      ]),
      'hello world',
      'zstd',
    ],
    [
      'a zstd frame with a checksum',
      zstdCompressSync('hello', { params: { [constants.ZSTD_c_checksumFlag]: 1 } }),
      'hello',
      'zstd',
    ],
    ['a zstd frame of one repeated byte', zs('a'.repeat(100_000)), 'a'.repeat(100_000), 'zstd'],
  ];
for (const [what, bytes, text, compression] of GOOD) {
  // A byte at a time is for what is small: each chunk costs a turn of the event loop.
  const least = bytes.length > 10_000 ? [999] : [1, 3];
  for (const chunkBytes of [...least, 1 << 20]) {
    test(`decodeLayer() reads ${what} in chunks of ${chunkBytes}`, async () => {
      const chunks = Array.from({ length: Math.ceil(bytes.length / chunkBytes) }, (_, i) =>
        bytes.subarray(i * chunkBytes, (i + 1) * chunkBytes),
      );
      const decoded = decodeLayer(inPlace(...chunks));
      let found = '';
      for await (const chunk of decoded.tar) found += chunk.toString('latin1');
      assert.equal(found, text);
      assert.deepEqual(decoded.results(), {
        compression,
        digest: digestBytes(bytes),
        sizeBytes: bytes.length,
        diffId: digestBytes(text),
        tarBytes: text.length,
      });
    });
  }
}

const flipped = (bytes: Buffer, at: number): Buffer => {
  const copy = Buffer.from(bytes);
  copy[at < 0 ? copy.length + at : at] = (copy.at(at) ?? 0) ^ 0xff;
  return copy;
};

const BAD: readonly (readonly [what: string, bytes: Buffer, kind: ErrorKind, message: RegExp])[] = [
  ['a gzip stream cut short', gz('hello').subarray(0, 15), 'corrupt', /gzip stream is damaged/],
  ['a gzip header cut short', gz('hello').subarray(0, 5), 'corrupt', /gzip stream is damaged/],
  ['a gzip checksum', flipped(gz('hello'), -6), 'corrupt', /gzip stream is damaged/],
  [
    'garbage after a gzip member',
    Buffer.concat([gz('hello'), Buffer.from('garbage')]),
    'corrupt',
    /gzip stream is damaged/,
  ],
  [
    'a zstd frame cut short',
    zs('hello').subarray(0, 10),
    'corrupt',
    /zstd stream is damaged \(it is truncated\)/,
  ],
  [
    'a zstd magic cut short after a frame',
    Buffer.concat([zs('hello'), zs('x').subarray(0, 3)]),
    'corrupt',
    /truncated/,
  ],
  [
    'garbage after a zstd frame',
    Buffer.concat([zs('hello'), Buffer.from('garbage')]),
    'corrupt',
    /something else follows/,
  ],
  [
    'a skippable frame cut short',
    Buffer.concat([zs('hello'), skippable(9).subarray(0, 12)]),
    'corrupt',
    /truncated/,
  ],
  ['an xz archive', Buffer.from('fd377a585a000004', 'hex'), 'unsupported', /packed with xz/],
  ['a bzip2 archive', Buffer.from('BZh91AY&SY'), 'unsupported', /packed with bzip2/],
  [
    'a zstd block of an unknown type',
    (() => {
      const bytes = Buffer.from(zs('hello'));
      bytes[6] = (bytes[6] ?? 0) | 6;
      return bytes;
    })(),
    'corrupt',
    /unknown type/,
  ],
];
for (const [what, bytes, kind, message] of BAD) {
  test(`decodeLayer() refuses ${what}`, async () => {
    const read = async (): Promise<void> => {
      for await (const _ of decodeLayer(from(bytes)).tar);
    };
    await assert.rejects(
      read(),
      (error) => isEngineError(error) && error.kind === kind && message.test(error.message),
    );
  });
}

async function drain(source: AsyncIterable<Buffer>): Promise<number> {
  let bytes = 0;
  for await (const chunk of source) bytes += chunk.length;
  return bytes;
}

test('a bomb is stopped by its ratio', async () => {
  const bomb = zstdCompressSync(Buffer.alloc(200 << 20));
  assert.ok(bomb.length < 100_000);
  await assert.rejects(
    drain(decodeLayer(from(bomb)).tar),
    (error) =>
      isEngineError(error) &&
      error.kind === 'exhausted' &&
      /inflates more than 1100 times/.test(error.message),
  );
});

test('a layer above the configured size is stopped', async () => {
  await assert.rejects(
    drain(
      decodeLayer(from(gzipSync(Buffer.alloc(100_000))), {
        limits: { layerBytes: 99_999, ratio: 5000 },
      }).tar,
    ),
    (error) =>
      isEngineError(error) &&
      error.kind === 'exhausted' &&
      /limit of 99999 bytes/.test(error.message),
  );
});

test('an error of the source passes through as it is', async () => {
  const failure = new Error('the network died');
  async function* failing(): AsyncGenerator<Buffer> {
    yield gz('hello').subarray(0, 6);
    throw failure;
  }
  await assert.rejects(drain(decodeLayer(failing()).tar), (error) => error === failure);
});

for (const [head, what] of [
  ['plain bytes', 'its reader stops at the first chunk'],
  ['BZh91AY', 'it is refused by its first bytes'],
] as const) {
  test(`a source is closed when ${what}`, async () => {
    const closed = Promise.withResolvers<boolean>();
    const source = (async function* (): AsyncGenerator<Buffer> {
      try {
        for (;;) yield Buffer.from(head);
      } finally {
        closed.resolve(true);
      }
    })();
    const chunks = decodeLayer(source).tar[Symbol.asyncIterator]();
    await chunks.next().catch((error: unknown) => assert.ok(isEngineError(error)));
    await chunks.return?.();
    assert.equal(await closed.promise, true);
  });
}

test('a reader that stops early leaves nothing running', async () => {
  let isClosed = false;
  async function* endless(): AsyncGenerator<Buffer> {
    try {
      for (;;) yield gz('x'.repeat(10_000));
    } finally {
      isClosed = true;
    }
  }
  for await (const chunk of decodeLayer(endless()).tar) if (chunk.length > 0) break;
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isClosed, true);
});

test('decompress() speaks of archives', async () => {
  await assert.rejects(
    drain(decompress(from(gz('hello').subarray(0, 15)))),
    /Cannot decompress archive/,
  );
});

test('ZstdFrames cuts every stream at its frames, however it arrives', () => {
  const frame = fc.oneof(
    fc.string({ maxLength: 300 }).map(zs),
    fc.integer({ min: 0, max: 300 }).map(skippable),
    fc
      .uint8Array({ maxLength: 300 })
      .map((data) => zstdCompressSync(data, { params: { [constants.ZSTD_c_checksumFlag]: 1 } })),
  );
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 5 }),
      fc.integer({ min: 1, max: 40 }),
      (frames, chunkBytes) => {
        const splitter = new ZstdFrames();
        const stream = Buffer.concat(frames);
        const pieces: Buffer[] = [];
        for (let at = 0; at < stream.length; at += chunkBytes)
          pieces.push(...splitter.push(stream.subarray(at, at + chunkBytes)));
        splitter.finish();
        const kept = frames.filter((bytes) => bytes.readUInt32LE(0) === 0xfd2fb528);
        assert.deepEqual(Buffer.concat(pieces), Buffer.concat(kept));
        // Every end of a frame is the end of a piece.
        const ends = new Set(
          pieces.reduce<number[]>(
            (sums, piece) => [...sums, (sums.at(-1) ?? 0) + piece.length],
            [],
          ),
        );
        let end = 0;
        for (const bytes of kept) assert.ok(ends.has((end += bytes.length)));
      },
    ),
    { numRuns: 100 },
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  archive,
  base256,
  END,
  gnuLong,
  pad,
  pax,
  raw,
  rawHeader,
  record,
} from '../../test/fuzz/tar-raw.ts';
import { isEngineError } from '../base/error.ts';
import { TAR_LIMITS, type TarEntry, type TarLimits } from './tar-entry.ts';
import { TarParser } from './tar-parse.ts';
import { encodeTar, encodeTarHeader, TAR_END, tarPadding } from './tar-write.ts';

interface Read {
  readonly entry: TarEntry;
  /** Content with holes filled, latin1. */
  readonly content: string;
}

function readAll(
  bytes: Buffer,
  chunkBytes = 65_536,
  limits: TarLimits = TAR_LIMITS,
): readonly Read[] {
  const found: Read[] = [];
  let current: { entry: TarEntry; content: Buffer } | undefined;
  const parser = new TarParser(
    {
      onEntry: (entry) => {
        assert.equal(current, undefined);
        current = { entry, content: Buffer.alloc(entry.sizeBytes) };
      },
      onData: (chunk, offsetBytes) => {
        assert.ok(current !== undefined && chunk.length > 0);
        current.content.set(chunk, offsetBytes);
      },
      onEnd: () => {
        assert.ok(current !== undefined);
        found.push({ entry: current.entry, content: current.content.toString('latin1') });
        current = undefined;
      },
    },
    limits,
  );
  for (let at = 0; at < bytes.length; at += chunkBytes)
    parser.push(bytes.subarray(at, at + chunkBytes));
  parser.finish();
  return found;
}

function only(bytes: Buffer): Read {
  const found = readAll(bytes);
  assert.equal(found.length, 1);
  const [first] = found;
  assert.ok(first !== undefined);
  return first;
}

test('a ustar file has all its fields', () => {
  const { entry, content } = only(
    archive(raw({ name: 'a/b', mode: 0o4755, uid: 1000, gid: 100, mtime: 1_700_000_000 }, 'hello')),
  );
  assert.deepEqual(entry, {
    type: 'file',
    path: 'a/b',
    linkPath: '',
    mode: 0o4755,
    uid: 1000,
    gid: 100,
    mtimeS: 1_700_000_000,
    mtimeNs: 0,
    sizeBytes: 5,
    dataBytes: 5,
    deviceMajor: 0,
    deviceMinor: 0,
    xattrs: [],
  });
  assert.equal(content, 'hello');
});

const TYPES: readonly (readonly [what: string, bytes: Buffer, type: string, path: string])[] = [
  ['a v7 file', raw({ name: 'f', flag: '\0', magic: '' }, 'x'), 'file', 'f'],
  ['a v7 directory by its slash', raw({ name: 'd/', flag: '\0', magic: '' }), 'directory', 'd/'],
  ['a contiguous file', raw({ name: 'f', flag: '7' }, 'x'), 'file', 'f'],
  ['a symlink', raw({ name: 'l', flag: '2', link: 'target' }), 'symlink', 'l'],
  ['a hard link', raw({ name: 'l', flag: '1', link: 'target' }), 'hardlink', 'l'],
  ['a fifo', raw({ name: 'p', flag: '6' }), 'fifo', 'p'],
  ['a character device', raw({ name: 'c', flag: '3', major: 1, minor: 3 }), 'char', 'c'],
  ['a block device', raw({ name: 'b', flag: '4', major: 8, minor: 1 }), 'block', 'b'],
  ['a ustar prefix', raw({ name: 'name', prefix: 'long/prefix' }), 'file', 'long/prefix/name'],
  ['a name of 100 bytes without NUL', raw({ name: 'n'.repeat(100) }), 'file', 'n'.repeat(100)],
  [
    'a GNU header, whose prefix field is something else',
    raw({ name: 'n', magic: 'ustar  \0', prefix: 'times' }),
    'file',
    'n',
  ],
  [
    'a star header with its short prefix',
    raw({ name: 'n', prefix: 'p'.repeat(131), patch: { 508: Buffer.from('tar\0') } }),
    'file',
    `${'p'.repeat(131)}/n`,
  ],
  [
    'a GNU long name',
    Buffer.concat([gnuLong('L', 'x'.repeat(300)), raw({ name: 'short', magic: 'ustar  \0' })]),
    'file',
    'x'.repeat(300),
  ],
  [
    'a pax path',
    Buffer.concat([pax([['path', 'pax/path']]), raw({ name: 'short' })]),
    'file',
    'pax/path',
  ],
  [
    'an empty pax path, which takes it back',
    Buffer.concat([
      pax([
        ['path', 'a'],
        ['path', ''],
      ]),
      raw({ name: 'short' }),
    ]),
    'file',
    'short',
  ],
  [
    'a GNU long name over a pax path',
    Buffer.concat([pax([['path', 'pax']]), gnuLong('L', 'gnu'), raw({ name: 's' })]),
    'file',
    'gnu',
  ],
  [
    'the second of two pax headers',
    Buffer.concat([pax([['path', 'one']]), pax([['uid', '7']]), raw({ name: 's' })]),
    'file',
    's',
  ],
  [
    'a comment in a global header',
    Buffer.concat([pax([['comment', 'x']], 'g'), raw({ name: 'f' })]),
    'file',
    'f',
  ],
  [
    'a long v7 name that ends in a slash',
    Buffer.concat([gnuLong('L', 'dir/'), raw({ name: 's', flag: '\0' })]),
    'directory',
    'dir/',
  ],
  ['a name that is not UTF-8', raw({ name: 'a\xff\xfe' }), 'file', 'a\xff\xfe'],
];
for (const [what, bytes, type, path] of TYPES) {
  test(`${what} is read as ${type}`, () => {
    const { entry } = only(archive(bytes));
    assert.deepEqual([entry.type, entry.path], [type, path]);
  });
}

test('devices keep their numbers and links their targets', () => {
  const found = readAll(
    archive(
      raw({ name: 'c', flag: '3', major: 1, minor: 3 }),
      gnuLong('K', 'k'.repeat(200)),
      raw({ name: 'l', flag: '2', link: 'short' }),
    ),
  );
  assert.deepEqual([found[0]?.entry.deviceMajor, found[0]?.entry.deviceMinor], [1, 3]);
  assert.equal(found[1]?.entry.linkPath, 'k'.repeat(200));
});

test('pax values override the header', () => {
  const big = 3_000_000_000;
  const header = pax([
    ['uid', String(big)],
    ['gid', '5'],
    ['mtime', '1700000000.123456789'],
    ['size', '3'],
    ['linkpath', 'x'],
  ]);
  const { entry, content } = only(
    archive(header, rawHeader({ name: 'f', size: 0 }), Buffer.from('abc'), pad(Buffer.from('abc'))),
  );
  assert.deepEqual(
    [entry.uid, entry.gid, entry.mtimeS, entry.mtimeNs, entry.sizeBytes],
    [big, 5, 1_700_000_000, 123_456_789, 3],
  );
  assert.equal(content, 'abc');
});

const TIMES: readonly (readonly [text: string, seconds: number, nanoseconds: number])[] = [
  ['0', 0, 0],
  ['1.5', 1, 500_000_000],
  ['1.1234567899', 1, 123_456_789],
  ['-1', -1, 0],
  ['-1.5', -2, 500_000_000],
  ['-0.25', -1, 750_000_000],
  ['7.', 7, 0],
];
for (const [text, seconds, nanoseconds] of TIMES) {
  test(`a pax time ${text} is ${seconds} s and ${nanoseconds} ns`, () => {
    const { entry } = only(archive(pax([['mtime', text]]), raw({ name: 'f' })));
    assert.deepEqual([entry.mtimeS, entry.mtimeNs], [seconds, nanoseconds]);
  });
}

test('numbers in base 256 are read, negative times included', () => {
  const { entry } = only(
    archive(
      raw({ name: 'f', mtime: base256(-5n, 12), patch: { 108: base256(2_500_000_000n, 8) } }),
    ),
  );
  assert.deepEqual([entry.mtimeS, entry.uid], [-5, 2_500_000_000]);
});

test('extended attributes keep every byte, and star’s notation wins', () => {
  const value = Buffer.from([0, 1, 0xff, 0x3d, 0x0a, 0x80]);
  const header = pax([
    ['SCHILY.xattr.security.capability', value.toString('latin1')],
    ['LIBARCHIVE.xattr.user.a%3db', Buffer.from('x').toString('base64')],
    ['LIBARCHIVE.xattr.security.capability', Buffer.from('no').toString('base64')],
  ]);
  const { entry } = only(archive(header, raw({ name: 'f' })));
  assert.deepEqual(
    entry.xattrs.map(({ name, value: bytes }) => [name, Buffer.from(bytes).toString('hex')]),
    [
      ['security.capability', value.toString('hex')],
      ['user.a=b', '78'],
    ],
  );
});

test('links, directories and devices have no data whatever their size says', () => {
  const found = readAll(
    archive(
      rawHeader({ name: 'd/', flag: '5', size: 4096 }),
      rawHeader({ name: 'l', flag: '1', link: 'd', size: 99 }),
      raw({ name: 'f' }, 'x'),
    ),
  );
  assert.deepEqual(
    found.map(({ entry }) => [entry.path, entry.sizeBytes]),
    [
      ['d/', 0],
      ['l', 0],
      ['f', 1],
    ],
  );
});

function gnuSparse(
  name: string,
  realBytes: number,
  segments: readonly (readonly [number, number])[],
  data: string,
  extended: readonly Buffer[] = [],
): Buffer {
  const patch: Record<number, Buffer> = {
    483: Buffer.from(`${realBytes.toString(8).padStart(11, '0')}\0`),
  };
  for (const [i, [offset, size]] of segments.slice(0, 4).entries())
    patch[386 + 24 * i] = segment(offset, size);
  if (extended.length > 0) patch[482] = Buffer.from([1]);
  const content = Buffer.from(data);
  return Buffer.concat([
    rawHeader({ name, flag: 'S', magic: 'ustar  \0', size: content.length, patch }),
    ...extended,
    content,
    pad(content),
  ]);
}

function segment(offsetBytes: number, sizeBytes: number): Buffer {
  const octal = (value: number): string => `${value.toString(8).padStart(11, '0')}\0`;
  return Buffer.from(octal(offsetBytes) + octal(sizeBytes));
}

const SPARSE: readonly (readonly [what: string, bytes: Buffer])[] = [
  [
    'GNU',
    gnuSparse(
      'f',
      10,
      [
        [2, 3],
        [8, 2],
      ],
      'abcde',
    ),
  ],
  [
    'GNU with an extension block',
    gnuSparse(
      'f',
      10,
      [
        [2, 1],
        [3, 1],
      ],
      'abcde',
      [Buffer.concat([segment(4, 1), segment(8, 2), Buffer.alloc(512 - 48)])],
    ),
  ],
  [
    'pax 0.0',
    Buffer.concat([
      pax([
        ['GNU.sparse.size', '10'],
        ['GNU.sparse.offset', '2'],
        ['GNU.sparse.numbytes', '3'],
        ['GNU.sparse.offset', '8'],
        ['GNU.sparse.numbytes', '2'],
      ]),
      raw({ name: 'f' }, 'abcde'),
    ]),
  ],
  [
    'pax 0.1',
    Buffer.concat([
      pax([
        ['GNU.sparse.name', 'f'],
        ['GNU.sparse.size', '10'],
        ['GNU.sparse.map', '2,3,8,2'],
      ]),
      raw({ name: 'GNUSparseFile.0/f' }, 'abcde'),
    ]),
  ],
  [
    'pax 1.0',
    Buffer.concat([
      pax([
        ['GNU.sparse.major', '1'],
        ['GNU.sparse.minor', '0'],
        ['GNU.sparse.name', 'f'],
        ['GNU.sparse.realsize', '10'],
      ]),
      raw(
        { name: 'GNUSparseFile.0/f' },
        Buffer.concat([Buffer.from('2\n2\n3\n8\n2\n'), Buffer.alloc(502), Buffer.from('abcde')]),
      ),
    ]),
  ],
];
for (const [what, bytes] of SPARSE) {
  test(`a ${what} sparse file has its holes`, () => {
    const { entry, content } = only(archive(bytes));
    assert.deepEqual([entry.path, entry.sizeBytes, entry.dataBytes], ['f', 10, 5]);
    assert.equal(content, '\0\0abc\0\0\0de');
  });
}

test('a sparse file may be one hole', () => {
  const { entry } = only(
    archive(Buffer.concat([pax([['GNU.sparse.size', '1000000']]), raw({ name: 'f' })])),
  );
  assert.deepEqual([entry.sizeBytes, entry.dataBytes], [1_000_000, 0]);
});

test('a missing end mark between entries is accepted, so is anything after it', () => {
  assert.equal(readAll(raw({ name: 'f' }, 'x')).length, 1);
  assert.equal(readAll(Buffer.alloc(0)).length, 0);
  assert.equal(
    readAll(Buffer.concat([archive(raw({ name: 'f' }, 'x')), Buffer.from('garbage'.repeat(300))]))
      .length,
    1,
  );
});

const file = raw({ name: 'f' }, 'hello');
const CORRUPT: readonly (readonly [what: string, bytes: Buffer, message: RegExp])[] = [
  ['a wrong checksum', archive(raw({ name: 'f', checksumError: 1 })), /checksum of "f" is wrong/],
  ['a header cut short', file.subarray(0, 300), /truncated/],
  ['data cut short', file.subarray(0, 514), /truncated/],
  ['padding cut short', file.subarray(0, 600), /truncated/],
  ['text instead of an archive', Buffer.from('#!/bin/sh\n'.repeat(60)), /checksum/],
  [
    'a lone zero block before an entry',
    Buffer.concat([file, Buffer.alloc(512), file]),
    /lone block of zeros/,
  ],
  [
    'a negative size',
    archive(rawHeader({ name: 'f', size: base256(-512n, 12) })),
    /size of "f" is negative/,
  ],
  [
    'a size beyond 2^53',
    archive(rawHeader({ name: 'f', size: base256(1n << 60n, 12) })),
    /not a number/,
  ],
  [
    'a size that is no number',
    archive(rawHeader({ name: 'f', size: '12x45' })),
    /size of "f" is not a number/,
  ],
  [
    'a negative owner',
    archive(raw({ name: 'f', uid: '77777777', patch: { 108: base256(-1n, 8) } })),
    /owner of "f"/,
  ],
  ['an owner of -1', archive(pax([['uid', '4294967295']]), raw({ name: 'f' })), /owner of "f"/],
  ['an unknown type', archive(raw({ name: 'f', flag: 'Z' })), /unknown type "Z"/],
  ['a multi-volume part', archive(raw({ name: 'f', flag: 'M' })), /unknown type "M"/],
  ['a pax header at the end', archive(pax([['path', 'x']])), /ends after an extended header/],
  ['a pax header and nothing', pax([['path', 'x']]), /ends after an extended header/],
  ['a long name at the end', archive(gnuLong('L', 'x')), /ends after an extended header/],
  [
    'a pax record without a length',
    archive(raw({ name: 'x', flag: 'x' }, 'path=x\n'), file),
    /malformed record/,
  ],
  [
    'a pax record with a wrong length',
    archive(raw({ name: 'x', flag: 'x' }, '99 path=x\n'), file),
    /malformed record/,
  ],
  [
    'a pax record of length 0',
    archive(raw({ name: 'x', flag: 'x' }, '0 path=x\n'), file),
    /malformed record/,
  ],
  [
    'a pax record without a newline',
    archive(raw({ name: 'x', flag: 'x' }, '9 path=xy'), file),
    /malformed record/,
  ],
  [
    'a pax record without a key',
    archive(raw({ name: 'x', flag: 'x' }, record('', 'v')), file),
    /malformed record/,
  ],
  [
    'a pax record without "="',
    archive(raw({ name: 'x', flag: 'x' }, '7 path\n'), file),
    /malformed record/,
  ],
  ['a pax path with a NUL', archive(pax([['path', 'a\0b']]), file), /NUL byte/],
  ['a pax size that is none', archive(pax([['size', '-1']]), file), /size is not a size/],
  ['a pax size in hex', archive(pax([['size', '0x10']]), file), /size is not a size/],
  ['a pax time that is none', archive(pax([['mtime', 'now']]), file), /mtime is not a time/],
  ['a global path', archive(pax([['path', 'x']], 'g'), file), /global extended header sets "path"/],
  ['a global size', archive(pax([['size', '1']], 'g'), file), /global extended header sets "size"/],
  [
    'a global attribute',
    archive(pax([['SCHILY.xattr.user.a', '1']], 'g'), file),
    /global extended header sets "SCHILY/,
  ],
  [
    'a sparse map out of order',
    archive(
      gnuSparse(
        'f',
        10,
        [
          [5, 2],
          [1, 2],
        ],
        'abcd',
      ),
    ),
    /not in order/,
  ],
  [
    'a sparse map that overlaps',
    archive(
      gnuSparse(
        'f',
        10,
        [
          [0, 5],
          [4, 2],
        ],
        'abcdefg',
      ),
    ),
    /not in order/,
  ],
  [
    'a sparse map beyond the size',
    archive(gnuSparse('f', 10, [[8, 5]], 'abcde')),
    /beyond its size/,
  ],
  [
    'a sparse map that does not fit its data',
    archive(gnuSparse('f', 10, [[0, 2]], 'abcde')),
    /does not fit its data/,
  ],
  [
    'a sparse map with a letter',
    archive(
      pax([
        ['GNU.sparse.size', '9'],
        ['GNU.sparse.map', '1,x'],
      ]),
      file,
    ),
    /malformed map/,
  ],
  [
    'a sparse map of three numbers',
    archive(
      pax([
        ['GNU.sparse.size', '9'],
        ['GNU.sparse.map', '1,2,3'],
      ]),
      file,
    ),
    /malformed map/,
  ],
  [
    'a 1.0 sparse map that never ends',
    archive(
      pax([
        ['GNU.sparse.major', '1'],
        ['GNU.sparse.minor', '0'],
        ['GNU.sparse.realsize', '9'],
      ]),
      raw({ name: 'f' }, '5\n1\n'.padEnd(512, '1')),
    ),
    /sparse map/,
  ],
  [
    'a 1.0 sparse map without data',
    archive(
      pax([
        ['GNU.sparse.major', '1'],
        ['GNU.sparse.minor', '0'],
      ]),
      raw({ name: 'f' }),
    ),
    /sparse map of "f" is missing/,
  ],
  [
    'a negative sparse offset',
    archive(
      gnuSparse('f', 10, [], '').subarray(0, 0),
      rawHeader({
        name: 'f',
        flag: 'S',
        magic: 'ustar  \0',
        patch: { 386: Buffer.concat([base256(-1n, 12), segment(0, 1).subarray(12)]) },
      }),
    ),
    /sparse map|not in order/,
  ],
];
for (const [what, bytes, message] of CORRUPT) {
  test(`${what} is refused`, () => {
    assert.throws(
      () => readAll(bytes),
      (error) => isEngineError(error) && error.kind === 'corrupt' && message.test(error.message),
    );
  });
}

const LARGE: readonly (readonly [what: string, bytes: Buffer, message: RegExp])[] = [
  [
    'a pax header above 1 MiB',
    rawHeader({ name: 'x', flag: 'x', size: 1024 * 1024 + 1 }),
    /extended header of 1048577 bytes/,
  ],
  [
    'a long name above its limit',
    rawHeader({ name: 'x', flag: 'L', size: 2 ** 30 }),
    /extended header/,
  ],
  [
    'a path above 4 KiB',
    archive(pax([['path', 'a/'.repeat(2500)]]), file),
    /longer than 4096 bytes/,
  ],
  [
    'a link target above 4 KiB',
    archive(pax([['linkpath', 'a'.repeat(5000)]]), raw({ name: 'l', flag: '2' })),
    /longer than 4096 bytes/,
  ],
  [
    'a file above 16 TiB',
    archive(pax([['GNU.sparse.size', String(2 ** 45)]]), raw({ name: 'f' })),
    /larger than/,
  ],
  ['too many entries', archive(file, file, file, file), /more than 3 entries/],
  [
    'too many sparse segments',
    archive(
      pax([
        ['GNU.sparse.size', '9'],
        ['GNU.sparse.map', '0,0,0,0,0,0'],
      ]),
      raw({ name: 'f' }),
    ),
    /too many segments/,
  ],
];
for (const [what, bytes, message] of LARGE) {
  test(`${what} is refused before it costs memory`, () => {
    const limits = { ...TAR_LIMITS, entries: 3, sparseSegments: 2 };
    assert.throws(
      () => readAll(bytes, 65_536, limits),
      (error) => isEngineError(error) && error.kind === 'exhausted' && message.test(error.message),
    );
  });
}

test('names in errors cannot carry control characters', () => {
  assert.throws(
    () => readAll(archive(raw({ name: 'a\x1b[31m\n\u009b', flag: 'Z' }))),
    (error) => isEngineError(error) && /^\P{Cc}*$/u.test(error.message),
  );
});

test('any chunking of the same bytes gives the same entries', () => {
  const bytes = archive(
    ...SPARSE.map(([, part]) => part),
    ...TYPES.map(([, part]) => part),
    raw({ name: 'big' }, 'x'.repeat(5000)),
  );
  const whole = readAll(bytes);
  assert.equal(whole.length, SPARSE.length + TYPES.length + 1);
  for (const chunkBytes of [1, 7, 511, 512, 513, 1000])
    assert.deepEqual(readAll(bytes, chunkBytes), whole);
});

// ── writing ────────────────────────────────────────────────────────────────

test('what is written is read back', () => {
  const name = fc.oneof(
    fc.stringMatching(/^[a-z]{1,20}$/),
    fc
      .string({ minLength: 1, maxLength: 60, unit: 'binary' })
      .map((text) =>
        Buffer.from(text).toString('latin1').replaceAll('\0', '_').replaceAll('/', '_'),
      ),
  );
  const path = fc.array(name, { minLength: 1, maxLength: 8 }).map((parts) => parts.join('/'));
  const xattr = fc.record({
    name: fc.stringMatching(/^user\.[a-z.]{1,20}$/),
    value: fc.uint8Array({ maxLength: 40 }),
  });
  const common = {
    path,
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.integer({ min: 0, max: 0xfffffffe }),
    gid: fc.integer({ min: 0, max: 0xfffffffe }),
    mtimeS: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
    mtimeNs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 999_999_999 })),
    xattrs: fc.uniqueArray(xattr, { maxLength: 3, selector: (item) => item.name }),
  };
  const entry = fc.oneof(
    fc.record({
      ...common,
      type: fc.constant('file' as const),
      content: fc.uint8Array({ maxLength: 700 }),
    }),
    fc.record({
      ...common,
      type: fc.constantFrom('symlink' as const, 'hardlink' as const),
      linkPath: path,
    }),
    fc.record({ ...common, type: fc.constantFrom('directory' as const, 'fifo' as const) }),
    fc.record({
      ...common,
      type: fc.constantFrom('char' as const, 'block' as const),
      deviceMajor: fc.integer({ min: 0, max: 4095 }),
      deviceMinor: fc.integer({ min: 0, max: 1_048_575 }),
    }),
  );
  fc.assert(
    fc.property(
      fc.array(entry, { maxLength: 6 }),
      fc.integer({ min: 1, max: 2000 }),
      (entries, chunkBytes) => {
        const bytes = encodeTar(entries);
        assert.equal(bytes.length % 512, 0);
        const found = readAll(bytes, chunkBytes);
        assert.equal(found.length, entries.length);
        for (const [i, wanted] of entries.entries()) {
          const { entry: got, content } = found[i] ?? assert.fail();
          assert.equal(got.path.replace(/\/$/, ''), wanted.path.replace(/\/$/, ''));
          assert.deepEqual(
            [got.type, got.mode, got.uid, got.gid, got.mtimeS, got.mtimeNs],
            [wanted.type, wanted.mode, wanted.uid, wanted.gid, wanted.mtimeS, wanted.mtimeNs],
          );
          assert.deepEqual(
            new Map(got.xattrs.map((x) => [x.name, Buffer.from(x.value).toString('hex')])),
            new Map(wanted.xattrs.map((x) => [x.name, Buffer.from(x.value).toString('hex')])),
          );
          if ('linkPath' in wanted) assert.equal(got.linkPath, wanted.linkPath);
          if ('deviceMajor' in wanted)
            assert.deepEqual(
              [got.deviceMajor, got.deviceMinor],
              [wanted.deviceMajor, wanted.deviceMinor],
            );
          assert.equal(
            content,
            'content' in wanted ? Buffer.from(wanted.content).toString('latin1') : '',
          );
        }
        assert.deepEqual(encodeTar(entries), bytes);
      },
    ),
    { numRuns: 60 },
  );
});

test('a short name needs no pax header, a path of 200 bytes fits the prefix, one of 300 does not', () => {
  assert.equal(encodeTarHeader({ type: 'file', path: 'a' }).length, 512);
  assert.equal(
    encodeTarHeader({ type: 'file', path: `${'p'.repeat(120)}/${'n'.repeat(79)}` }).length,
    512,
  );
  assert.equal(
    encodeTarHeader({ type: 'file', path: `${'p'.repeat(150)}/${'n'.repeat(149)}` }).length,
    1536,
  );
});

test('a file above 8 GiB is announced in a pax header', () => {
  const sizeBytes = 9 * 2 ** 30;
  let seen: TarEntry | undefined;
  const parser = new TarParser({
    onEntry: (entry) => (seen = entry),
    onData: () => undefined,
    onEnd: () => undefined,
  });
  parser.push(encodeTarHeader({ type: 'file', path: 'big', sizeBytes }));
  assert.equal(seen?.sizeBytes, sizeBytes);
  assert.deepEqual(
    [tarPadding(0).length, tarPadding(1).length, tarPadding(512).length, TAR_END.length],
    [0, 511, 0, END.length],
  );
});

test('the reader survives thousands of mutated archives', () => {
  const seed = archive(
    ...SPARSE.map(([, part]) => part),
    pax([
      ['path', 'p'],
      ['SCHILY.xattr.user.a', 'v'],
    ]),
    raw({ name: 'f' }, 'data'),
    gnuLong('L', 'long'),
    raw({ name: 's' }),
  );
  let random = 42;
  const next = (): number => (random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0);
  let refused = 0;
  for (let i = 0; i < 8000; i++) {
    const bytes = Buffer.from(seed.subarray(0, 512 + (next() % seed.length)));
    for (let n = next() % 4; n >= 0; n--) bytes[next() % bytes.length] = next() >>> 16;
    if (i % 2 === 0) reseal(bytes);
    try {
      readAll(bytes, 1 + (next() % 4096), { ...TAR_LIMITS, fileBytes: 1 << 20 });
    } catch (error) {
      assert.ok(isEngineError(error), String(error));
      refused++;
    }
  }
  assert.ok(refused > 400);
});

/** Make the first header's checksum right again, so that the mutation reaches further. */
function reseal(bytes: Buffer): void {
  bytes.fill(32, 148, 156);
  let sum = 0;
  for (const byte of bytes.subarray(0, 512)) sum += byte;
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}

/**
 * Archives that want out of their directory, or to be read in two ways, or to
 * break their reader: one row an attack, and what is right to happen. Made by
 * hand, sharing no code with the reader or the writer.
 *
 * Source: docs/security.md rows F1–F5; the published attacks those rows name.
 */
import type { ErrorKind } from '../../src/base/error.ts';
import { archive, base256, END, gnuLong, pad, pax, raw, rawHeader, record } from './tar-raw.ts';

/** `applied`: taken, and harmless. `either`: as the place has it. Else the kind of the refusal. */
export type Outcome = 'applied' | 'either' | ErrorKind;

/** One attack. */
export interface HostileArchive {
  readonly name: string;
  readonly tar: Buffer;
  /** As a layer of an image, a base. */
  readonly layer: Outcome;
  /** Copied into a container that has a file of its own at the canary's path; default: as `layer`. */
  readonly copy: Outcome;
}

type Row = readonly [name: string, tar: Buffer, layer: Outcome, copy?: Outcome];

const file = (name: string, content = 'evil', more = {}): Buffer =>
  raw({ name, mode: 0o777, ...more }, content);
const dir = (name: string, more = {}): Buffer => raw({ name, flag: '5', mode: 0o755, ...more });
const sym = (name: string, link: string, more = {}): Buffer =>
  raw({ name, flag: '2', link, mode: 0o777, ...more });
const hard = (name: string, link: string): Buffer => raw({ name, flag: '1', link });
const named = (path: string, ...after: readonly Buffer[]): Buffer =>
  archive(pax([['path', path]]), file('x'), ...after);
const attribute = (name: string, value: string | Buffer): Buffer =>
  pax([[`SCHILY.xattr.${name}`, value]]);
const up = '../'.repeat(20);

/** Names that lead elsewhere. `canary`: absolute path of a directory that must not change. */
function paths(canary: string): readonly Row[] {
  const below = canary.slice(1);
  return [
    ['a file one level up', archive(file('../evil')), 'invalid'],
    ['a file up and down again', archive(file(`${up}${below}/file`)), 'invalid'],
    ['a file up from inside', archive(dir('a'), file('a/../../evil')), 'invalid'],
    ['dots in the middle that stay inside', archive(dir('a'), file('a/../b')), 'invalid'],
    ['an entry that is ..', archive(dir('..', { mode: 0o777 })), 'invalid'],
    ['an entry that is ./..', archive(dir('./..', { mode: 0o777 })), 'invalid'],
    ['a directory that ends in ..', archive(dir('a'), dir('a/..')), 'invalid'],
    ['an absolute file', archive(file(`${canary}/file`)), 'applied'],
    ['an absolute file with many slashes', archive(file(`///${canary}//.//file`)), 'applied'],
    ['an absolute path with dots', archive(file(`/../..${canary}/file`)), 'invalid'],
    ['dots in a GNU long name', archive(gnuLong('L', `${up}${below}/file`), file('x')), 'invalid'],
    ['dots in a pax path', named(`${up}${below}/file`), 'invalid'],
    ['dots in a ustar prefix', archive(file('file', 'x', { prefix: '../..' })), 'invalid'],
    [
      'dots in the name of a sparse file',
      archive(
        pax([
          ['GNU.sparse.name', '../../evil'],
          ['GNU.sparse.realsize', '1'],
          ['GNU.sparse.map', '0,1'],
        ]),
        file('x', '1'),
      ),
      'invalid',
    ],
    ['a NUL in a pax path', named('a\0/../../evil'), 'corrupt'],
    ['a path of backslashes', archive(file('..\\..\\evil')), 'applied'],
    ['dots of another script', named('\u{ff0e}\u{ff0e}/evil'), 'applied'],
    [
      'dots as overlong UTF-8',
      named(Buffer.from('c0aec0ae2f78', 'hex').toString('latin1')),
      'applied',
    ],
    ['control characters and line breaks', named('a\n\u001b[2Jb\r'), 'applied'],
    ['three dots', archive(file('.../x')), 'applied'],
    ['a name of 256 bytes', named('n'.repeat(256)), 'invalid'],
    ['a path of 5000 bytes', named('a/'.repeat(2500)), 'exhausted'],
    ['a path of 4096 bytes', named(`${'d/'.repeat(2047)}xy`), 'invalid'],
    ['a file without a name', archive(file('')), 'invalid'],
    ['a file that is the root', archive(file('./')), 'invalid'],
    ['a link that is the root', archive(sym('.', canary)), 'invalid'],
    [
      'a device that is the root',
      archive(raw({ name: './', flag: '3', major: 1, minor: 3 })),
      'invalid',
    ],
    ['a root for everyone', archive(dir('./', { mode: 0o777, uid: 1000 }), file('f')), 'applied'],
  ];
}

/** Links, and what is written through or over them. */
function links(canary: string): readonly Row[] {
  const chain = Array.from({ length: 41 }, (_, i) => sym(`l${i}`, `l${i + 1}`));
  const through = (target: string): Buffer => archive(sym('l', target), file('l/file'));
  return [
    ['a file through an absolute link', through(canary), 'applied'],
    ['a file through a relative link', through(`${up}${canary.slice(1)}`), 'applied'],
    [
      'a file through a link to a file',
      archive(sym('l', `${canary}/file`), file('l/x')),
      'applied',
      'invalid',
    ],
    [
      'a directory through a link',
      archive(sym('l', canary), dir('l/made', { mode: 0o777 })),
      'applied',
    ],
    [
      'a device through a link',
      archive(sym('l', canary), raw({ name: 'l/n', flag: '6' })),
      'applied',
    ],
    ['a link through a link', archive(sym('l', canary), sym('l/s', '/etc/shadow')), 'applied'],
    ['two links that climb', archive(sym('a', '..'), sym('b', 'a/..'), file('b/evil')), 'applied'],
    [
      'a link in a directory that climbs',
      archive(dir('d'), sym('d/up', '../..'), file('d/up/x')),
      'applied',
    ],
    [
      'a link to /proc/self/root',
      archive(sym('l', '/proc/self/root'), file('l/x')),
      'applied',
      'either',
    ],
    ['a link to a descriptor', archive(sym('l', '/proc/self/fd/0'), file('l')), 'applied'],
    [
      'a file over a link',
      archive(sym('l', `${canary}/file`), file('l', 'evil', { mode: 0o4777 })),
      'applied',
    ],
    [
      'attributes over a link',
      archive(sym('l', `${canary}/file`), attribute('user.evil', 'x'), file('l', 'evil')),
      'applied',
    ],
    [
      'a link over a link with an owner',
      archive(sym('l', canary), sym('l', canary, { uid: 99 })),
      'applied',
    ],
    ['a time over a link', archive(sym('l', `${canary}/file`, { mtime: 1 })), 'applied'],
    [
      'a directory over a link',
      archive(sym('l', canary), dir('l', { mode: 0o777, uid: 7 }), file('l/f')),
      'applied',
    ],
    [
      'a directory that becomes a link',
      archive(dir('d'), sym('d', canary), file('d/file')),
      'applied',
    ],
    [
      'a link that becomes a directory and a link',
      archive(sym('l', canary), dir('l'), sym('l', canary), file('l/file')),
      'applied',
    ],
    ['a hard link up', archive(hard('h', `${up}${canary.slice(1)}/file`)), 'invalid'],
    ['a hard link to an absolute file', archive(hard('h', `${canary}/file`)), 'invalid'],
    [
      'a hard link through a link',
      archive(sym('l', canary), hard('h', 'l/file')),
      'invalid',
      'applied',
    ],
    [
      'a hard link to a link',
      archive(sym('l', `${canary}/file`), hard('h', 'l'), raw({ name: 'l', flag: '2', link: 'x' })),
      'applied',
    ],
    [
      'a file over a hard link to a link',
      archive(sym('l', `${canary}/file`), hard('h', 'l'), file('h')),
      'applied',
    ],
    ['a hard link to itself', archive(hard('h', 'h')), 'invalid'],
    ['a hard link to the root', archive(hard('h', '/')), 'invalid'],
    ['a hard link to a directory', archive(dir('d'), hard('h', 'd')), 'invalid', 'denied'],
    ['a hard link below a file', archive(file('f'), hard('h', 'f/x')), 'invalid'],
    ['a hard link in a circle', archive(hard('a', 'b'), hard('b', 'a')), 'invalid'],
    ['a hard link without a target', archive(hard('h', '')), 'invalid'],
    ['a link to itself', archive(sym('l', 'l'), file('l/x')), 'invalid'],
    ['links in a circle', archive(sym('a', 'b'), sym('b', 'a'), file('a/x')), 'invalid'],
    ['41 links in a row', archive(...chain, dir('l41'), file('l0/x')), 'invalid'],
    ['a link without a target', archive(sym('l', '')), 'invalid'],
    ['a link of 4096 bytes', archive(gnuLong('K', 't'.repeat(4096)), sym('l', 'x')), 'invalid'],
    [
      'a link of slashes and dots',
      archive(sym('l', `${'/.'.repeat(40)}//..//..`), file('l/x')),
      'applied',
    ],
    ['a link with a line break', archive(sym('l', '/etc\n/passwd')), 'applied'],
  ];
}

/** Kinds of objects: what stands where, devices, set-id bits. */
function objects(canary: string): readonly Row[] {
  return [
    ['a file below a file', archive(file('f'), file('f/x')), 'invalid'],
    ['a file below a device', archive(raw({ name: 'n', flag: '6' }), file('n/x')), 'invalid'],
    [
      'a file over a full directory',
      archive(dir('d'), file('d/f'), file('d')),
      'applied',
      'invalid',
    ],
    [
      'a file a thousand times',
      archive(...Array.from({ length: 1000 }, () => file('f'))),
      'applied',
    ],
    [
      'a device of memory',
      archive(raw({ name: 'mem', flag: '3', mode: 0o666, major: 1, minor: 1 })),
      'applied',
    ],
    [
      'a device of a disk',
      archive(raw({ name: 'sda', flag: '4', mode: 0o666, major: 8, minor: 0 })),
      'applied',
    ],
    ['the device 0:0, a whiteout', archive(raw({ name: 'w', flag: '3' })), 'invalid', 'denied'],
    [
      'a device of no kernel',
      archive(raw({ name: 'n', flag: '3', patch: { 329: base256(0xffff_ffffn, 8) } })),
      'invalid',
    ],
    [
      'a device below zero',
      archive(raw({ name: 'n', flag: '4', patch: { 337: base256(-1n, 8) } })),
      'invalid',
    ],
    ['a pipe where passwd is', archive(raw({ name: 'etc/passwd', flag: '6' })), 'applied'],
    ['a link where passwd is', archive(sym('etc/passwd', '/etc/shadow')), 'applied'],
    [
      'a program with all set-id bits',
      archive(file('su', '#!', { mode: 0o7777, uid: 0 })),
      'applied',
    ],
    ['an object of an unknown type', archive(file('x', '', { flag: 'Z' })), 'corrupt'],
    [
      'a directory with data',
      archive(raw({ name: 'd', flag: '5', size: 512 }), file(`${canary}/f`)),
      'applied',
    ],
    [
      'a link with data',
      archive(raw({ name: 'l', flag: '2', link: 'x', size: 1024 }), file('y')),
      'applied',
    ],
    [
      'a hard link with data that is a header',
      archive(file('f'), raw({ name: 'h', flag: '1', link: 'f', size: 512 }), file('../evil')),
      'invalid',
    ],
    ['a user beyond all', archive(pax([['uid', '4294967295']]), file('f')), 'corrupt'],
    ['a group below zero', archive(file('f', 'x', { patch: { 116: base256(-5n, 8) } })), 'corrupt'],
    ['a time beyond all', archive(pax([['mtime', '999999999999999']]), file('f')), 'applied'],
  ];
}

/** Extended attributes that would mean something to the kernel or to the engine. */
function attributes(): readonly Row[] {
  const many = Array.from({ length: 257 }, (_, i) => [`SCHILY.xattr.user.a${i}`, 'x'] as const);
  return [
    [
      'overlayfs: an opaque mark',
      archive(attribute('trusted.overlay.opaque', 'y'), dir('d')),
      'applied',
    ],
    [
      'overlayfs: a redirect',
      archive(attribute('trusted.overlay.redirect', '/etc'), dir('d')),
      'applied',
    ],
    [
      'overlayfs: metacopy',
      archive(attribute('trusted.overlay.metacopy', ''), file('f')),
      'applied',
    ],
    [
      'overlayfs of users',
      archive(attribute('user.overlay.redirect', '/etc'), dir('d')),
      'applied',
    ],
    [
      'a label of a security module',
      archive(attribute('security.selinux', 'x:y:z'), file('f')),
      'applied',
    ],
    ['a signature of the kernel’s', archive(attribute('security.ima', 'x'), file('f')), 'applied'],
    ['an access list', archive(attribute('system.posix_acl_access', 'x'), file('f')), 'applied'],
    [
      'capabilities that are none',
      archive(attribute('security.capability', 'x'), file('f')),
      'invalid',
    ],
    [
      'an attribute of 64 KiB and one',
      archive(attribute('user.a', 'x'.repeat(65_537)), file('f')),
      'invalid',
    ],
    ['257 attributes', archive(pax(many), file('f')), 'invalid'],
    ['an attribute with a NUL', archive(attribute('user.a\0b', 'x'), file('f')), 'invalid'],
    [
      'an attribute with a long name',
      archive(attribute(`user.${'n'.repeat(300)}`, 'x'), file('f')),
      'invalid',
    ],
    ['attributes of a link', archive(attribute('user.a', 'x'), sym('l', '/etc/passwd')), 'applied'],
  ];
}

/** Names that mean something in a layer and nothing elsewhere. */
function whiteouts(canary: string): readonly Row[] {
  return [
    ['a whiteout of nothing', archive(file('.wh.', '')), 'invalid', 'applied'],
    ['a whiteout of .', archive(file('.wh..', '')), 'invalid', 'applied'],
    ['a whiteout of ..', archive(file('.wh...', '')), 'invalid', 'applied'],
    ['a file below a whiteout of ..', archive(file('.wh.../x', '')), 'invalid', 'applied'],
    ['a file below a whiteout', archive(file('.wh.a/b', '')), 'invalid', 'applied'],
    ['a whiteout that is a directory', archive(dir('.wh.a')), 'invalid', 'applied'],
    ['a whiteout that is a link', archive(sym('.wh.a', canary)), 'invalid', 'applied'],
    ['an opaque mark that is a directory', archive(dir('.wh..wh..opq')), 'invalid', 'applied'],
    ['a whiteout through a link', archive(sym('l', canary), file('l/.wh.file', '')), 'applied'],
    [
      'an opaque mark through a link',
      archive(sym('l', canary), file('l/.wh..wh..opq', '')),
      'applied',
    ],
    ['a whiteout of a whiteout', archive(file('.wh..wh.file', '')), 'applied'],
    [
      'bookkeeping of an old file system',
      archive(dir('.wh..wh.plnk'), file('.wh..wh.plnk/1.2', '')),
      'applied',
    ],
    ['a whiteout up', archive(file(`${up}.wh.etc`, '')), 'invalid'],
    ['a whiteout with data', archive(file('.wh.a', 'x'.repeat(600))), 'applied'],
  ];
}

/** Bytes that are no archive, or are two. */
function formats(): readonly Row[] {
  const whole = archive(file('f', 'x'.repeat(2000)));
  const cut = (bytes: number): Buffer => whole.subarray(0, bytes);
  const sized = (size: Buffer): Buffer => Buffer.concat([rawHeader({ name: 'f', size }), END]);
  const header = (content: Buffer | string): Buffer =>
    archive(raw({ name: 'x', flag: 'x' }, content), file('f'));
  const sparse = (realsize: string, map: string, data: string): Buffer =>
    archive(
      pax([
        ['GNU.sparse.realsize', realsize],
        ['GNU.sparse.map', map],
      ]),
      file('f', data),
    );
  return [
    ['a wrong checksum', archive(file('f', 'x', { checksumError: 1 })), 'corrupt'],
    ['a cut header', cut(300), 'corrupt'],
    ['cut data', cut(1500), 'corrupt'],
    ['a cut extended header', pax([['path', 'x'.repeat(2000)]]).subarray(0, 1000), 'corrupt'],
    ['a size below zero', sized(base256(-1n, 12)), 'corrupt'],
    ['a size of 2^63', sized(base256(2n ** 63n, 12)), 'corrupt'],
    ['a size of 2^50', sized(base256(2n ** 50n, 12)), 'exhausted'],
    ['a size that is text', archive(raw({ name: 'f', size: '12x4567\0' })), 'corrupt'],
    ['a record longer than its header', header('9999 path=evil\n'), 'corrupt'],
    ['a record of length 0', header('0 path=evil\n'), 'corrupt'],
    ['a record below zero', header('-5 path=evil\n'), 'corrupt'],
    ['a record without a key', header('8 =evil\n'), 'corrupt'],
    [
      'a record that hides another',
      header(Buffer.concat([record('comment', `x\n12 path=/e\n`), Buffer.from('7 path')])),
      'corrupt',
    ],
    ['a size of pax beyond the archive', archive(pax([['size', '99999']]), file('f')), 'corrupt'],
    ['a size of pax that is text', archive(pax([['size', '1e3']]), file('f')), 'corrupt'],
    ['a path for all that follow', archive(pax([['path', '../evil']], 'g'), file('f')), 'corrupt'],
    [
      'attributes for all that follow',
      archive(pax([['SCHILY.xattr.trusted.a', 'x']], 'g'), file('f')),
      'corrupt',
    ],
    ['an extended header and no more', pax([['path', 'f']]), 'corrupt'],
    ['an extended header before the end', archive(pax([['path', 'f']])), 'corrupt'],
    [
      'a block of zeros in the middle',
      archive(file('a'), Buffer.alloc(512), file('../evil')),
      'corrupt',
    ],
    [
      'a second archive behind the end',
      Buffer.concat([archive(file('a')), archive(file('../evil'))]),
      'applied',
    ],
    [
      'a sparse file with parts that overlap',
      sparse('100', '0,10,5,10', 'x'.repeat(20)),
      'corrupt',
    ],
    ['a sparse file larger than it is', sparse('5', '0,10', 'x'.repeat(10)), 'corrupt'],
    ['a sparse file with less data', sparse('100', '0,50', 'x'.repeat(10)), 'corrupt'],
    ['a sparse file with half a map', sparse('100', '0,50,60', 'x'.repeat(50)), 'corrupt'],
    ['text', Buffer.from('This is no archive. '.repeat(100)), 'corrupt'],
    [
      'an image of a disk',
      Buffer.concat([Buffer.alloc(446, 0x90), Buffer.from('55aa', 'hex'), Buffer.alloc(4096, 1)]),
      'corrupt',
    ],
    [
      'zeros and then a header',
      Buffer.concat([Buffer.alloc(4096), file('../evil'), END]),
      'applied',
    ],
  ];
}

/** Small archives that ask for a lot, refused by a limit before it is spent. */
function demands(): readonly Row[] {
  const huge = (flag: string): Buffer =>
    Buffer.concat([rawHeader({ name: 'x', flag, size: 2 ** 31 }), pad(Buffer.from('x'))]);
  const map = Buffer.concat([Buffer.from('70000\n'), Buffer.alloc(1018, '0\n')]);
  return [
    ['an extended header of 2 GiB', huge('x'), 'exhausted'],
    ['a global header of 2 GiB', huge('g'), 'exhausted'],
    ['a long name of 2 GiB', huge('L'), 'exhausted'],
    ['a long link of 2 GiB', huge('K'), 'exhausted'],
    [
      'an extended header of 1 MiB and one',
      archive(raw({ name: 'x', flag: 'x' }, Buffer.alloc(1024 * 1024 + 1, 'x')), file('f')),
      'exhausted',
    ],
    [
      'a sparse map of 70000 parts',
      archive(
        pax([
          ['GNU.sparse.major', '1'],
          ['GNU.sparse.minor', '0'],
          ['GNU.sparse.realsize', '100'],
        ]),
        raw({ name: 'f' }, map),
      ),
      'exhausted',
    ],
    [
      'a sparse file of 2^60 bytes',
      archive(
        pax([
          ['GNU.sparse.realsize', String(2 ** 50)],
          ['GNU.sparse.map', '0,1'],
        ]),
        raw({ name: 'f' }, 'x'),
      ),
      'exhausted',
    ],
    [
      'a hole of 1 TiB, which costs nothing',
      archive(
        pax([
          ['GNU.sparse.realsize', String(2 ** 40)],
          ['GNU.sparse.map', '0,1'],
        ]),
        raw({ name: 'f' }, 'x'),
      ),
      'applied',
    ],
  ];
}

/** All attacks on a directory `canary`, given as its absolute path. */
export function hostileArchives(canary: string): readonly HostileArchive[] {
  const rows = [
    ...paths(canary),
    ...links(canary),
    ...objects(canary),
    ...attributes(),
    ...whiteouts(canary),
    ...formats(),
    ...demands(),
  ];
  return rows.map(([name, tar, layer, copy = layer]) => ({ name, tar, layer, copy }));
}

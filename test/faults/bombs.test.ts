/**
 * F5: small things that want to become large, sent to a daemon: each is refused
 * in one sentence as the sender's mistake, costs bounded memory, gives all its
 * room back, and the daemon answers others all the while.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { archive, END, pax, raw, rawHeader } from '../fuzz/tar-raw.ts';
import { type Answer, DaemonFixture } from './daemon-fixture.ts';

const MIB = 1024 * 1024;
/** What a daemon may take for a bomb beyond what it takes idle, in bytes. */
const GROWTH_MAX = 160 * MIB;

/** How a bomb gets in. */
type Way = 'load' | 'import' | 'cp';

type Bomb = readonly [name: string, way: Way, status: number, message: RegExp, make: () => Buffer];

/** Compresses `part` once and repeats it: gigabytes in an instant. */
const repeated = (part: Buffer, count: number): Buffer => {
  const member = gzipSync(part, { level: 9 });
  return Buffer.concat(Array.from({ length: count }, () => member));
};
const named = (name: string, content: string): Buffer => archive(raw({ name }, content));
const hole = (name: string, bytes: number): Buffer =>
  archive(
    pax([
      ['GNU.sparse.realsize', String(bytes)],
      ['GNU.sparse.map', '0,1'],
    ]),
    raw({ name }, 'x'),
  );
const zeros = (bytes: number): Buffer => Buffer.alloc(bytes);
const deep = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;

/** A file of zeros, 30000 times smaller than it says. */
const DENSE = zstdCompressSync(
  Buffer.concat([rawHeader({ name: 'f', size: 256 * MIB }), Buffer.alloc(256 * MIB)]),
);
/** 2048 directories, 1 MiB. */
const MANY = Buffer.concat(Array.from({ length: 2048 }, () => rawHeader({ name: 'd', flag: '5' })));
/** A deletion in a directory with a path of 4000 bytes. */
const LONG = Buffer.concat([
  pax([['path', `${'d'.repeat(199)}/`.repeat(20) + '.wh.x']]),
  raw({ name: 'x' }),
]);
/** A link with a target of 4000 bytes. */
const FAR = Buffer.concat([
  pax([['linkpath', 'd/'.repeat(2000)]]),
  raw({ name: 'l', flag: '2', link: 'x' }),
]);

const BOMBS: readonly Bomb[] = [
  [
    'a layer that inflates 30000 times',
    'import',
    413,
    /inflates more than 1100 times/,
    () => DENSE,
  ],
  [
    'an image archive that inflates 30000 times',
    'load',
    413,
    /inflates more than 1100 times/,
    () => DENSE,
  ],
  [
    'an archive for cp that inflates 30000 times',
    'cp',
    413,
    /inflates more than 1100 times/,
    () => DENSE,
  ],
  [
    'a hole of 8 TiB in an image archive',
    'load',
    413,
    /holes of more than/,
    () => hole('f', 2 ** 43),
  ],
  ['a hole larger than any file', 'import', 413, /is larger than/, () => hole('f', 2 ** 50)],
  ['a hole larger than any file, by cp', 'cp', 413, /is larger than/, () => hole('f', 2 ** 50)],
  [
    'more files than an image archive has',
    'load',
    413,
    /more than 100000 entries/,
    () => repeated(MANY, 50),
  ],
  [
    'names of 150 MiB in a layer',
    'import',
    413,
    /names in it need more than/,
    () => repeated(Buffer.concat(Array.from({ length: 200 }, () => LONG)), 175),
  ],
  [
    'names of 20 MiB in an image archive',
    'load',
    413,
    /names in it need more than/,
    () => repeated(Buffer.concat(Array.from({ length: 200 }, () => FAR)), 25),
  ],
  [
    'an extended header of 2 GiB',
    'import',
    413,
    /extended header of 2147483648 bytes is above the limit/,
    () => Buffer.concat([rawHeader({ name: 'x', flag: 'x', size: 2 ** 31 }), zeros(4096)]),
  ],
  [
    'gzip in gzip in gzip',
    'load',
    400,
    /checksum|truncated/,
    () => gzipSync(gzipSync(gzipSync(named('manifest.json', '[]')))),
  ],
  [
    'a zstd window of 2 GiB',
    'load',
    400,
    /zstd stream is damaged/,
    () => Buffer.from('28b52ffd00a8000000', 'hex'),
  ],
  [
    'a manifest.json of 5 MiB',
    'load',
    413,
    /the limit is/,
    () => named('manifest.json', `[${' '.repeat(5 * MIB)}]`),
  ],
  [
    'a manifest.json nested 100000 times',
    'load',
    400,
    /nested too deeply|not an object|not JSON/,
    () => named('manifest.json', deep(100_000)),
  ],
  [
    'a manifest.json of 60000 images',
    'load',
    413,
    /at most 1000/,
    () =>
      named(
        'manifest.json',
        `[${Array.from({ length: 60_000 }, () => '{"Config":"c","Layers":[]}').join(',')}]`,
      ),
  ],
  [
    'an index.json of 9000 images',
    'load',
    413,
    /at most 1000/,
    () => {
      const item = `{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:${'0'.repeat(64)}","size":9}`;
      const manifests = Array.from({ length: 9000 }, () => item).join(',');
      return archive(
        raw({ name: 'oci-layout' }, '{"imageLayoutVersion":"1.0.0"}'),
        raw({ name: 'index.json' }, `{"schemaVersion":2,"manifests":[${manifests}]}`),
      );
    },
  ],
  [
    'ten thousand empty members and no archive',
    'load',
    400,
    /neither manifest\.json nor an OCI layout|truncated/,
    () => repeated(Buffer.alloc(0), 10_000),
  ],
  [
    'two thousand files and no image',
    'load',
    400,
    /neither manifest\.json nor an OCI layout/,
    () =>
      archive(...Array.from({ length: 2000 }, (_, i) => raw({ name: `f${i}` }, `content ${i}`))),
  ],
  [
    'an archive of zeros without end',
    'load',
    400,
    /neither/,
    () => Buffer.concat([END, zeros(8 * MIB)]),
  ],
];

const PATHS: Readonly<Record<Way, readonly [method: string, path: string]>> = {
  load: ['POST', '/images/load'],
  import: ['POST', '/images/create?fromSrc=-&repo=bomb'],
  cp: ['PUT', '/containers/target/archive?path=/'],
};

test('F5: bombs are refused in a sentence, in bounded memory, and leave nothing', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'carve-bombs-'));
  mkdirSync(join(folder, 'disk'));
  // Memory of another account: its use tells exactly what was given back.
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512m', 'tmpfs', join(folder, 'disk')]);
  t.after(() => {
    execFileSync('umount', ['-l', join(folder, 'disk')]);
    rmSync(folder, { recursive: true, force: true });
  });
  const options = { root: join(folder, 'disk/root'), wrapper: ['prlimit', '--nofile=512'] };
  await using daemon = new DaemonFixture(options);
  await daemon.start(options);
  await daemon.importBusybox();
  await daemon.create('target', ['sleep', '1000']);
  assert.ok(BOMBS.length >= 12);
  for (const [name, way, status, message, make] of BOMBS) {
    const bytes = make();
    assert.ok(bytes.length < 16 * MIB, `${name}: ${bytes.length} bytes are no small bomb`);
    const before = await settledUse(daemon, folder);
    const idleBytes = residentBytes(daemon.pid, 'VmRSS');
    // From now on the peak is this bomb's.
    writeFileSync(`/proc/${daemon.pid}/clear_refs`, '5');
    const [method, path] = PATHS[way];
    const [answer, pings] = await whilePinging(daemon, daemon.api(method, path, bytes));
    checkRefusal(name, answer, { status, message });
    assert.ok(pings > 0, `${name}: nobody else was answered`);
    const growth = residentBytes(daemon.pid, 'VmHWM') - idleBytes;
    assert.ok(growth < GROWTH_MAX, `${name}: ${Math.round(growth / MIB)} MiB`);
    // What cp wrote before it met the bomb is the container's, as with any archive that is cut.
    if (way !== 'cp')
      assert.deepEqual(await settledUse(daemon, folder), before, `${name}: left something`);
  }
  assert.ok(daemon.isAlive());
});

/** A status, or the last words of a stream that had begun. */
function checkRefusal(
  name: string,
  { status, text }: Answer,
  expected: { readonly status: number; readonly message: RegExp },
): void {
  const hasBegun = status === 200;
  if (!hasBegun) assert.equal(status, expected.status, `${name}: ${text}`);
  const last = hasBegun ? (text.trim().split('\r\n').at(-1) ?? '') : text;
  const { message = '', error = '' } = JSON.parse(last) as { message?: string; error?: string };
  const words = message === '' ? error : message;
  assert.match(words, expected.message, name);
  assert.match(words, /^[A-Z][^\n]{10,400}$/, name);
}

/** The answer, and how many others were answered meanwhile. */
async function whilePinging(
  daemon: DaemonFixture,
  work: Promise<Answer>,
): Promise<readonly [answer: Answer, pings: number]> {
  let pings = 0;
  const state = { isDone: false };
  const answer = work.finally(() => (state.isDone = true));
  do {
    const { status } = await daemon.api('GET', '/_ping');
    assert.equal(status, 200);
    pings++;
    // The bomb is to have the machine, not the questions.
    await new Promise((resolve) => setTimeout(resolve, 20));
  } while (!state.isDone);
  return [await answer, pings];
}

/** What the daemon stores: images, and everything on its disk but its database and what it prepares. */
async function settledUse(daemon: DaemonFixture, folder: string): Promise<readonly unknown[]> {
  const { json } = await daemon.api('GET', '/images/json?all=1');
  const names = [
    '-not',
    '-name',
    'state.db*',
    '-not',
    '-path',
    '*/spare/*',
    '-printf',
    '%P %y %b\\n',
  ];
  const found = execFileSync('find', [join(folder, 'disk'), ...names], { encoding: 'utf8' });
  return [json, ...found.split('\n').toSorted()];
}

function residentBytes(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${field}:\\s*(\\d+) kB`, 'm').exec(status)?.[1]) * 1024;
}

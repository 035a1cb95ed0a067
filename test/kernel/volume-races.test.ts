/**
 * Volumes while somebody changes them (rows R25, F8 and F12 of the security
 * matrix), on a full disk, and many at once: what is outside of a volume is
 * never read, copied, mounted or changed.
 */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { EngineFixture, openFixture } from './engine-fixture.ts';
import { compileFlipper, flip } from './flipper.ts';

const SECRET = 'a secret of the host\n';
/** A slow machine does fewer rounds. */
const ROW_MS = 2500;

/** What the files below a directory say; no link is followed. */
function textsOf(directory: string): string {
  const find = ['-P', directory, '-type', 'f', '-exec', 'cat', '{}', '+'];
  return execFileSync('find', find, { encoding: 'utf8' });
}

/** All bytes: a tar holds its files as they are. */
async function textOf(stream: AsyncIterable<unknown>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks).toString('latin1');
}

test('a volume whose directories become links while it is cloned, exported and mounted', async () => {
  await using fixture = await openFixture();
  const { volumes } = fixture.engine;
  await volumes.create({ Name: 'data' });
  const data = `${fixture.directory}/root/volumes/data/_data`;
  const canary = `${fixture.directory}/canary`;
  for (const path of [canary, `${data}/x`]) mkdirSync(path);
  writeFileSync(`${canary}/secret`, SECRET);
  writeFileSync(`${data}/x/mine`, 'mine');
  symlinkSync(canary, `${data}/y`);
  const before = textsOf(canary);
  const flipper = await flip(compileFlipper(fixture.directory), `${data}/x`, `${data}/y`);
  try {
    const endMs = performance.now() + ROW_MS;
    for (let round = 0; round < 40 && performance.now() < endMs; round++) {
      const clone = await volumes
        .clone('data', { Name: `copy${round}` })
        .catch((error: unknown) => assert.match(String(error), /changed while it was copied/));
      if (clone !== undefined) {
        assert.equal(textsOf(clone.Mountpoint).includes(SECRET), false);
        await volumes.remove(clone.Name, { force: false });
      }
      const text = await volumes
        .export('data')
        .then(async (stream) => textOf(stream))
        .catch((error: unknown) => {
          assert.match(String(error), /changed while it was read/);
          return '';
        });
      assert.equal(text.includes(SECRET), false);
      const mount = { Type: 'volume', Source: 'data', Target: '/m' } as const;
      const Mounts = [{ ...mount, VolumeOptions: { Subpath: 'x' } }];
      const ran = await fixture
        .run({ Cmd: ['sh', '-c', 'ls /m; touch /m/made'] }, { Mounts })
        .catch((error: unknown) => ({ stdout: String(error) }));
      assert.match(ran.stdout, /^(made\n)?(mine\n)|"x"/, 'the volume, or one sentence');
      assert.equal(ran.stdout.includes('secret'), false);
    }
  } finally {
    flipper.kill('SIGKILL');
  }
  assert.equal(textsOf(canary), before);
});

test('holes, attributes and deep trees are copied as they are', async () => {
  await using fixture = await openFixture();
  const { volumes } = fixture.engine;
  const { Mountpoint: data } = await volumes.create({ Name: 'data' });
  execFileSync('truncate', ['-s', '64M', `${data}/sparse`]);
  execFileSync('setfattr', ['-n', 'trusted.overlay.opaque', '-v', 'y', data]);
  execFileSync('setfattr', ['-n', 'user.mine', '-v', 'x', `${data}/sparse`]);
  execFileSync('mknod', [`${data}/whiteout`, 'c', '0', '0']);
  const deep = Array.from({ length: 300 }, () => 'd').join('/');
  mkdirSync(`${data}/${deep}`, { recursive: true });
  const { Mountpoint: copy } = await volumes.clone('data', { Name: 'copy' });
  const sparse = statSync(`${copy}/sparse`);
  assert.deepEqual([sparse.size, sparse.blocks < 64], [64 * 2 ** 20, true]);
  const attribute = (path: string, name: string): string =>
    execFileSync('getfattr', ['--only-values', '-n', name, path]).toString();
  assert.equal(attribute(copy, 'trusted.overlay.opaque'), 'y');
  assert.equal(attribute(`${copy}/sparse`, 'user.mine'), 'x');
  assert.equal(statSync(`${copy}/whiteout`).isCharacterDevice(), true);
  assert.equal(statSync(`${copy}/${deep}`).isDirectory(), true);
});

test('on a full disk a copy is refused in a sentence, and nothing of it is left', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'carve-full-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', directory]);
  try {
    await using fixture = new EngineFixture({
      directory: `${directory}/engine`,
      engineId: randomBytes(16).toString('hex'),
    });
    const { volumes } = await fixture.open();
    const { Mountpoint } = await volumes.create({ Name: 'data' });
    writeFileSync(`${Mountpoint}/big`, randomBytes(14 * 2 ** 20));
    const full = /no space is left on the disk/;
    await assert.rejects(volumes.clone('data', { Name: 'copy' }), full);
    await assert.rejects(volumes.snapshot('data', {}), full);
    await assert.rejects(volumes.import({ Name: 'back' }, await volumes.export('data')), full);
    assert.deepEqual(
      (await volumes.list({})).map(({ Name }) => Name),
      ['data'],
    );
    await volumes.remove('data', { force: false });
    await fixture.close();
    assert.deepEqual(readdirSync(`${directory}/engine/root/volumes`), []);
  } finally {
    execFileSync('umount', ['-l', directory]);
    rmSync(directory, { recursive: true });
  }
});

test('many containers at once, each with volumes of its own and one of all', async () => {
  await using fixture = await openFixture();
  const count = 12;
  const ids = await Promise.all(
    Array.from({ length: count }, async () =>
      fixture.create({ Volumes: { '/seed': {} } }, { Binds: ['shared:/seed/sub'] }),
    ),
  );
  const volumes = await fixture.engine.volumes.list({});
  assert.equal(volumes.length, count + 1);
  for (const { Name, Mountpoint } of volumes) {
    const expected = Name === 'shared' ? ['same'] : ['a', 'link', 'sub'];
    assert.deepEqual(readdirSync(Mountpoint).toSorted(), expected, Name);
  }
  await Promise.all(
    ids.map(async (id) => fixture.engine.containers.remove(id, { force: true, volumes: true })),
  );
  assert.deepEqual(
    (await fixture.engine.volumes.list({})).map(({ Name }) => Name),
    ['shared'],
  );
  assert.deepEqual(readdirSync(`${fixture.directory}/run/held`), []);
});

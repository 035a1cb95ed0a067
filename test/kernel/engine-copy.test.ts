import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { readTar } from '../../src/layers/tar-stream.ts';
import { encodeTar } from '../../src/layers/tar-write.ts';
import { goFileMode } from '../../src/spec/docker/archive.ts';
import { type EngineFixture, openFixture } from './engine-fixture.ts';

type TarInput = Parameters<typeof encodeTar>[0];

const PLAIN: { readonly keepKinds: boolean; readonly ownByUser: boolean } = {
  keepKinds: false,
  ownByUser: false,
};
const OWNER = 'app';

/** `name mode uid:gid content|-> target`, one line each. */
async function listTar(stream: Readable): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const { entry, body } of readTar(stream)) {
    const chunks: Buffer[] = [];
    for await (const chunk of body) chunks.push(Buffer.from(chunk));
    const rest =
      entry.linkPath === '' ? Buffer.concat(chunks).toString() : `${entry.type} ${entry.linkPath}`;
    lines.push(`${entry.path} ${entry.mode.toString(8)} ${entry.uid}:${entry.gid} ${rest}`.trim());
  }
  return lines;
}

async function readOut(
  fixture: EngineFixture,
  ref: string,
  path: string,
): Promise<readonly string[]> {
  return listTar((await fixture.engine.containers.readArchive(ref, path)).archive);
}

async function writeIn(
  fixture: EngineFixture,
  where: { readonly ref: string; readonly path: string; readonly options?: Partial<typeof PLAIN> },
  entries: TarInput,
): Promise<void> {
  const { ref, path, options = {} } = where;
  const archive = Readable.from([encodeTar(entries)]);
  await fixture.engine.containers.writeArchive(ref, path, archive, { ...PLAIN, ...options });
}

/** A container whose files are looked at, once running and once not. */
async function both(
  look: (fixture: EngineFixture, id: string, state: string) => Promise<void>,
): Promise<void> {
  await using fixture = await openFixture();
  mkdirSync(`${fixture.directory}/bound`);
  for (const state of ['running', 'stopped', 'created']) {
    const id = await fixture.create(
      {
        Cmd: ['sh', '-c', SETUP],
        User: '0',
      },
      { Binds: [`${fixture.directory}/bound:/mnt/bound`, 'data:/data'] },
    );
    if (state !== 'created') {
      await fixture.engine.containers.start(id);
      await untilReady(fixture, id);
    }
    if (state === 'stopped') await fixture.engine.containers.kill(id, 'KILL');
    await look(fixture, id, state);
    await fixture.engine.containers.remove(id, { force: true, volumes: true });
  }
  await fixture.close();
  assert.deepEqual(readdirSync(`${fixture.directory}/run/held`, { encoding: 'utf8' }).length, 0);
}

const SETUP = [
  'mkdir -p /work/sub',
  'echo one > /work/a',
  'echo two > /work/sub/b',
  'ln -s a /work/link',
  'ln /work/a /work/hard',
  'ln -s /nowhere /work/dangling',
  'ln -s /work/sub /work/dirlink',
  'chown 5:6 /work/sub/b',
  'chmod 4750 /work/sub/b',
  'echo bound > /mnt/bound/f',
  'echo data > /data/f',
  'touch /work/ready',
  'sleep 1000',
].join('; ');

async function untilReady(fixture: EngineFixture, id: string): Promise<void> {
  for (;;) {
    const found = await fixture.engine.containers
      .statPath(id, '/work/ready')
      .catch(() => undefined);
    if (found !== undefined) return;
  }
}

test('what is at a path: kinds, links, names, and what is not there', async () => {
  await both(async (fixture, id, state) => {
    const { containers } = fixture.engine;
    const root = await containers.statPath(id, '/');
    assert.deepEqual([root.name, root.mode >= goFileMode.directory], ['/', true]);
    await assert.rejects(containers.statPath(id, '/no/such'), {
      kind: 'not-found',
      message: `Could not find the file /no/such in container ${id}`,
    });
    await assert.rejects(containers.statPath('nobody', '/'), { kind: 'not-found' });
    if (state === 'created') return;
    const file = await containers.statPath(id, 'work/a');
    assert.deepEqual([file.name, file.size, file.mode, file.linkTarget], ['a', 4, 0o644, '']);
    assert.match(file.mtime, /^20\d\d-\d\d-\d\dT.*Z$/);
    const link = await containers.statPath(id, '/work/link');
    assert.deepEqual(
      [link.name, link.size, link.mode, link.linkTarget],
      ['link', 1, goFileMode.symlink + 0o777, '/work/a'],
    );
    assert.equal((await containers.statPath(id, '/work/dangling')).linkTarget, '/nowhere');
    assert.equal((await containers.statPath(id, '/work/dirlink')).linkTarget, '/work/sub');
    const behind = await containers.statPath(id, '/work/dirlink/.');
    assert.deepEqual([behind.name, behind.linkTarget], ['.', '']);
    const special = await containers.statPath(id, '/work/sub/../sub/b');
    assert.equal(special.mode, goFileMode.setuid + 0o750);
    await assert.rejects(containers.statPath(id, '/work/a/'), { kind: 'not-found' });
    assert.equal((await containers.statPath(id, '/mnt/bound/f')).size, 6);
    assert.equal((await containers.statPath(id, '/data/f')).size, 5);
  });
});

test('files go out under the name that was asked for', async () => {
  await both(async (fixture, id, state) => {
    if (state === 'created') {
      assert.deepEqual(await readOut(fixture, id, '/etc/group'), [
        'group 644 0:0 root:x:0:\napp:x:1000:',
      ]);
      return;
    }
    assert.deepEqual(await readOut(fixture, id, '/work/a'), ['a 644 0:0 one']);
    assert.deepEqual(await readOut(fixture, id, '/work/link'), ['link 777 0:0 symlink a']);
    assert.deepEqual(await readOut(fixture, id, '/work/dirlink/'), [
      'dirlink/ 755 0:0',
      'dirlink/b 4750 5:6 two',
    ]);
    const tree = [
      'a 644 0:0 one',
      'dangling 777 0:0 symlink /nowhere',
      'dirlink 777 0:0 symlink /work/sub',
      'hard 644 0:0 hardlink work/a',
      'link 777 0:0 symlink a',
      'ready 644 0:0',
      'sub/ 755 0:0',
      'sub/b 4750 5:6 two',
    ];
    assert.deepEqual(await readOut(fixture, id, '/work'), [
      'work/ 755 0:0',
      ...tree.map((line) => `work/${line}`),
    ]);
    assert.deepEqual(await readOut(fixture, id, '/work/.'), [
      './ 755 0:0',
      ...tree.map((line) => `./${line.replace('hardlink work/', 'hardlink ./')}`),
    ]);
    assert.deepEqual(await readOut(fixture, id, '/data'), ['data/ 755 0:0', 'data/f 644 0:0 data']);
    const all = await readOut(fixture, id, '/');
    assert.ok(all.includes('./mnt/bound/f 644 0:0 bound'), 'a bind is seen');
    assert.ok(all.some((line) => line.startsWith('./proc/ ')));
    assert.deepEqual(
      all.filter((line) => /^\.\/(?:proc|sys)\/[^ ]/.test(line)),
      [],
    );
  });
});

test('files come in: replaced, with owners, modes and missing parents', async () => {
  await both(async (fixture, id, state) => {
    const { containers } = fixture.engine;
    await writeIn(fixture, { ref: id, path: '/etc' }, [
      { type: 'directory', path: 'new', mode: 0o750, uid: 7, gid: 8, mtimeS: 1_000_000_000 },
      { type: 'file', path: 'new/f', mode: 0o4711, uid: 9, gid: 10, content: 'hello' },
      { type: 'symlink', path: 'new/l', linkPath: 'f' },
      { type: 'hardlink', path: 'new/h', linkPath: 'new/f' },
      { type: 'file', path: 'implied/deep/f', mode: 0o600, content: 'x'.repeat(700_000) },
      { type: 'file', path: '/passwd', mode: 0o644, content: 'root:x:0:0::/:/bin/sh\n' },
      { type: 'fifo', path: 'pipe', mode: 0o644 },
    ]);
    assert.deepEqual(await readOut(fixture, id, '/etc/new'), [
      'new/ 750 7:8',
      'new/f 4711 9:10 hello',
      'new/h 4711 9:10 hardlink new/f',
      'new/l 777 0:0 symlink f',
    ]);
    assert.equal((await containers.statPath(id, '/etc/new')).mtime, '2001-09-09T01:46:40Z');
    assert.equal((await containers.statPath(id, '/etc/implied/deep/f')).size, 700_000);
    assert.equal(
      (await containers.statPath(id, '/etc/implied')).mode,
      goFileMode.directory + 0o755,
    );
    assert.equal((await containers.statPath(id, '/etc/pipe')).mode, goFileMode.pipe + 0o644);
    assert.deepEqual(await readOut(fixture, id, '/etc/passwd'), [
      'passwd 644 0:0 root:x:0:0::/:/bin/sh',
    ]);
    // A volume and a bind get what belongs to them, not the directory below.
    await writeIn(fixture, { ref: id, path: '/' }, [
      { type: 'file', path: 'mnt/bound/in', mode: 0o644, content: state },
      { type: 'file', path: 'data/in', mode: 0o644, content: state },
    ]);
    assert.equal(readFileSync(`${fixture.directory}/bound/in`, 'utf8'), state);
    assert.deepEqual(await readOut(fixture, id, '/data/in'), [`in 644 0:0 ${state}`]);
    if (state !== 'running') {
      // What came in is what the container sees.
      await containers.start(id);
      assert.deepEqual(await readOut(fixture, id, '/etc/new/f'), ['f 4711 9:10 hello']);
    }
  });
});

test('an archive may be packed, and belong to the container’s user', async () => {
  await using fixture = await openFixture();
  const id = await fixture.create({ Cmd: ['sleep', '100'], User: OWNER });
  const { containers } = fixture.engine;
  const tar = encodeTar([
    { type: 'file', path: 'f', mode: 0o644, uid: 5, gid: 5, content: 'packed' },
  ]);
  await containers.writeArchive(id, '/home', Readable.from([gzipSync(tar)]), {
    ...PLAIN,
    ownByUser: true,
  });
  assert.deepEqual(await readOut(fixture, id, '/home/f'), ['f 644 1000:1000 packed']);
});

test('F7: links in the container lead inside the container', async () => {
  await using fixture = await openFixture();
  const outside = `${fixture.directory}/outside`;
  mkdirSync(outside);
  writeFileSync(`${outside}/secret`, 'secret');
  const { containers } = fixture.engine;
  for (const isRunning of [true, false]) {
    const id = await fixture.create({ Cmd: ['sleep', '1000'] });
    if (isRunning) await containers.start(id);
    await writeIn(fixture, { ref: id, path: '/' }, [
      { type: 'symlink', path: 'up', linkPath: `../../../../../..${outside}` },
      { type: 'symlink', path: 'abs', linkPath: outside },
      { type: 'symlink', path: 'proc-root', linkPath: '/proc/1/root' },
    ]);
    for (const path of ['/up/secret', '/abs/secret', '/up/', '/abs/.']) {
      await assert.rejects(containers.statPath(id, path), { kind: 'not-found' }, path);
      await assert.rejects(containers.readArchive(id, path), { kind: 'not-found' }, path);
    }
    await assert.rejects(writeIn(fixture, { ref: id, path: '/up' }, []), { kind: 'not-found' });
    // Through a parent: made inside, where the link would lead.
    await writeIn(fixture, { ref: id, path: '/' }, [
      { type: 'file', path: 'abs/planted', content: 'x' },
    ]);
    assert.deepEqual(readdirSync(outside), ['secret']);
    assert.equal((await containers.statPath(id, `${outside}/planted`)).size, 1);
    // A link as the last component is replaced, not written through.
    await writeIn(fixture, { ref: id, path: '/' }, [{ type: 'file', path: 'up', content: 'file' }]);
    assert.equal((await containers.statPath(id, '/up')).size, 4);
    for (const path of ['../x', 'a/../../x']) {
      await assert.rejects(
        writeIn(fixture, { ref: id, path: '/' }, [{ type: 'file', path, content: 'x' }]),
        { kind: 'invalid', message: /Cannot extract archive: .* leads out of its directory/ },
      );
    }
  }
});

test('F7: a path that changes while it is used leads nowhere else', async () => {
  await using fixture = await openFixture();
  const outside = `${fixture.directory}/outside`;
  mkdirSync(outside);
  writeFileSync(`${outside}/f`, 'secret');
  const { containers } = fixture.engine;
  const flip = `rm -rf /x; while :; do mkdir /x; echo own > /x/f; rm -r /x; ln -s ${outside} /x; rm /x; done`;
  const id = await fixture.create({ Cmd: ['sh', '-c', flip] });
  await containers.start(id);
  const until = Date.now() + 2000;
  let found = 0;
  while (Date.now() < until) {
    const out = await readOut(fixture, id, '/x/f').catch(() => []);
    const dir = await readOut(fixture, id, '/x/.').catch(() => []);
    found += out.length;
    assert.doesNotMatch([...out, ...dir].join('\n'), /secret/);
    const planted = [{ type: 'file', path: 'x/f', mode: 0o644, content: 'planted' }] as const;
    await writeIn(fixture, { ref: id, path: '/' }, planted).catch(() => undefined);
    await writeIn(fixture, { ref: id, path: '/x' }, [
      { type: 'file', path: 'f', content: 'p' },
    ]).catch(() => undefined);
  }
  assert.ok(found > 0, 'the file was there now and then');
  assert.deepEqual(readdirSync(outside), ['f']);
  assert.equal(readFileSync(`${outside}/f`, 'utf8'), 'secret');
});

test('directories and other kinds replace each other only when that is wanted', async () => {
  await using fixture = await openFixture();
  const id = await fixture.create({ Cmd: ['sleep', '1000'] });
  const where = { ref: id, path: '/tmp' };
  const keep = { ...where, options: { keepKinds: true } } as const;
  await writeIn(fixture, where, [
    { type: 'directory', path: 'd', mode: 0o755 },
    { type: 'file', path: 'f', content: 'x' },
  ]);
  await assert.rejects(writeIn(fixture, keep, [{ type: 'file', path: 'd', content: 'x' }]), {
    kind: 'invalid',
    message: 'cannot overwrite directory "/tmp/d" with non-directory "d"',
  });
  await assert.rejects(writeIn(fixture, keep, [{ type: 'directory', path: 'f' }]), {
    kind: 'invalid',
    message: 'cannot overwrite non-directory "/tmp/f" with directory "f"',
  });
  await writeIn(fixture, keep, [
    { type: 'file', path: 'f', mode: 0o644, content: 'y' },
    { type: 'directory', path: 'd', mode: 0o700 },
  ]);
  await writeIn(fixture, where, [
    { type: 'file', path: 'd', mode: 0o644, content: 'file' },
    { type: 'directory', path: 'f', mode: 0o700 },
  ]);
  assert.deepEqual(await readOut(fixture, id, '/tmp/d'), ['d 644 0:0 file']);
  assert.deepEqual(await readOut(fixture, id, '/tmp/f'), ['f/ 700 0:0']);
});

test('what is no directory, missing or read-only is refused in Docker’s words', async () => {
  await using fixture = await openFixture();
  mkdirSync(`${fixture.directory}/bound`);
  const file = [{ type: 'file', path: 'f', content: 'x' }] as const;
  for (const isRunning of [true, false]) {
    const id = await fixture.create(
      { Cmd: ['sleep', '1000'] },
      { ReadonlyRootfs: true, Binds: [`${fixture.directory}/bound:/mnt:ro`] },
    );
    if (isRunning) await fixture.engine.containers.start(id);
    const refused = async (path: string, expected: object): Promise<void> =>
      assert.rejects(writeIn(fixture, { ref: id, path }, file), expected, path);
    await refused('/etc/passwd', {
      kind: 'invalid',
      message: 'extraction point is not a directory',
    });
    await refused('/no/such', {
      kind: 'not-found',
      message: `Could not find the file /no/such in container ${id}`,
    });
    await refused('/etc', { kind: 'invalid', message: 'container rootfs is marked read-only' });
    await refused('/mnt', { kind: 'invalid', message: 'mounted volume is marked read-only' });
  }
  const broken = await fixture.create({ Cmd: ['true'] });
  await assert.rejects(
    fixture.engine.containers.writeArchive(
      broken,
      '/',
      Readable.from([Buffer.alloc(700, 'x')]),
      PLAIN,
    ),
    { kind: 'corrupt' },
  );
});

test('reading a stopped container writes nothing, and does not hinder its start', async () => {
  await using fixture = await openFixture();
  const { containers } = fixture.engine;
  const id = await fixture.create({ Cmd: ['sleep', '1000'] }, { Binds: ['data:/brand/new'] });
  const { archive } = await containers.readArchive(id, '/etc');
  await containers.start(id);
  assert.equal((await containers.inspect(id)).State.Status, 'running');
  assert.ok(
    (await listTar(archive)).includes(
      'etc/passwd 644 0:0 root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh',
    ),
  );
  const other = await fixture.create({ Cmd: ['true'] }, { Binds: ['data:/brand/new'] });
  const upper = `${fixture.directory}/root/snapshots/snapshots`;
  const before = readdirSync(upper, { recursive: true }).length;
  await containers.statPath(other, '/brand/new');
  assert.equal(readdirSync(upper, { recursive: true }).length, before);
});

test('a copy that is given up leaves nobody behind', async () => {
  await using fixture = await openFixture();
  const { containers } = fixture.engine;
  const id = await fixture.create({ Cmd: ['true'] });
  const { archive } = await containers.readArchive(id, '/');
  archive.destroy();
  const gone = new AbortController();
  const stuck = new Readable({ read: () => undefined });
  const writing = containers.writeArchive(id, '/', stuck, { ...PLAIN, signal: gone.signal });
  gone.abort();
  await assert.rejects(writing, { kind: 'cancelled' });
  stuck.destroy();
  // The lock is free again.
  await containers.start(id);
  await containers.wait(id, 'not-running').result;
  await fixture.close();
  assert.ok(statSync(`${fixture.directory}/run`).isDirectory());
  assert.deepEqual(readdirSync(`${fixture.directory}/run/held`), []);
});

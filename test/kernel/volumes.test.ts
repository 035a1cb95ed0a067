import assert from 'node:assert/strict';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { test } from 'node:test';
import type { EngineEvent } from '../../src/spec/docker/system.ts';
import type { HostConfig, Mount } from '../../src/spec/docker/container.ts';
import { readTar } from '../../src/layers/tar-stream.ts';
import { EngineFixture, openFixture } from './engine-fixture.ts';

/** Runs a shell line; its output, and that it went well. */
async function sh(fixture: EngineFixture, line: string, host: HostConfig = {}): Promise<string> {
  const { code, stdout, stderr } = await fixture.run({ Cmd: ['sh', '-c', line] }, host);
  assert.equal(code, 0, `${line}: ${stdout}${stderr}`);
  return stdout;
}

function mountpointOf(fixture: EngineFixture, name: string): string {
  return `${fixture.directory}/root/volumes/${name}/_data`;
}

function namesIn(directory: string): readonly string[] {
  return readdirSync(directory).toSorted();
}

/** `name mode uid:gid`, sorted. */
function look(directory: string): readonly string[] {
  return readdirSync(directory)
    .toSorted()
    .map((name) => {
      const { mode, uid, gid } = lstatSync(`${directory}/${name}`);
      return `${name} ${(mode & 0o7777).toString(8)} ${uid}:${gid}`;
    });
}

async function events(
  fixture: EngineFixture,
  work: () => Promise<void>,
): Promise<readonly string[]> {
  const seen: EngineEvent[] = [];
  const ended = new AbortController();
  const stream = fixture.engine.system.events({
    filters: { type: ['volume'] },
    signal: ended.signal,
  });
  const reading = (async () => {
    for await (const event of stream) seen.push(event);
  })();
  await new Promise((resolve) => setImmediate(resolve));
  await work();
  ended.abort();
  await reading;
  return seen.map(({ Action, Actor }) => `${Action} ${Actor.ID}`);
}

test('a new volume gets what the image has, with owners, modes, links; later ones keep theirs', async () => {
  await using fixture = await openFixture();
  await fixture.create({}, { Binds: ['data:/seed'] });
  const data = mountpointOf(fixture, 'data');
  assert.deepEqual(look(data), ['a 4711 5:6', `link 777 0:0`, 'sub 755 0:0']);
  assert.equal(readlinkSync(`${data}/link`), '/etc/passwd');
  assert.equal(statSync(`${data}/a`).ino, statSync(`${data}/sub/same`).ino);
  const { mode, uid, gid } = statSync(data);
  assert.deepEqual([(mode & 0o7777).toString(8), uid, gid], ['2750', 7, 8]);
  assert.equal(await sh(fixture, 'echo two > /d/a; rm /d/link', { Binds: ['data:/d'] }), '');
  assert.equal(
    await sh(fixture, 'cat /seed/a; ls /seed', { Binds: ['data:/seed'] }),
    'two\na\nsub\n',
  );
});

test('an empty volume is filled where it is; nocopy, subpath, volumes-from and full ones are not', async () => {
  await using fixture = await openFixture();
  const { volumes } = fixture.engine;
  for (const Name of ['empty', 'none', 'full']) await volumes.create({ Name });
  writeFileSync(`${mountpointOf(fixture, 'full')}/mine`, '');
  const before = statSync(mountpointOf(fixture, 'empty')).ino;
  const first = await fixture.create({}, { Binds: ['empty:/seed', 'none:/seed/sub:nocopy'] });
  await fixture.create({}, { Binds: ['full:/seed'] });
  await fixture.create({}, { VolumesFrom: [first] });
  assert.equal(statSync(mountpointOf(fixture, 'empty')).ino, before, 'who has it mounted sees it');
  assert.deepEqual(namesIn(mountpointOf(fixture, 'empty')), ['a', 'link', 'sub']);
  assert.deepEqual(readdirSync(mountpointOf(fixture, 'none')), []);
  assert.deepEqual(readdirSync(mountpointOf(fixture, 'full')), ['mine']);
  assert.deepEqual(readdirSync(`${fixture.directory}/root/volumes/empty`), ['_data']);
});

test('copy-up follows links of the image inside the image only', async () => {
  await using fixture = await openFixture();
  await fixture.create(
    {},
    { Binds: ['linked:/seedlink', 'out:/out', 'file:/etc/passwd', 'no:/no'] },
  );
  assert.deepEqual(namesIn(mountpointOf(fixture, 'linked')), ['a', 'link', 'sub']);
  // The container's /etc, not this machine's.
  const out = readdirSync(mountpointOf(fixture, 'out'));
  assert.ok(
    out.includes('passwd') && !out.includes('fstab') && !out.includes('apt'),
    out.join(' '),
  );
  assert.deepEqual(readdirSync(mountpointOf(fixture, 'file')), []);
  assert.deepEqual(readdirSync(mountpointOf(fixture, 'no')), []);
});

test('image VOLUMEs and anonymous volumes are filled, go with rm -v, and are pruned alone', async () => {
  await using fixture = await openFixture();
  const { volumes, containers } = fixture.engine;
  const id = await fixture.create(
    { Volumes: { '/seed': {} } },
    { Binds: ['/plain', 'kept:/kept'] },
  );
  const { Mounts } = await containers.inspect(id);
  const [anonymous] = Mounts.filter(({ Destination }) => Destination === '/seed');
  assert.match(anonymous?.Name ?? '', /^[0-9a-f]{64}$/);
  assert.deepEqual(namesIn(anonymous?.Source ?? ''), ['a', 'link', 'sub']);
  assert.equal((await volumes.list({ dangling: ['false'] })).length, 3);
  await containers.remove(id, { force: false, volumes: false });
  const { deleted } = await volumes.prune({});
  assert.equal(deleted.length, 2);
  assert.deepEqual(
    (await volumes.list({})).map(({ Name }) => Name),
    ['kept'],
  );
  assert.deepEqual((await volumes.prune({ all: ['true'] })).deleted, ['kept']);
});

test('subpaths are parts of volumes and images, and lead nowhere else', async () => {
  await using fixture = await openFixture();
  await fixture.engine.volumes.create({ Name: 'data' });
  const data = mountpointOf(fixture, 'data');
  mkdirSync(`${data}/in/side`, { recursive: true });
  writeFileSync(`${data}/in/side/file`, 'here\n');
  symlinkSync('/in', `${data}/absolute`);
  symlinkSync('../../../../../../etc', `${data}/escape`);
  const volume = (Subpath: string): HostConfig => ({
    Mounts: [{ Type: 'volume', Source: 'data', Target: '/m', VolumeOptions: { Subpath } }],
  });
  assert.equal(await sh(fixture, 'cat /m/side/file', volume('in')), 'here\n');
  assert.equal(await sh(fixture, 'cat /m/side/file', volume('absolute')), 'here\n');
  assert.equal(await sh(fixture, 'cat /m', volume('in/side/file')), 'here\n');
  for (const path of ['escape', 'missing', 'escape/passwd']) {
    await assert.rejects(
      fixture.run({ Cmd: ['true'] }, volume(path)),
      new RegExp(`"${path}"`),
      path,
    );
  }
  const image = (mount: Partial<Mount>): HostConfig => ({
    Mounts: [{ Type: 'image', Source: 'busybox', Target: '/m', ...mount }],
  });
  assert.equal(await sh(fixture, 'cat /m/seed/a', image({})), 'one\n');
  assert.equal(
    await sh(fixture, 'cat /m/a', image({ ImageOptions: { Subpath: 'seed' } })),
    'one\n',
  );
  assert.equal(
    await sh(fixture, 'cat /m', image({ ImageOptions: { Subpath: 'seed/a' } })),
    'one\n',
  );
  assert.equal(await sh(fixture, '! echo x > /m/new && ! echo x > /m/seed/a', image({})), '');
  await assert.rejects(
    fixture.create({}, image({ Source: 'nope' })),
    /invalid mount config for type "image": No such image: nope/,
  );
});

test('driver options: binds, memory shared by those that run, file systems of the kernel', async () => {
  await using fixture = await openFixture();
  const { volumes, containers } = fixture.engine;
  mkdirSync(`${fixture.directory}/host`);
  writeFileSync(`${fixture.directory}/host/file`, 'host\n');
  const device = `${fixture.directory}/host`;
  await volumes.create({ Name: 'bound', DriverOpts: { type: 'none', o: 'bind,ro', device } });
  assert.equal(await sh(fixture, 'cat /b/file; ! touch /b/x', { Binds: ['bound:/b'] }), 'host\n');
  const tmpfs = { type: 'tmpfs', device: 'tmpfs', o: 'size=1m,mode=0700,uid=9' };
  await volumes.create({ Name: 'memory', DriverOpts: tmpfs });
  const binds = { Binds: ['memory:/m'] };
  const script =
    'stat -c "%u %a" /m; stat -f -c %T /m; touch /m/shared; trap exit TERM; while :; do sleep 0.1; done';
  const id = await fixture.create({ Cmd: ['sh', '-c', script] }, binds);
  await containers.start(id);
  const shared = 'until [ -e /m/shared ]; do sleep 0.05; done; echo from b > /m/b; ls /m';
  assert.equal(await sh(fixture, shared, binds), 'b\nshared\n');
  const readonly = { Binds: ['memory:/m:ro'] };
  assert.equal(await sh(fixture, 'cat /m/b; ! touch /m/c', readonly), 'from b\n');
  const part = (Subpath: string): HostConfig => ({
    Mounts: [{ Type: 'volume', Source: 'memory', Target: '/p', VolumeOptions: { Subpath } }],
  });
  assert.equal(await sh(fixture, 'cat /p', part('b')), 'from b\n');
  assert.deepEqual(readdirSync(mountpointOf(fixture, 'memory')), [], 'nothing on the host');
  await containers.kill(id, 'KILL');
  await containers.wait(id, 'not-running').result;
  assert.equal(await sh(fixture, 'ls /m', binds), '', 'it lived with those that used it');
});

test('bad driver options are refused at once, impossible ones at the start', async () => {
  await using fixture = await openFixture();
  const { volumes } = fixture.engine;
  const rows: [Record<string, string>, RegExp][] = [
    [{ foo: 'x' }, /create vv: invalid option: "foo"$/],
    [{ type: 'tmpfs' }, /create vv: missing required option: "device"$/],
    [{ o: 'ro' }, /missing required option/],
    [{ type: 'a/b', device: 'x' }, /unknown file system/],
    [{ type: 'none', device: 'x', o: 'bind' }, /the device of a bind is an absolute path/],
    [{ type: 'tmpfs', device: 'tmpfs', o: 'a\nb' }, /control character/],
    [{ size: 'much' }, /invalid size/],
    [{ size: '10m' }, /create vv: quota size requested but no quota support: [^/]*$/],
  ];
  for (const [DriverOpts, message] of rows) {
    await assert.rejects(volumes.create({ Name: 'vv', DriverOpts }), message);
    const create = fixture.create(
      {},
      {
        Mounts: [
          {
            Type: 'volume',
            Source: 'vv',
            Target: '/v',
            VolumeOptions: { DriverConfig: { Name: 'local', Options: DriverOpts } },
          },
        ],
      },
    );
    await assert.rejects(create);
  }
  assert.deepEqual(
    readdirSync(`${fixture.directory}/root/volumes`).filter((name) => !name.startsWith('.trash')),
    [],
  );
  await volumes.create({ Name: 'no-such', DriverOpts: { type: 'nosuchfs', device: 'x' } });
  await assert.rejects(
    fixture.run({ Cmd: ['true'] }, { Binds: ['no-such:/v'] }),
    /failed to mount .*nosuchfs/,
  );
});

test('an id-mapped bind: what the container makes belongs to the owner of the source', async () => {
  await using fixture = await openFixture();
  const { containers } = fixture.engine;
  const source = `${fixture.directory}/src`;
  mkdirSync(source);
  const { chownSync } = await import('node:fs');
  chownSync(source, 1234, 2345);
  writeFileSync(`${source}/rootly`, '');
  const line = 'stat -c %u:%g /s; touch /s/made; stat -c %u:%g /s/made /s/rootly';
  const seen = await sh(fixture, line, { Binds: [`${source}:/s:idmap`] });
  assert.equal(seen, '0:0\n0:0\n65534:65534\n');
  const owner = (name: string): string => {
    const { uid, gid } = statSync(`${source}/${name}`);
    return `${uid}:${gid}`;
  };
  assert.equal(owner('made'), '1234:2345');
  const id = await fixture.create(
    { Cmd: ['sh', '-c', 'touch /s/app'], User: 'app' },
    { Binds: [`${source}:/s:idmap=1234-2345`] },
  );
  const wait = containers.wait(id, 'next-exit');
  await containers.start(id);
  assert.equal((await wait.result).statusCode, 0);
  assert.equal(owner('app'), '1234:2345');
  const mounts: readonly Mount[] = [
    {
      Type: 'bind',
      Source: source,
      Target: '/s',
      BindOptions: { IDMap: 'uids=0-1234-1#10-5000-5;gids=0-2345-1' },
    },
  ];
  assert.equal(
    await sh(fixture, 'touch /s/ranged; ! chown 20 /s/ranged; chown 12 /s/ranged', {
      Mounts: mounts,
    }),
    '',
  );
  assert.equal(owner('ranged'), '5002:2345');
});

test('clone, snapshot, export, import and rename keep the files', async () => {
  await using fixture = await openFixture();
  const { volumes } = fixture.engine;
  await fixture.create({}, { Binds: ['data:/seed'] }, 'user');
  const seen = await events(fixture, async () => {
    await volumes.clone('data', { Name: 'copy' });
    await volumes.snapshot('data', { Name: 'snap', Labels: { a: 'b' } });
    await volumes.import({ Name: 'back' }, await volumes.export('data'));
    await volumes.rename('back', 'again');
  });
  assert.deepEqual(seen, ['create copy', 'create snap', 'create back', 'rename again']);
  for (const name of ['copy', 'snap', 'again']) {
    const directory = mountpointOf(fixture, name);
    assert.deepEqual(look(directory), ['a 4711 5:6', 'link 777 0:0', 'sub 755 0:0'], name);
    assert.equal(statSync(`${directory}/a`).ino, statSync(`${directory}/sub/same`).ino, name);
    assert.equal(statSync(directory).uid, 7, name);
  }
  assert.deepEqual((await volumes.inspect('snap')).Status, { ReadOnly: true });
  const write = '! touch /snap/x && ! echo x > /snap/a';
  assert.equal(await sh(fixture, write, { Binds: ['snap:/snap'] }), '');
  await assert.rejects(volumes.rename('data', 'other'), /volume is in use - \[.*container user/);
  await assert.rejects(volumes.clone('data', { Name: 'copy' }), /copy is there already/);
  await assert.rejects(volumes.remove('data', { force: true }), /volume is in use/);
  assert.equal(existsSync(mountpointOf(fixture, 'back')), false);
});

test('a snapshot freezes who writes meanwhile: the files are of one moment', async () => {
  await using fixture = await openFixture();
  const { containers, volumes } = fixture.engine;
  const script = 'i=0; while :; do i=$((i+1)); echo $i > /d/a; echo $i > /d/b; done';
  const id = await fixture.create({ Cmd: ['sh', '-c', script] }, { Binds: ['data:/d'] });
  await containers.start(id);
  const data = mountpointOf(fixture, 'data');
  while (!existsSync(`${data}/b`)) await new Promise((resolve) => setImmediate(resolve));
  await volumes.snapshot('data', { Name: 'snap' });
  assert.equal((await containers.inspect(id)).State.Status, 'running');
  const [a, b] = ['a', 'b'].map((name) =>
    readFileSync(`${mountpointOf(fixture, 'snap')}/${name}`, 'utf8'),
  );
  const numbers = [a, b].map((text) => Number(text?.trim() ?? '0'));
  // Either may be cut short or not written yet, but never by more than one step.
  const isWhole = numbers.every((number) => number > 0);
  assert.ok(!isWhole || Math.abs((numbers[0] ?? 0) - (numbers[1] ?? 0)) <= 1, `${a} ${b}`);
});

test('volumes come and go with events; exports of volumes elsewhere', async () => {
  await using fixture = await openFixture();
  const { volumes } = fixture.engine;
  mkdirSync(`${fixture.directory}/host`);
  writeFileSync(`${fixture.directory}/host/file`, 'x');
  const device = `${fixture.directory}/host`;
  const seen = await events(fixture, async () => {
    await volumes.create({ Name: 'vol', DriverOpts: { type: 'none', o: 'bind', device } });
    const { id } = await fixture.run({ Cmd: ['true'] }, { Binds: ['vol:/v'] });
    await volumes.clone('vol', { Name: 'copy' });
    await fixture.engine.containers.remove(id, { force: true, volumes: true });
    await volumes.remove('vol', { force: false });
  });
  assert.deepEqual(seen, ['create vol', 'mount vol', 'unmount vol', 'create copy', 'destroy vol']);
  assert.deepEqual(readdirSync(mountpointOf(fixture, 'copy')), ['file']);
  assert.deepEqual(readdirSync(device), ['file'], 'the host keeps its files');
});

test('images of several layers: mounted whole and in part, merged into volumes, seen by cp', async () => {
  await using fixture = new EngineFixture();
  fixture.hasLayered = true;
  const { containers, volumes } = await fixture.open();
  const image = { Type: 'image', Source: 'layered', Target: '/i' } as const;
  const part = { ...image, Target: '/p', ImageOptions: { Subpath: 'seed' } };
  const line = 'cat /i/second/file /i/seed/a; ls /p; ! touch /i/x; ! touch /p/x';
  const both = 'two\none\na\nadded\nlink\nsub\n';
  assert.equal(await sh(fixture, line, { Mounts: [image, part] }), both);
  const { id } = await containers.create({
    config: { Image: 'layered' },
    hostConfig: { NetworkMode: 'none', Mounts: [image, part], Binds: ['data:/seed'] },
    endpoints: {},
  });
  assert.deepEqual(namesIn(mountpointOf(fixture, 'data')), ['a', 'added', 'link', 'sub']);
  for (const path of ['/i/second/file', '/p/added', '/seed/added']) {
    const { archive } = await containers.readArchive(id, path);
    for await (const { entry, body } of readTar(archive)) {
      const chunks: Buffer[] = [];
      for await (const chunk of body) chunks.push(Buffer.from(chunk));
      assert.equal(
        `${entry.path} ${Buffer.concat(chunks).toString()}`,
        `${path.split('/').at(-1)} two\n`,
      );
    }
  }
  assert.equal((await volumes.list({})).length, 1);
});

test('who may only read an empty volume does not fill it; a stopped container shows shared memory', async () => {
  await using fixture = await openFixture();
  const { containers, volumes } = fixture.engine;
  await volumes.create({ Name: 'empty' });
  await fixture.create({}, { Binds: ['empty:/seed:ro', 'fresh:/home:ro'] });
  assert.deepEqual(namesIn(mountpointOf(fixture, 'empty')), []);
  assert.deepEqual(namesIn(mountpointOf(fixture, 'fresh')), ['app']);
  await volumes.create({ Name: 'memory', DriverOpts: { type: 'tmpfs', device: 'tmpfs' } });
  const binds = { Binds: ['memory:/m'] };
  const id = await fixture.create({ Cmd: ['sh', '-c', 'touch /m/there; sleep 1000'] }, binds);
  const stopped = await fixture.create({}, binds);
  await assert.rejects(containers.statPath(stopped, '/m/there'), /Could not find the file/);
  await assert.rejects(volumes.export('memory'), /only while a container that has it runs/);
  await containers.start(id);
  const isThere = async (): Promise<boolean> =>
    containers.statPath(stopped, '/m/there').then(
      () => true,
      () => false,
    );
  let tries = 0;
  while (!(await isThere()))
    assert.ok(tries++ < 200, 'a stopped container sees what one that runs has');
  const names: string[] = [];
  for await (const { entry } of readTar(await volumes.export('memory'))) names.push(entry.path);
  assert.deepEqual(names, ['./', './there']);
});

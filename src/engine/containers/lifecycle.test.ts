import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { settle } from '../../../test/fakes/clock.ts';
import { openRig } from '../../../test/fakes/opened-engine.ts';
import { EngineError } from '../../base/error.ts';

test('create, start, wait and remove leave nothing', async () => {
  await using rig = await openRig();
  const { containers } = rig.engine;
  const id = await rig.create({}, {}, 'web');
  const wait = containers.wait(id, 'next-exit');
  assert.equal(await containers.start('web'), true);
  assert.equal(await containers.start('web'), false);
  rig.process(id).exit(3);
  assert.deepEqual(await wait.result, { statusCode: 3 });
  const inspect = await containers.inspect(id);
  assert.equal(inspect.State.Status, 'exited');
  assert.equal(inspect.State.ExitCode, 3);
  assert.equal(inspect.State.Pid, 0);
  await containers.remove('web');
  await settle();
  assert.deepEqual(readdirSync(`${rig.root}/containers`), []);
  assert.deepEqual(readdirSync(`${rig.root}/snapshots/snapshots`), []);
  assert.deepEqual(rig.actions, ['create', 'start', 'die', 'destroy']);
  await assert.rejects(containers.inspect(id), {
    kind: 'not-found',
    message: `No such container: ${id}`,
  });
  assert.deepEqual(rig.warnings, []);
});

test('events carry labels, image, name and what the action adds', async () => {
  await using rig = await openRig();
  const id = await rig.create({ Labels: { role: 'db' } }, {}, 'pg');
  await rig.engine.containers.start(id);
  rig.process(id).exit(1);
  await settle();
  const die = rig.events.find((event) => event.Action === 'die');
  assert.deepEqual(die?.Actor, {
    ID: id,
    Attributes: { role: 'db', exitCode: '1', execDuration: '1', image: 'busybox', name: 'pg' },
  });
  const network = rig.events
    .filter((event) => event.Type === 'network')
    .map((event) => event.Action);
  assert.deepEqual(network, ['connect', 'disconnect']);
});

test('of concurrent creates of one name exactly one wins', async () => {
  await using rig = await openRig();
  const results = await Promise.allSettled(
    Array.from({ length: 10 }, () => rig.create({}, {}, 'one')),
  );
  const lost = results.filter((result) => result.status === 'rejected');
  assert.equal(lost.length, 9);
  for (const { reason } of lost) {
    assert.ok(reason instanceof EngineError);
    assert.equal(reason.kind, 'conflict');
    assert.match(
      reason.message,
      /^Conflict\. The container name "\/one" is already in use by container "[0-9a-f]{64}"\./,
    );
  }
  assert.equal(readdirSync(`${rig.root}/containers`).length, 1);
});

test('a failed create gives the name back and leaves nothing', async () => {
  let isArmed = true;
  await using rig = await openRig({
    failpoints: {
      hit: (site) => {
        if (isArmed && site === 'create.row-inserted') throw new EngineError('internal', 'planted');
      },
    },
  });
  await assert.rejects(rig.create({}, { Binds: ['data:/d'] }, 'web'), { message: 'planted' });
  isArmed = false;
  await settle();
  assert.deepEqual(readdirSync(`${rig.root}/containers`), []);
  assert.deepEqual(
    readdirSync(`${rig.root}/volumes`).filter((name) => !name.startsWith('.')),
    [],
  );
  await rig.create({}, {}, 'web');
});

test('a container is found by id, name and unique prefix, in that order', async () => {
  await using rig = await openRig();
  const { containers } = rig.engine;
  const a = await rig.create({}, {}, 'aaa');
  const b = await rig.create({}, {}, a.slice(0, 5) + 'x');
  assert.equal((await containers.inspect(a)).Id, a);
  assert.equal((await containers.inspect('/aaa')).Id, a);
  assert.equal((await containers.inspect(a.slice(0, 5) + 'x')).Id, b);
  assert.equal((await containers.inspect(a.slice(0, 20))).Id, a);
  await assert.rejects(containers.inspect('zzz'), { kind: 'not-found' });
});

test('stop sends the stop signal, then SIGKILL after the timeout', async () => {
  await using rig = await openRig();
  const { containers } = rig.engine;
  const id = await rig.create({ StopSignal: 'SIGINT' });
  await containers.start(id);
  rig.process(id).obeysTerm = false;
  const stopped = containers.stop(id, { timeoutSeconds: 5 });
  await settle();
  assert.deepEqual(rig.process(id).signals, [2]);
  await rig.clock.advance(4_999);
  assert.deepEqual(rig.process(id).signals, [2]);
  await rig.clock.advance(1);
  assert.equal(await stopped, true);
  assert.deepEqual(rig.process(id).signals, [2, 9]);
  assert.equal((await containers.inspect(id)).State.ExitCode, 137);
  await settle();
  assert.deepEqual(rig.actions, ['create', 'start', 'kill', 'kill', 'die', 'stop']);
  assert.equal(await containers.stop(id), false);
});

test('kill needs a running container; SIGKILL waits for the exit', async () => {
  await using rig = await openRig();
  const { containers } = rig.engine;
  const id = await rig.create();
  await assert.rejects(containers.kill(id, 'KILL'), {
    kind: 'conflict',
    message: `cannot kill container: ${id}: container ${id} is not running`,
  });
  await containers.start(id);
  await containers.kill(id, 'USR1');
  assert.deepEqual(rig.process(id).signals, [10]);
  await containers.kill(id, '');
  assert.equal((await containers.inspect(id)).State.Status, 'exited');
  await assert.rejects(containers.kill(id, 'NOPE'), {
    kind: 'invalid',
    message: 'invalid signal: NOPE',
  });
});

test('restart keeps an AutoRemove container and starts it again', async () => {
  await using rig = await openRig();
  const { containers } = rig.engine;
  const id = await rig.create({}, { AutoRemove: true });
  await containers.start(id);
  const first = rig.process(id);
  await containers.restart(id);
  assert.notEqual(rig.process(id), first);
  assert.equal((await containers.inspect(id)).State.Running, true);
  await settle();
  assert.deepEqual(rig.actions, ['create', 'start', 'kill', 'die', 'stop', 'start', 'restart']);
  const removed = containers.wait(id, 'removed');
  rig.process(id).exit(7);
  assert.deepEqual(await removed.result, { statusCode: 7 });
  await assert.rejects(containers.inspect(id), { kind: 'not-found' });
});

test('rm refuses a running container without force, and kills it with', async () => {
  await using rig = await openRig();
  const { containers } = rig.engine;
  const id = await rig.create({}, {}, 'web');
  await containers.start(id);
  await assert.rejects(containers.remove('web'), {
    kind: 'conflict',
    message:
      'cannot remove container "web": container is running: stop the container before removing or force remove',
  });
  await containers.pause(id);
  await assert.rejects(containers.remove('web'), {
    message: 'cannot remove container "web": container is paused and must be unpaused first',
  });
  const both = await Promise.allSettled([
    containers.remove(id, { force: true }),
    containers.remove(id, { force: true }),
  ]);
  assert.deepEqual(both.map((result) => result.status).sort(), ['fulfilled', 'rejected']);
  assert.deepEqual(rig.process(id).signals, [9]);
  await rig.create({}, {}, 'web');
});

test('wait: conditions', async () => {
  await using rig = await openRig();
  const { containers } = rig.engine;
  const id = await rig.create();
  assert.deepEqual(await containers.wait(id, 'not-running').result, { statusCode: 0 });
  assert.throws(() => containers.wait('nobody', 'removed'), { kind: 'not-found' });
  const abort = new AbortController();
  const given = containers.wait(id, 'removed', { signal: abort.signal });
  abort.abort();
  await assert.rejects(given.result, { kind: 'cancelled' });
  await containers.start(id);
  const stopped = containers.wait(id, 'not-running');
  const removed = containers.wait(id, 'removed');
  rig.process(id).exit(9);
  assert.deepEqual(await stopped.result, { statusCode: 9 });
  await containers.remove(id);
  assert.deepEqual(await removed.result, { statusCode: 9 });
});

test('a start that fails records why, and the container stays created', async () => {
  await using rig = await openRig();
  const { containers } = rig.engine;
  const id = await rig.create();
  rig.runtime.beforeStart = async () => {
    throw new EngineError('invalid', 'exec: "nope": executable file not found in $PATH', {
      details: { exitCode: 127 },
    });
  };
  await assert.rejects(containers.start(id), /executable file not found/);
  const { State } = await containers.inspect(id);
  assert.equal(State.Status, 'created');
  assert.equal(State.ExitCode, 127);
  assert.match(State.Error, /executable file not found/);
});

test('a start that fails removes an AutoRemove container', async () => {
  await using rig = await openRig();
  const id = await rig.create({}, { AutoRemove: true }, 'gone');
  rig.runtime.beforeStart = async () => {
    throw new EngineError('invalid', 'no', { details: { exitCode: 126 } });
  };
  await assert.rejects(rig.engine.containers.start(id), { message: 'no' });
  await assert.rejects(rig.engine.containers.inspect(id), { kind: 'not-found' });
  await rig.create({}, {}, 'gone');
});

test('pause and unpause; a paused container cannot be started, is stopped by thawing', async () => {
  await using rig = await openRig();
  const { containers } = rig.engine;
  const id = await rig.create();
  await assert.rejects(containers.pause(id), {
    kind: 'conflict',
    message: `container ${id} is not running`,
  });
  await containers.start(id);
  await containers.pause(id);
  assert.equal(rig.process(id).isFrozen, true);
  assert.equal((await containers.inspect(id)).State.Status, 'paused');
  await assert.rejects(containers.pause(id), { message: `container ${id} is already paused` });
  await assert.rejects(containers.start(id), {
    message: 'cannot start a paused container, try unpause instead',
  });
  await containers.unpause(id);
  await assert.rejects(containers.unpause(id), { message: `container ${id} is not paused` });
  await containers.pause(id);
  assert.equal(await containers.stop(id), true);
  assert.equal((await containers.inspect(id)).State.ExitCode, 143);
});

test('rename frees the old name and takes the new one at once', async () => {
  await using rig = await openRig();
  const { containers } = rig.engine;
  const a = await rig.create({}, {}, 'one');
  await rig.create({}, {}, 'two');
  await assert.rejects(containers.rename(a, 'two'), { kind: 'conflict' });
  await assert.rejects(containers.rename(a, 'one'), { kind: 'invalid' });
  await assert.rejects(containers.rename(a, ''), { kind: 'invalid' });
  await assert.rejects(containers.rename(a, 'a b'), { kind: 'invalid' });
  await containers.rename('one', 'three');
  await rig.create({}, {}, 'one');
  assert.equal((await containers.inspect('three')).Id, a);
  assert.equal(
    rig.events.find((event) => event.Action === 'rename')?.Actor.Attributes['oldName'],
    '/one',
  );
});

test('hosts, hostname and resolv.conf are written at the first start', async () => {
  await using rig = await openRig();
  const id = await rig.create({}, { ExtraHosts: ['db:192.0.2.9'], Dns: ['192.0.2.53'] });
  await rig.engine.containers.start(id);
  const read = (name: string): string => readFileSync(`${rig.run}/c/${id}/${name}`, 'utf8');
  assert.match(read('hosts'), /^127\.0\.0\.1\tlocalhost\n[\s\S]*192\.0\.2\.9\tdb\n$/);
  assert.equal(read('hostname'), `${id.slice(0, 12)}\n`);
  assert.equal(read('resolv.conf'), 'nameserver 192.0.2.53\nsearch example.org\n');
  const sources = rig.runtime.starts[0]?.spec.mounts?.filter((mount) =>
    mount.destination.startsWith('/etc/'),
  );
  assert.deepEqual(sources?.map((mount) => mount.destination).sort(), [
    '/etc/hostname',
    '/etc/hosts',
    '/etc/resolv.conf',
  ]);
  const root = rig.runtime.starts[0]?.root;
  assert.ok(root?.kind === 'overlay' && existsSync(`${root.lower[0]}/.dockerenv`));
});

test('a bind source is made for -v and must exist for --mount', async () => {
  await using rig = await openRig();
  const source = `${rig.directory}/made/by/carve`;
  const id = await rig.create({}, { Binds: [`${source}:/data:ro`] });
  await rig.engine.containers.start(id);
  assert.equal(existsSync(source), true);
  await assert.rejects(
    rig.create({}, { Mounts: [{ Type: 'bind', Source: `${rig.directory}/no`, Target: '/d' }] }),
    {
      kind: 'invalid',
      message: `invalid mount config for type "bind": bind source path does not exist: ${rig.directory}/no`,
    },
  );
});

test('anonymous volumes go with rm -v and with AutoRemove, named ones stay', async () => {
  await using rig = await openRig();
  const volumes = (): readonly string[] =>
    readdirSync(`${rig.root}/volumes`).filter((name) => !name.startsWith('.'));
  const id = await rig.create(
    { Volumes: { '/data': {} } },
    { Binds: ['named:/n'], AutoRemove: true },
  );
  assert.equal(volumes().length, 2);
  const { Mounts } = await rig.engine.containers.inspect(id);
  assert.deepEqual(
    Mounts.map((mount) => [mount.Type, mount.Destination]),
    [
      ['volume', '/n'],
      ['volume', '/data'],
    ],
  );
  await rig.engine.containers.start(id);
  rig.process(id).exit(0);
  await settle();
  assert.deepEqual(volumes(), ['named']);
});

test('bad requests are one clear sentence', async () => {
  await using rig = await openRig();
  const rows: readonly [() => Promise<unknown>, RegExp][] = [
    [() => rig.create({ Image: 'nothing' }), /^No such image: nothing:latest$/],
    [() => rig.create({ Image: '' }), /no image specified/],
    [() => rig.create({}, {}, 'a'), /Invalid container name \(a\)/],
    [() => rig.create({ Hostname: 'a\nb' }), /invalid Hostname: it contains a line break/],
    [() => rig.create({ Hostname: '-x' }), /invalid hostname format: -x/],
    [
      () => rig.create({}, { AutoRemove: true, RestartPolicy: { Name: 'always' } }),
      /can't create 'AutoRemove' container with restart policy/,
    ],
    [
      () => rig.create({}, { RestartPolicy: { Name: 'always', MaximumRetryCount: 2 } }),
      /maximum retry count can only be used with 'on-failure'/,
    ],
    [() => rig.create({}, { Memory: 1024 }), /Minimum memory limit allowed is 6MB/],
    [() => rig.create({}, { NanoCpus: 5e9 }), /Range of CPUs is from 0\.01 to 2\.00/],
    [() => rig.create({}, { CpusetCpus: '0-4294967295' }), /Invalid value 0-4294967295/],
    [() => rig.create({}, { Binds: ['a:b:c:d'] }), /invalid volume specification: 'a:b:c:d'/],
    [() => rig.create({}, { Binds: ['/a:/x', '/b:/x/'] }), /Duplicate mount point: \/x/],
    [
      () => rig.create({}, { LogConfig: { Type: 'splunk' } }),
      /no log driver named 'splunk' is registered/,
    ],
    [
      () => rig.create({}, { LogConfig: { Config: { 'max-siz': '1m' } } }),
      /unknown log opt 'max-siz'/,
    ],
    [() => rig.create({}, { NetworkMode: 'container:nobody' }), /No such container: nobody/],
    [() => rig.create({}, { NetworkMode: 'backend' }), /network backend not found/],
    [() => rig.create({}, { Runtime: 'kata' }), /unknown or invalid runtime name: kata/],
    [() => rig.create({}, { CapAdd: ['FLY'] }), /FLY/],
    [() => rig.create({ StopSignal: 'SIGNOPE' }), /invalid signal: SIGNOPE/],
    [() => rig.create({ WorkingDir: 'relative' }), /needs to be an absolute path/],
  ];
  for (const [attempt, expected] of rows) {
    await assert.rejects(attempt(), (error: Error) => {
      assert.match(error.message, expected);
      return true;
    });
  }
  assert.deepEqual(readdirSync(`${rig.root}/containers`), []);
});

test('the default network is the bridge, which is made when it is first used', async () => {
  await using rig = await openRig();
  const { id, warnings } = await rig.engine.containers.create({
    config: { Image: 'busybox' },
    hostConfig: {},
    endpoints: {},
  });
  assert.deepEqual(warnings, []);
  const { containers } = rig.engine;
  const before = await containers.inspect(id);
  assert.equal(before.HostConfig.NetworkMode, 'bridge');
  assert.deepEqual(Object.keys(before.NetworkSettings.Networks), ['bridge']);
  assert.equal(before.NetworkSettings.Networks['bridge']?.IPAddress, '');
  assert.deepEqual([...rig.fabric.made], []);
  await containers.start(id);
  const { NetworkSettings } = await containers.inspect(id);
  assert.equal(NetworkSettings.Networks['bridge']?.IPAddress, '172.17.0.2');
  assert.deepEqual([...rig.fabric.made], ['bridge']);
  await containers.kill(id, 'KILL');
  await settle();
  assert.equal(rig.fabric.endpoints.size, 0);
});

test('attach before start connects at the start and sees the first byte', async () => {
  await using rig = await openRig();
  const { containers } = rig.engine;
  const id = await rig.create({ OpenStdin: true });
  const { stream, framing } = await containers.attach(id, {
    stdin: true,
    stdout: true,
    stderr: true,
    logs: false,
    stream: true,
  });
  assert.equal(framing, 'multiplexed');
  stream.write('early');
  await containers.start(id);
  await settle();
  assert.equal(rig.runtime.starts[0]?.expectedClients, 1);
  const [attached] = rig.process(id).attached;
  assert.equal(attached?.request.lossless, true);
  assert.equal(String(attached.inside.read()), 'early');
  rig.process(id).write('out');
  let text = '';
  stream.on('data', (chunk) => (text += String(chunk)));
  await settle();
  rig.process(id).exit(0);
  await new Promise((resolve) => stream.once('end', resolve));
  assert.equal(text, 'out');
});

test('attach that waits ends when the start fails or the container is removed', async () => {
  await using rig = await openRig();
  const { containers } = rig.engine;
  const id = await rig.create();
  const options = { stdin: false, stdout: true, stderr: true, logs: false, stream: true };
  const first = await containers.attach(id, options);
  rig.runtime.beforeStart = async () => {
    throw new EngineError('internal', 'no');
  };
  await assert.rejects(containers.start(id));
  await new Promise((resolve) => first.stream.resume().once('end', resolve));
  const second = await containers.attach(id, options);
  await containers.remove(id);
  await new Promise((resolve) => second.stream.resume().once('end', resolve));
});

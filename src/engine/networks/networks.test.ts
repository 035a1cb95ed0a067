import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineError, isEngineError, type ErrorKind } from '../../base/error.ts';
import type { EngineEvent } from '../../spec/docker/system.ts';
import { openRig, type Rig } from '../../../test/fakes/opened-engine.ts';

/** Rejects with an error of this kind and text. */
async function refused(work: Promise<unknown>, kind: ErrorKind, message: RegExp): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(isEngineError(error), String(error));
    assert.deepEqual([error.kind, message.test(error.message)], [kind, true], error.message);
    return true;
  });
}

/** Events of networks so far, `action name container`. */
async function networkEvents(rig: Rig): Promise<readonly string[]> {
  await new Promise((resolve) => setImmediate(resolve));
  return rig.events
    .filter(({ Type }: EngineEvent) => Type === 'network')
    .map(({ Action, Actor }) =>
      [Action, Actor.Attributes['name'], Actor.Attributes['type'], Actor.Attributes['container']]
        .filter((word) => word !== undefined)
        .join(' '),
    );
}

const namesOf = async (rig: Rig): Promise<readonly string[]> =>
  (await rig.engine.networks.list({})).map(({ Name }) => Name);

test('a network is made, found by every reference, kept over a restart, and removed', async () => {
  await using rig = await openRig();
  const { Id, Warning } = await rig.engine.networks.create({ Name: 'web', Labels: { a: 'b' } });
  assert.equal(Warning, '');
  assert.match(Id, /^[0-9a-f]{64}$/);
  assert.deepEqual(rig.fabric.calls, ['ensure web']);
  const made = await rig.engine.networks.inspect('web');
  for (const ref of [Id, Id.slice(0, 12), Id.slice(0, 5)]) {
    assert.deepEqual(await rig.engine.networks.inspect(ref), made);
  }
  assert.deepEqual(
    [made.Driver, made.EnableIPv4, made.EnableIPv6, made.IPAM.Config.length, made.Containers],
    ['bridge', true, true, 2, {}],
  );
  assert.deepEqual(made.IPAM.Config[0], { Subnet: '172.18.0.0/24', Gateway: '172.18.0.1' });
  await rig.reopen();
  assert.deepEqual(await rig.engine.networks.inspect('web'), made);
  await rig.engine.networks.remove('web');
  assert.deepEqual(rig.fabric.calls, ['ensure web', 'remove web']);
  await refused(rig.engine.networks.inspect(Id), 'not-found', /^network [0-9a-f]{64} not found$/);
  await refused(rig.engine.networks.remove('web'), 'not-found', /^network web not found$/);
  assert.deepEqual(await networkEvents(rig), ['create web bridge', 'destroy web bridge']);
  assert.deepEqual(await namesOf(rig), ['bridge', 'host', 'none']);
});

test('predefined networks stay', async () => {
  await using rig = await openRig();
  for (const name of ['bridge', 'host', 'none']) {
    await refused(
      rig.engine.networks.remove(name),
      'denied',
      new RegExp(`^${name} is a pre-defined network and cannot be removed$`),
    );
  }
  assert.deepEqual(rig.fabric.calls, []);
  assert.equal((await rig.engine.networks.inspect('none')).Driver, 'null');
});

test('a network that cannot be made leaves nothing, and its name and subnet are free', async () => {
  await using rig = await openRig();
  rig.fabric.failure = new EngineError('conflict', 'the link is there');
  await refused(rig.engine.networks.create({ Name: 'web' }), 'conflict', /the link is there/);
  assert.deepEqual(rig.fabric.calls, ['ensure web', 'remove web']);
  assert.deepEqual(await namesOf(rig), ['bridge', 'host', 'none']);
  await rig.engine.networks.create({ Name: 'web' });
  assert.equal((await rig.engine.networks.inspect('web')).IPAM.Config[0]?.Subnet, '172.18.0.0/24');
  assert.deepEqual(await networkEvents(rig), ['create web bridge']);
});

test('a network that cannot be removed is still there', async () => {
  await using rig = await openRig();
  await rig.engine.networks.create({ Name: 'web' });
  rig.fabric.failure = new EngineError('unavailable', 'the kernel is busy');
  await refused(rig.engine.networks.remove('web'), 'unavailable', /the kernel is busy/);
  assert.ok((await namesOf(rig)).includes('web'));
  await rig.engine.networks.remove('web');
});

test('an error at any step leaves the network whole or gone', async () => {
  const sites = ['begin', 'saved', 'made'].map((step) => `network-create.${step}`);
  for (const site of [...sites, 'network-remove.begin', 'network-remove.unmade']) {
    let isArmed = true;
    const failpoints = {
      hit: (hit: string): void => {
        if (!isArmed || hit !== site) return;
        isArmed = false;
        throw new EngineError('internal', `planted at ${hit}`);
      },
    };
    await using rig = await openRig({ failpoints });
    const live = async (): Promise<void> => {
      await rig.engine.networks.create({ Name: 'web' });
      await rig.engine.networks.remove('web');
    };
    await refused(live(), 'internal', new RegExp(`planted at ${site}`));
    const isThere = (await namesOf(rig)).includes('web');
    assert.equal(isThere, site.startsWith('network-remove'), site);
    if (isThere) await rig.engine.networks.remove('web');
    await live();
    assert.deepEqual([...rig.fabric.made], []);
  }
});

test('64 creates at once get 64 subnets; of one name one wins', async () => {
  await using rig = await openRig();
  const made = await Promise.all(
    Array.from({ length: 64 }, async (_, index) =>
      rig.engine.networks.create({ Name: `n${index}` }),
    ),
  );
  assert.equal(new Set(made.map(({ Id }) => Id)).size, 64);
  const all = await rig.engine.networks.list({ type: ['custom'] });
  const subnets = all.flatMap(({ IPAM }) => IPAM.Config.map(({ Subnet }) => Subnet));
  assert.equal(new Set(subnets).size, 128);
  const same = await Promise.allSettled(
    Array.from({ length: 64 }, async () => rig.engine.networks.create({ Name: 'same' })),
  );
  assert.equal(same.filter(({ status }) => status === 'fulfilled').length, 1);
  const gone = await Promise.allSettled(
    Array.from({ length: 64 }, async () => rig.engine.networks.remove('same')),
  );
  assert.equal(gone.filter(({ status }) => status === 'fulfilled').length, 1);
  assert.ok(!rig.fabric.made.has('same'));
});

test('nobody sees a network that is on its way in or out', async () => {
  await using rig = await openRig();
  const { promise, resolve } = Promise.withResolvers<undefined>();
  rig.fabric.gate = promise;
  const making = rig.engine.networks.create({ Name: 'web' });
  await refused(rig.engine.networks.inspect('web'), 'not-found', /web not found/);
  await refused(rig.engine.networks.create({ Name: 'web' }), 'conflict', /already exists/);
  await refused(rig.create({}, { NetworkMode: 'web' }), 'invalid', /network web not found/);
  resolve(undefined);
  await making;
  const held = Promise.withResolvers<undefined>();
  rig.fabric.gate = held.promise;
  const removing = rig.engine.networks.remove('web');
  await refused(rig.create({}, { NetworkMode: 'web' }), 'invalid', /network web not found/);
  held.resolve(undefined);
  await removing;
});

test('lists are filtered as Docker does', async () => {
  await using rig = await openRig();
  await rig.engine.networks.create({ Name: 'web', Labels: { tier: 'front', x: '' } });
  await rig.engine.networks.create({ Name: 'web2', Driver: 'macvlan', Labels: { tier: 'back' } });
  const { Id } = await rig.engine.networks.inspect('web');
  const rows: readonly (readonly [
    Readonly<Record<string, readonly string[]>>,
    readonly string[],
  ])[] = [
    [{}, ['bridge', 'host', 'none', 'web', 'web2']],
    [{ name: ['web'] }, ['web', 'web2']],
    [{ name: ['^web$'] }, ['web']],
    [{ name: ['none', 'host'] }, ['host', 'none']],
    [{ id: [Id] }, ['web']],
    [{ id: [Id.slice(0, 12)] }, ['web']],
    [{ driver: ['macvlan'] }, ['web2']],
    [{ driver: ['null', 'host'] }, ['host', 'none']],
    [{ label: ['tier'] }, ['web', 'web2']],
    [{ label: ['tier=front'] }, ['web']],
    [{ label: ['tier=front', 'x'] }, ['web']],
    [{ label: ['tier=front', 'y'] }, []],
    [{ type: ['custom'] }, ['web', 'web2']],
    [{ type: ['builtin'] }, ['bridge', 'host', 'none']],
    [{ scope: ['local'], driver: ['bridge'] }, ['bridge', 'web']],
    [{ scope: ['swarm'] }, []],
    [{ dangling: ['true'] }, ['web', 'web2']],
    [{ dangling: ['0'] }, ['bridge', 'host', 'none']],
  ];
  for (const [filters, names] of rows) {
    assert.deepEqual(
      (await rig.engine.networks.list(filters)).map(({ Name }) => Name),
      names,
      JSON.stringify(filters),
    );
  }
  for (const filters of [{ nope: ['x'] }, { type: ['x'] }, { dangling: ['x'] }, { name: ['('] }]) {
    await refused(rig.engine.networks.list(filters), 'invalid', /invalid filter/);
  }
  await refused(
    rig.engine.networks.inspect('web', { scope: 'swarm' }),
    'not-found',
    /web not found/,
  );
});

test('prune takes what fits and nothing predefined', async () => {
  await using rig = await openRig();
  await rig.engine.networks.create({ Name: 'old', Labels: { keep: '' } });
  const bound = String(rig.clock.nowNs() / 1_000_000_000n + 5n);
  await rig.clock.advance(10_000);
  await rig.engine.networks.create({ Name: 'new' });
  const { networks } = rig.engine;
  await refused(networks.prune({ dangling: ['true'] }), 'invalid', /invalid filter 'dangling'/);
  assert.deepEqual(await networks.prune({ 'label!': ['keep'], until: [bound] }), []);
  assert.deepEqual(await networks.prune({ label: ['keep'], until: [bound] }), ['old']);
  rig.fabric.failure = new EngineError('unavailable', 'the kernel is busy');
  assert.deepEqual(await networks.prune({}), []);
  assert.match(rig.warnings.join('\n'), /cannot prune a network/);
  assert.deepEqual(await networks.prune({}), ['new']);
  assert.deepEqual(await namesOf(rig), ['bridge', 'host', 'none']);
});

test('a stopped container joins and leaves networks, and they outlive a restart', async () => {
  await using rig = await openRig();
  const { networks } = rig.engine;
  await networks.create({ Name: 'front', IPAM: { Config: [{ Subnet: '10.1.0.0/24' }] } });
  const { Id: backId } = await networks.create({ Name: 'back' });
  const id = await rig.create({}, { NetworkMode: 'front' }, 'web');
  const networksOf = async (): Promise<readonly string[]> =>
    Object.keys((await rig.engine.containers.inspect(id)).NetworkSettings.Networks);
  assert.deepEqual(await networksOf(), ['front']);
  const settings = { IPAMConfig: { IPv4Address: '10.1.0.9' }, Aliases: ['db'] };
  await networks.connect(backId.slice(0, 12), { container: 'web', settings: { Aliases: ['x'] } });
  await networks.disconnect('front', { container: id.slice(0, 12), force: false });
  assert.ok((await networkEvents(rig)).includes(`disconnect front bridge ${id}`));
  await networks.connect('front', { container: 'web', settings });
  await rig.reopen();
  assert.deepEqual(await networksOf(), ['back', 'front']);
  const { NetworkSettings } = await rig.engine.containers.inspect('web');
  const { front, back } = NetworkSettings.Networks;
  assert.deepEqual(
    [front?.IPAMConfig, front?.Aliases, front?.EndpointID, back?.Aliases, back?.NetworkID],
    [{ IPv4Address: '10.1.0.9' }, ['db'], '', ['x'], backId],
  );
  await rig.engine.networks.remove('back');
  await rig.engine.networks.disconnect('back', { container: 'web', force: true });
  assert.deepEqual(await networksOf(), ['front']);
  await rig.engine.containers.start(id);
  const live = (await rig.engine.containers.inspect('web')).NetworkSettings.Networks['front'];
  assert.equal(live?.IPAddress, '10.1.0.9');
  assert.match(live.EndpointID ?? '', /^[0-9a-f]{64}$/);
});

test('a running container joins and leaves; a network it is on stays', async () => {
  await using rig = await openRig();
  const { networks, containers } = rig.engine;
  for (const Name of ['front', 'back']) await networks.create({ Name });
  const id = await rig.create({}, { NetworkMode: 'front' }, 'web');
  await containers.start(id);
  await networks.connect('back', { container: 'web', settings: { Aliases: ['db'] } });
  const { Networks } = (await containers.inspect('web')).NetworkSettings;
  assert.equal(Networks['back']?.IPAddress, '172.18.1.2');
  assert.deepEqual(Networks['back'].DNSNames?.slice(0, 2), ['web', 'db']);
  assert.deepEqual(Object.keys((await networks.inspect('back')).Containers), [id]);
  await refused(networks.remove('back'), 'denied', /has active endpoints \(name:"web"/);
  rig.fabric.failure = new EngineError('internal', 'no link');
  await refused(
    networks.disconnect('back', { container: 'web', force: false }),
    'internal',
    /no link/,
  );
  await networks.disconnect('back', { container: 'web', force: false }).catch(() => undefined);
  await networks.create({ Name: 'third' });
  rig.fabric.failure = new EngineError('internal', 'no link');
  await refused(
    networks.connect('third', { container: 'web', settings: {} }),
    'internal',
    /no link/,
  );
  assert.deepEqual(Object.keys((await networks.inspect('third')).Containers), []);
  await networks.connect('third', { container: 'web', settings: {} });
  const again = (await containers.inspect('web')).NetworkSettings.Networks['third'];
  assert.equal(
    again?.IPAddress,
    '172.18.2.3',
    'the address of the attempt was given back and rests',
  );
});

test('who cannot join or leave', async () => {
  await using rig = await openRig();
  const { networks } = rig.engine;
  await networks.create({ Name: 'front' });
  await rig.create({}, { NetworkMode: 'front' }, 'web');
  await rig.create({}, { NetworkMode: 'host' }, 'hosted');
  const running = await rig.create({}, { NetworkMode: 'front' }, 'running');
  await rig.engine.containers.start(running);
  const settings = {};
  const rows: readonly (readonly [string, string, ErrorKind, RegExp])[] = [
    ['front', 'nope', 'not-found', /No such container: nope/],
    ['nope', 'web', 'not-found', /network nope not found/],
    ['front', 'running', 'denied', /endpoint with name running already exists in network front/],
    ['host', 'web', 'invalid', /must be created in host network mode/],
    ['none', 'web', 'invalid', /private \(none\) mode/],
    ['front', 'hosted', 'invalid', /sharing network namespace/],
  ];
  for (const [network, container, kind, message] of rows) {
    await refused(networks.connect(network, { container, settings }), kind, message);
  }
  const left: readonly (readonly [string, string, ErrorKind, RegExp])[] = [
    ['front', 'nope', 'not-found', /No such container: nope/],
    ['nope', 'web', 'not-found', /network nope not found/],
    ['bridge', 'web', 'wrong-state', /is not connected to network bridge/],
    ['host', 'hosted', 'invalid', /cannot be disconnected from host network/],
  ];
  for (const [network, container, kind, message] of left) {
    await refused(networks.disconnect(network, { container, force: false }), kind, message);
  }
});

test('a container on a network that is not there is refused, and leaves nothing', async () => {
  await using rig = await openRig();
  await refused(rig.create({}, { NetworkMode: 'nope' }), 'invalid', /^network nope not found$/);
  await refused(
    rig.engine.containers.create({
      config: { Image: 'busybox' },
      hostConfig: { NetworkMode: 'none' },
      endpoints: { nope: {} },
    }),
    'invalid',
    /^network nope not found$/,
  );
  const all = await rig.engine.containers.list({ all: true, size: false, filters: {} });
  assert.deepEqual(all, []);
});

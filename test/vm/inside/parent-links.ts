/** What `remote-volumes.test.ts` runs in its machine too, whose kernel has VLANs and ipvlan: `wire` is a link of the host. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { openFixture } from '../../kernel/engine-fixture.ts';

const ip = (...words: readonly string[]): string => String(execFileSync('/usr/sbin/ip', words));
const links = (): string => ip('-d', '-o', 'link');

test('a VLAN of a parent is made, up, for the networks that name it, and goes with the last', async () => {
  await using fixture = await openFixture();
  const { networks, containers } = fixture.engine;
  const make = async (Name: string, Driver: string, Subnet: string): Promise<void> => {
    const Options = { parent: 'wire.50', ipvlan_flag: 'private' };
    await networks.create({
      Name,
      Driver,
      Options: Driver === 'ipvlan' ? Options : { parent: 'wire.50' },
      IPAM: { Config: [{ Subnet }] },
    });
  };
  await make('one', 'ipvlan', '10.50.0.0/24');
  assert.match(links(), /wire\.50@wire: <[A-Z,_]*UP[^>]*>.* vlan protocol 802\.1Q id 50/);
  const id = await fixture.create({ Cmd: ['sleep', '300'] }, { NetworkMode: 'one' });
  await containers.start(id);
  const { State } = await containers.inspect(id);
  const inside = ['--net', '-t', String(State.Pid), '/usr/sbin/ip', '-d', '-o', 'link'];
  const seen = String(execFileSync('/usr/bin/nsenter', inside));
  assert.match(seen, /eth0@.*ipvlan.* mode l2 private/);
  await containers.remove(id, { force: true, volumes: false });
  await make('two', 'ipvlan', '10.51.0.0/24');
  await networks.remove('one');
  assert.match(links(), /wire\.50@wire/);
  await networks.remove('two');
  assert.doesNotMatch(links(), /wire\.50/);
});

test('a VLAN of a link that is down is not made, and is as soon as that is up', async () => {
  await using fixture = await openFixture();
  const { networks } = fixture.engine;
  const make = (): Promise<unknown> =>
    networks.create({ Name: 'n', Driver: 'macvlan', Options: { parent: 'wire.51' } });
  ip('link', 'set', 'wire', 'down');
  try {
    await assert.rejects(make(), {
      kind: 'conflict',
      message: 'Cannot make network n: link wire of the host is down',
    });
    assert.doesNotMatch(links(), /wire\.51/);
  } finally {
    ip('link', 'set', 'wire', 'up');
  }
  await make();
  assert.match(links(), /wire\.51@wire: <[A-Z,_]*UP[^>]*>/);
  await networks.remove('n');
});

test('a VLAN of a link that is not there, and one that cannot be, are told', async () => {
  await using fixture = await openFixture();
  const { networks } = fixture.engine;
  for (const [parent, missing] of [
    ['nowhere.50', 'nowhere'],
    ['wire.4095', 'wire.4095'],
  ])
    await assert.rejects(
      networks.create({ Name: 'n', Driver: 'macvlan', Options: { parent: parent ?? '' } }),
      { message: `Cannot make network n: the host has no link ${missing}` },
    );
  assert.doesNotMatch(links(), /wire\./);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { publishedPort } from '../../test/fakes/network.ts';
import { silentLog } from '../base/log.ts';
import type { Keeper } from '../kernel/keeper.ts';
import type { Plan } from '../kernel/plan/op.ts';
import { parseAddress } from '../spec/cidr.ts';
import { ConnectHook } from './connect-hook.ts';

const COOKIE = Buffer.from('00000000080000000100000000000000', 'hex');

/** Ports that are led to, by the plans it was given; it may die, or refuse. */
class FakeKeeper {
  readonly led: Set<number> = new Set();
  isAlive = true;
  refuses: string | undefined;

  async apply(plan: Plan): Promise<Uint8Array> {
    for (const op of plan) {
      if (op.op === this.refuses) throw new Error('refused');
      if (op.op !== 'bpf-set') continue;
      const port = Buffer.from(op.key).readUInt16BE(op.key.length - 4);
      if (op.value.length > 0) this.led.add(port);
      else this.led.delete(port);
    }
    await Promise.resolve();
    return COOKIE;
  }

  async close(): Promise<void> {
    this.isAlive = false;
    await Promise.resolve();
  }
}

interface Rig {
  readonly hook: ConnectHook;
  readonly keepers: FakeKeeper[];
}

function rig(refuses?: string): Rig {
  const keepers: FakeKeeper[] = [];
  const openKeeper = (): Keeper => {
    const keeper = new FakeKeeper();
    keeper.refuses = refuses;
    keepers.push(keeper);
    return keeper as unknown as Keeper;
  };
  const hook = new ConnectHook({ log: silentLog, openKeeper, cgroup: '/sys/fs/cgroup' });
  return { hook, keepers };
}

test('whoever is called first asks first, also while the keeper is being opened', async () => {
  const { hook, keepers } = rig();
  await Promise.all([
    hook.lead([publishedPort(1)]),
    hook.lead([publishedPort(2)]),
    hook.lead([publishedPort(3)]),
    hook.leadNoMore([publishedPort(3)]),
    hook.leadNoMore([publishedPort(1)]),
  ]);
  assert.equal(keepers.length, 1);
  assert.deepEqual(keepers[0]?.led, new Set([2]));
});

test('a keeper that died is opened again with every port that is still led to, by the next one', async () => {
  const { hook, keepers } = rig();
  await hook.lead([publishedPort(1), publishedPort(9)]);
  keepers[0]!.isAlive = false;
  await hook.leadNoMore([publishedPort(9)]);
  assert.equal(keepers.length, 1);
  await Promise.all([hook.lead([publishedPort(2)]), hook.lead([publishedPort(3)])]);
  assert.equal(keepers.length, 2);
  assert.deepEqual(keepers[1]?.led, new Set([1, 2, 3]));
});

test('what cannot be taken back ends the hook; where it cannot be it is not tried again', async () => {
  const one = rig();
  await one.hook.lead([publishedPort(1)]);
  one.keepers[0]!.refuses = 'bpf-set';
  await one.hook.leadNoMore([publishedPort(1)]);
  assert.equal(one.keepers[0]?.isAlive, false);
  const other = rig('bpf-link');
  await other.hook.lead([publishedPort(1)]);
  await other.hook.lead([publishedPort(2)]);
  assert.deepEqual(
    other.keepers.map(({ isAlive }) => isAlive),
    [false],
  );
});

test('UDP, relayed ports and other addresses open nothing; nor does anything after the end', async () => {
  const { hook, keepers } = rig();
  const host = parseAddress('192.0.2.1');
  await hook.lead([
    { ...publishedPort(1), protocol: 'udp' },
    { ...publishedPort(1), host },
  ]);
  await hook.lead([]);
  assert.equal(keepers.length, 0);
  await hook.lead([publishedPort(1)]);
  await hook.close();
  await hook.lead([publishedPort(2)]);
  assert.deepEqual(
    keepers.map(({ isAlive }) => isAlive),
    [false],
  );
});

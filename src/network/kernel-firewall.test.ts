import { test } from 'node:test';
import assert from 'node:assert/strict';
import { publishedPort } from '../../test/fakes/network.ts';
import { silentLog } from '../base/log.ts';
import { Mutex } from '../base/mutex.ts';
import type { Keeper } from '../kernel/keeper.ts';
import * as nft from '../kernel/nft/message.ts';
import type { EndpointPort } from './endpoint.ts';
import { KernelFirewall, type KernelFirewallOptions } from './kernel-firewall.ts';

const OPTIONS: KernelFirewallOptions = {
  engineId: '0'.repeat(32),
  log: silentLog,
  apply: async () => new Uint8Array(8),
  openKeeper: () => assert.fail('nothing is changed'),
  lock: new Mutex(),
  bridges: () => [],
  ports: () => [],
  beside: async () => undefined,
};

test('query() gives what answers, nothing for what is not there, and an error for half an answer', async () => {
  const head = Buffer.alloc(8);
  const apply = async (): Promise<Uint8Array> => Buffer.concat([head, Buffer.from('answer')]);
  const firewall = new KernelFirewall({ ...OPTIONS, apply });
  const ask = async (errno: number): Promise<string> => {
    head.writeUInt32LE(errno, 0);
    const answer = await firewall.query(nft.listChains(), 'Cannot look');
    return Buffer.from(answer).toString();
  };
  const [ENOENT, EFBIG] = [2, 27];
  assert.equal(await ask(0), 'answer');
  await ask(ENOENT);
  await assert.rejects(ask(EFBIG), /^EngineError: Cannot look: EFBIG$/);
});

test('a port that was published by making the table again is told from one that its container published', async () => {
  const keeper = { isAlive: true, apply: OPTIONS.apply, close: async () => undefined };
  const seated: EndpointPort[] = [];
  const firewall = new KernelFirewall({
    ...OPTIONS,
    openKeeper: () => keeper as unknown as Keeper,
    ports: () => seated,
  });
  await firewall.rebuild();
  const [early, late] = [publishedPort(1), publishedPort(2)];
  seated.push(early);
  assert.equal(firewall.wasRemade([early]), false);
  await firewall.mend();
  seated.push(late);
  assert.equal(firewall.wasRemade([late]), false);
  assert.equal(firewall.wasRemade([late, early]), true);
  assert.equal(firewall.wasRemade([publishedPort(1)]), false, 'the next one that has its number');
});

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { silentLog } from '../base/log.ts';
import { Mutex } from '../base/mutex.ts';
import * as nft from '../kernel/nft/message.ts';
import { KernelFirewall } from './kernel-firewall.ts';

test('query() gives what answers, nothing for what is not there, and an error for half an answer', async () => {
  const head = Buffer.alloc(8);
  const firewall = new KernelFirewall({
    engineId: '0'.repeat(32),
    log: silentLog,
    apply: async () => Buffer.concat([head, Buffer.from('answer')]),
    openKeeper: () => assert.fail('nothing is changed'),
    lock: new Mutex(),
    bridges: () => [],
    ports: () => [],
    beside: async () => undefined,
  });
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

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { be32, encodeMessages, type Message } from '../../kernel/netlink/message.ts';
import * as expression from '../../kernel/nft/expression.ts';
import * as nft from '../../kernel/nft/message.ts';
import { PassageKeeper } from './keeper.ts';

const at = { family: 'ipv4', table: 'filter' } as const;
const [GENERATION, CHAINS, RULES] = [
  nft.askGeneration,
  nft.listChains,
  () => nft.listRules(at),
].map((ask) => ask().type);

/** A host with Docker, whose forward chain drops; a look at its rules may fail. */
function rig() {
  const host = { generation: 1, isReadable: false, looks: 0 };
  const changes: (readonly Message[])[] = [];
  const warnings: string[] = [];
  const links = ['carve-1'];
  const generation = (): Message => ({
    type: (10 << 8) | 15,
    flags: 0,
    header: new Uint8Array(4),
    attributes: [[1, be32(host.generation)]],
  });
  const quiet = (): void => undefined;
  const keeper = new PassageKeeper({
    engineId: '0'.repeat(32),
    log: { debug: quiet, info: quiet, error: quiet, warn: (text) => void warnings.push(text) },
    links: () => links,
    change: async (messages) => void changes.push(messages),
    query: async ({ type }) => {
      if (type === GENERATION) return encodeMessages([generation()]);
      if (type === CHAINS) {
        const forward = { type: 'filter', hook: 'forward', priority: 0, policy: 'drop' } as const;
        return encodeMessages([
          nft.addChain(at, 'FORWARD', forward),
          nft.addChain(at, 'DOCKER-USER'),
        ]);
      }
      assert.equal(type, RULES);
      host.looks += 1;
      if (!host.isReadable) throw new Error('EFBIG');
      return encodeMessages([nft.addRule(at, 'FORWARD', [expression.counter()])]);
    },
  });
  return { keeper, host, changes, warnings, links };
}

test('rules that cannot be read are not written: said once, looked at more and more seldom', async () => {
  const { keeper, host, changes, warnings, links } = rig();
  for (let look = 0; look < 1000; look += 1) {
    host.generation += 1;
    await keeper.look();
  }
  assert.deepEqual(changes, []);
  assert.equal(warnings.length, 1);
  assert.ok(host.looks > 5 && host.looks < 20, String(host.looks));
  assert.deepEqual(keeper.opened, []);
  host.isReadable = true;
  links.push('carve-2');
  await keeper.look();
  assert.equal(changes.length, 1, 'another link is looked at at once');
  assert.deepEqual(keeper.opened, ['ipv4']);
  await keeper.look();
  assert.equal(changes.length, 1, 'nothing changed');
});

import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { FoundChain } from '../kernel/nft/chains.ts';
import { obstaclesOf, warningOf } from './strangers.ts';

const FORWARD: FoundChain = {
  family: 'ipv4',
  table: 'filter',
  chain: 'FORWARD',
  hook: 'forward',
  policy: 'drop',
};
const FIREWALLD: FoundChain = {
  ...FORWARD,
  family: 'inet',
  table: 'firewalld',
  chain: 'filter_FORWARD',
  policy: 'accept',
};

function named(...chains: readonly string[]): readonly FoundChain[] {
  return chains.map((chain) => ({ ...FORWARD, chain, hook: undefined, policy: 'accept' as const }));
}

test('obstaclesOf() finds chains of others that hold back what is passed on, but those that let carve pass', () => {
  const others: readonly FoundChain[] = [
    { ...FORWARD, policy: 'accept' },
    { ...FORWARD, hook: 'input' },
    { ...FORWARD, family: 'bridge' },
    { ...FORWARD, table: 'carve-0123' },
    { ...FIREWALLD, chain: 'mangle_FORWARD' },
  ];
  const six: FoundChain = { ...FORWARD, family: 'ipv6' };
  const own: FoundChain = { ...FORWARD, family: 'inet', table: 'mine', chain: 'f' };
  const found = obstaclesOf([FORWARD, six, FIREWALLD, own, ...others], ['ipv6']);
  assert.deepEqual(found, [FORWARD, FIREWALLD, own]);
});

test('warningOf() says which chain, which links, and what helps for that firewall', () => {
  const links = ['carve-1', 'br-2'];
  const say = (obstacle: FoundChain, ...chains: readonly string[]): string =>
    warningOf(obstacle, { chains: named(...chains), links });
  assert.match(
    say(FORWARD),
    /\(chain FORWARD of table ip filter\).*\(carve-1, br-2\).* iptables -I FORWARD -i carve-1 -j ACCEPT/,
  );
  assert.match(
    say(FORWARD, 'DOCKER', 'DOCKER-USER', 'ufw-user-forward'),
    /--iptables=false, or iptables -I DOCKER-USER -i carve-1 -j ACCEPT/,
  );
  assert.match(say(FORWARD, 'DOCKER'), /iptables -I FORWARD -i carve-1/);
  assert.match(say({ ...FORWARD, family: 'ipv6' }), /ip6tables -I FORWARD -i carve-1/);
  assert.match(say(FORWARD, 'ufw-user-forward'), /ufw route allow in on carve-1/);
  assert.match(say(FIREWALLD), /firewall-cmd .*--zone=trusted --add-interface=carve-1/);
  assert.match(
    say({ ...FORWARD, family: 'inet', table: 'mine', chain: 'f' }),
    /nft insert rule inet mine f iifname carve-1 accept/,
  );
});

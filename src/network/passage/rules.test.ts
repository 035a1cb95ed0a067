import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { FoundChain } from '../../kernel/nft/chains.ts';
import type { FoundRule, RuleStep } from '../../kernel/nft/rules.ts';
import { encodeBatch } from '../../kernel/nft/message.ts';
import { chainOf, findFilters, planNoPassage, planPassage } from './rules.ts';

const at = { family: 'ipv4', table: 'filter' } as const;
const chain = chainOf('0123456789abcdef0123456789abcdef');
const counter: RuleStep = { kind: 'other', name: 'counter' };

function link(end: 'iifname' | 'oifname', name: string, isPrefix = false): RuleStep {
  return { kind: 'link', end, operator: 'eq', link: name, isPrefix };
}

function ending(verdict: 'accept' | 'return' | 'drop' | 'jump', to = ''): RuleStep {
  return { kind: 'verdict', verdict, chain: to };
}

/** Rules in their order, numbered from 1. */
function rulesOf(...rules: readonly (readonly [string, ...RuleStep[]])[]): readonly FoundRule[] {
  return rules.map(([name, ...steps], index) => ({
    chain: name,
    handle: BigInt(index + 1),
    steps,
  }));
}

const DOCKERS = [
  ['FORWARD', counter, ending('jump', 'DOCKER-USER')],
  ['FORWARD', link('oifname', 'docker0'), counter, ending('jump', 'DOCKER')],
  ['DOCKER-USER', link('oifname', 'eth7'), counter, ending('drop')],
  ['DOCKER-ISOLATION-STAGE-2', link('oifname', 'br-9'), counter, ending('drop')],
  ['DOCKER-ISOLATION-STAGE-2', link('oifname', 'docker0'), counter, ending('drop')],
  ['DOCKER', link('oifname', 'all', true), counter, ending('drop')],
] as const;

const OWN = [
  [chain, link('iifname', 'br-9'), counter, ending('return')],
  [chain, link('oifname', 'br-9'), counter, ending('return')],
  [chain, link('iifname', 'docker0'), counter, ending('return')],
  [chain, link('oifname', 'docker0'), counter, ending('return')],
  [chain, link('iifname', 'carve-1'), counter, ending('accept')],
  [chain, link('oifname', 'carve-1'), counter, ending('accept')],
] as const;

const JUMP = ['FORWARD', counter, ending('jump', chain)] as const;
const passage = { at, chain, links: ['carve-1'], isThere: (name: string) => name === 'br-9' };

/** How many messages a plan has, and that they are one transaction. */
function count(rules: readonly FoundRule[]): number {
  const messages = planPassage(passage, rules);
  assert.ok(messages.length === 0 || encodeBatch(messages).length > 0);
  return messages.length;
}

test("planPassage() knows Docker's bridges by the chains of newer ones too", () => {
  const newer = rulesOf(
    ['FORWARD', counter, ending('jump', 'DOCKER-USER')],
    ['FORWARD', counter, ending('jump', 'DOCKER-FORWARD')],
    ['DOCKER-CT', link('oifname', 'br-9'), counter, ending('accept')],
    ['DOCKER-BRIDGE', link('oifname', 'docker0'), counter, ending('jump', 'DOCKER')],
    ['DOCKER-FORWARD', link('iifname', 'docker0'), counter, ending('accept')],
    ...OWN,
    JUMP,
  );
  assert.equal(count(newer), 0);
});

test('planPassage() asks for nothing where all is as it is to be, wherever Docker puts its own rules', () => {
  assert.equal(count(rulesOf(...DOCKERS, ...OWN, JUMP)), 0);
  assert.equal(count(rulesOf(...OWN, ...DOCKERS, JUMP)), 0);
});

test('planPassage() makes the chain, and puts right each thing that is not: a rule, its order, the jump, its place', () => {
  const [first, second, ...rest] = OWN;
  const whole = 2 + OWN.length + 1;
  assert.equal(count(rulesOf(...DOCKERS)), whole);
  assert.equal(count(rulesOf(...DOCKERS, ...OWN)), whole, 'no jump');
  assert.equal(count(rulesOf(...DOCKERS, second, first, ...rest, JUMP)), whole + 1, 'order');
  assert.equal(count(rulesOf(...DOCKERS, second, ...rest, JUMP)), whole + 1, 'one less');
  assert.equal(count(rulesOf(...DOCKERS, ...OWN, first, JUMP)), whole + 1, 'one more');
  assert.equal(count(rulesOf(...DOCKERS, ...OWN, JUMP, JUMP)), whole + 2, 'twice');
  const narrow = ['FORWARD', link('iifname', 'eth0'), ending('jump', chain)] as const;
  assert.equal(count(rulesOf(...DOCKERS, ...OWN, narrow)), whole + 1, 'a condition');
  const late = ['FORWARD', link('iifname', 'eth0'), counter, ending('drop')] as const;
  assert.equal(count(rulesOf(...DOCKERS, ...OWN, JUMP, late)), whole + 1, 'who comes later wins');
  const wide = [chain, link('oifname', 'carve-1', true), counter, ending('accept')] as const;
  const all = [...OWN.slice(0, -1), wide];
  assert.equal(count(rulesOf(...DOCKERS, ...all, JUMP)), whole + 1, 'a prefix');
});

test('planPassage() leaves the last place to another engine of carve', () => {
  const other = ['FORWARD', counter, ending('jump', 'CARVE-ffffffffffff')] as const;
  assert.equal(count(rulesOf(...DOCKERS, ...OWN, JUMP, other)), 0);
  assert.equal(count(rulesOf(...DOCKERS, ...OWN, other, JUMP)), 0);
});

test("planPassage() keeps what it has of Docker's links while they are there and Docker has no rule for them", () => {
  const restarting = rulesOf(DOCKERS[0], ...OWN, JUMP);
  assert.equal(count(restarting), 2 + (OWN.length - 2) + 2, "without docker0, which isn't there");
  const [br9, alsoBr9, , , ...own] = OWN;
  assert.equal(count(rulesOf(DOCKERS[0], br9, alsoBr9, ...own, JUMP)), 0);
});

test("planPassage() has no word for a link of its own that Docker's rules name", () => {
  const taken = ['DOCKER', link('oifname', 'carve-1'), counter, ending('accept')] as const;
  assert.equal(count(rulesOf(...DOCKERS, taken, ...OWN, JUMP)), 0);
});

test('planNoPassage() deletes every rule that leads to the chain, then the chain', () => {
  const admins = ['DOCKER-USER', link('iifname', 'eth0'), ending('jump', chain)] as const;
  const messages = planNoPassage({ at, chain }, rulesOf(...DOCKERS, ...OWN, JUMP, admins));
  assert.deepEqual(
    messages.map(({ type }) => type & 0xff),
    [8, 8, 8, 5],
  );
});

test('findFilters() tells who drops by Docker from who drops otherwise', () => {
  const base: FoundChain = {
    family: 'ipv4',
    table: 'filter',
    chain: 'FORWARD',
    hook: 'forward',
    policy: 'drop',
  };
  const regular = (name: string, family: 'ipv4' | 'ipv6' = 'ipv4'): FoundChain => ({
    ...base,
    family,
    chain: name,
    hook: undefined,
    policy: 'accept',
  });
  const judge = (...chains: readonly FoundChain[]): readonly unknown[] =>
    findFilters(chains, chain).map((each) => [each.at.family, each.isDockersDrop, each.hasChain]);
  assert.deepEqual(judge(base), [['ipv4', false, false]]);
  assert.deepEqual(judge(base, regular('DOCKERS')), [['ipv4', false, false]]);
  assert.deepEqual(judge(base, regular('DOCKER-USER')), [['ipv4', true, false]]);
  assert.deepEqual(judge(base, regular('DOCKER'), regular(chain, 'ipv6')), [
    ['ipv4', true, false],
    ['ipv6', false, true],
  ]);
  assert.deepEqual(judge({ ...base, policy: 'accept' }, regular('DOCKER'), regular(chain)), [
    ['ipv4', false, true],
  ]);
  assert.deepEqual(judge({ ...base, table: 'other' }, regular('DOCKER')), [['ipv4', false, false]]);
});

/**
 * What lets carve's networks pass a forward chain of iptables that Docker made
 * to drop: a chain of carve's own in that table, entered last, as messages of
 * nftables in the form that iptables-nft writes and reads. Pure.
 *
 * **Invariants**
 * - Whatever another rule of the table decided stays decided: the chain is
 *   entered where else the policy would drop.
 * - What comes from or goes to a network of Docker's is never accepted here.
 * - Of the rules of others none is written, moved or deleted.
 *
 * Source: docs/decisions/0055-beside-docker.md; iptables(8).
 */

import type { FoundChain } from '../../kernel/nft/chains.ts';
import * as expression from '../../kernel/nft/expression.ts';
import * as nft from '../../kernel/nft/message.ts';
import type { FoundRule, RuleStep } from '../../kernel/nft/rules.ts';
import { text, type Message } from '../../kernel/netlink/message.ts';
import type { Family } from '../../spec/cidr.ts';
import { FAMILIES } from '../packet.ts';

/** Iptables' name of the table. */
export const TABLE = 'filter';
/** Iptables' name of the chain that a packet goes through which the host passes on. */
export const FORWARD = 'FORWARD';
const CHAIN_PREFIX = 'CARVE-';
/** At the beginning of every chain that Docker makes. */
const DOCKERS = /^DOCKER(?:-|$)/;
/** Docker's chain for the rules of others. */
const DOCKER_USER = 'DOCKER-USER';

/** Whether rules of this chain are looked at: `DOCKER` has one for each published port, and no link that others do not name. */
export function isLookedAt(chain: string): boolean {
  return chain !== 'DOCKER';
}

/** Name of an engine's chain; iptables takes 28 bytes. */
export function chainOf(engineId: string): string {
  return `${CHAIN_PREFIX}${engineId.slice(0, 12)}`;
}

/** Iptables' filter table of one family. */
export interface FoundFilter {
  readonly at: nft.TableName & { readonly family: Family };
  /** It drops what it has no rule for, and Docker works with it. */
  readonly isDockersDrop: boolean;
  /** The engine's chain is in it. */
  readonly hasChain: boolean;
}

/** The filter tables that there are. `own`: the engine's chain. */
export function findFilters(chains: readonly FoundChain[], own: string): readonly FoundFilter[] {
  return FAMILIES.flatMap((family) => {
    const inTable = chains.filter((each) => each.family === family && each.table === TABLE);
    if (inTable.length === 0) return [];
    const drops = inTable.some(
      ({ chain, hook, policy }) => chain === FORWARD && hook === 'forward' && policy === 'drop',
    );
    const isDockers = inTable.some(({ chain }) => DOCKERS.test(chain));
    const hasChain = inTable.some(({ chain }) => chain === own);
    return [{ at: { family, table: TABLE }, isDockersDrop: drops && isDockers, hasChain }];
  });
}

/** What is to be in a table. */
export interface Passage {
  readonly at: nft.TableName;
  /** The engine's chain. */
  readonly chain: string;
  /** Of the engine's bridges. */
  readonly links: readonly string[];
  /** The host has a link of this name. */
  readonly isThere: (link: string) => boolean;
}

/** A rule of the engine's chain. */
interface LinkRule {
  readonly end: 'iifname' | 'oifname';
  readonly link: string;
  readonly verdict: 'accept' | 'return';
}

/** What makes the table as it is to be, in one transaction; nothing when it is. `rules`: of the whole table. */
export function planPassage(passage: Passage, rules: readonly FoundRule[]): readonly Message[] {
  const { at, chain } = passage;
  const wanted = linkRules(passage, rules);
  const jumps = rules.filter((rule) => rule.chain === FORWARD && leadsTo(rule, chain));
  if (isAsWanted(rules, chain, wanted) && jumps.length === 1 && isLast(rules, chain)) return [];
  return [
    nft.addChain(at, chain),
    nft.flushChain(at, chain),
    ...wanted.map((rule) => nft.addRule(at, chain, expressionsOf(rule))),
    ...jumps.map(({ handle }) => nft.deleteRule(at, FORWARD, handle)),
    nft.addRule(at, FORWARD, [expression.counter(), expression.verdict({ kind: 'jump', chain })]),
  ];
}

/** Take it away. Precondition: the chain is there. */
export function planNoPassage(
  { at, chain }: Pick<Passage, 'at' | 'chain'>,
  rules: readonly FoundRule[],
): readonly Message[] {
  return [
    ...rules
      .filter((rule) => leadsTo(rule, chain))
      .map((rule) => nft.deleteRule(at, rule.chain, rule.handle)),
    nft.flushChain(at, chain),
    nft.deleteChain(at, chain),
  ];
}

/** Both directions: who answers, and whom a published port brings, comes the other way. */
function linkRules(passage: Passage, rules: readonly FoundRule[]): readonly LinkRule[] {
  const { links } = passage;
  const both = (link: string, verdict: LinkRule['verdict']): readonly LinkRule[] => [
    { end: 'iifname', link, verdict },
    { end: 'oifname', link, verdict },
  ];
  return [
    ...dockersLinks(passage, rules)
      .filter((link) => !links.includes(link))
      .flatMap((link) => both(link, 'return')),
    ...links.flatMap((link) => both(link, 'accept')),
  ];
}

/** Links that Docker's own rules send packets out by: its bridges. While it starts again it has none of them for a moment. */
function dockersLinks({ chain, isThere }: Passage, rules: readonly FoundRule[]): readonly string[] {
  const isDockers = (rule: FoundRule): boolean =>
    (DOCKERS.test(rule.chain) && rule.chain !== DOCKER_USER) ||
    (rule.chain === FORWARD && DOCKERS.test(targetOf(rule.steps)));
  const isReturn = ({ steps }: FoundRule): boolean =>
    steps.some((step) => step.kind === 'verdict' && step.verdict === 'return');
  const known = rules.filter((rule) => rule.chain === chain && isReturn(rule)).flatMap(outLinks);
  const links = [...rules.filter(isDockers).flatMap(outLinks), ...known.filter(isThere)];
  return [...new Set(links)].toSorted();
}

function outLinks({ steps }: FoundRule): readonly string[] {
  return steps.flatMap((step) => {
    const isOut = step.kind === 'link' && step.end === 'oifname' && step.operator === 'eq';
    return isOut && !step.isPrefix ? [step.link] : [];
  });
}

/** As `-i LINK -j VERDICT`: the name with its NUL, and a counter. */
function expressionsOf({ end, link, verdict }: LinkRule): readonly expression.Expression[] {
  return [
    expression.meta(end),
    expression.compare('eq', text(link)),
    expression.counter(),
    expression.verdict({ kind: verdict }),
  ];
}

function isAsWanted(
  rules: readonly FoundRule[],
  chain: string,
  wanted: readonly LinkRule[],
): boolean {
  const found = rules.filter((rule) => rule.chain === chain);
  return (
    found.length === wanted.length &&
    found.every(({ steps }, index) => wanted[index] !== undefined && isSame(steps, wanted[index]))
  );
}

function isSame(steps: readonly RuleStep[], { end, link, verdict }: LinkRule): boolean {
  const [asked, decided, ...more] = steps.filter((step) => !isCounter(step));
  return (
    more.length === 0 &&
    asked?.kind === 'link' &&
    asked.end === end &&
    asked.operator === 'eq' &&
    asked.link === link &&
    !asked.isPrefix &&
    decided?.kind === 'verdict' &&
    decided.verdict === verdict
  );
}

/** Nothing of others comes behind the engine's jump; engines do not fight for the last place. */
function isLast(rules: readonly FoundRule[], chain: string): boolean {
  const steps = rules.filter((rule) => rule.chain === FORWARD).map((rule) => rule.steps);
  const at = steps.findIndex((each) => isBareJump(each) && targetOf(each) === chain);
  if (at < 0) return false;
  return steps
    .slice(at)
    .every((each) => isBareJump(each) && targetOf(each).startsWith(CHAIN_PREFIX));
}

function isBareJump(steps: readonly RuleStep[]): boolean {
  const [jump, ...more] = steps.filter((step) => !isCounter(step));
  return more.length === 0 && jump?.kind === 'verdict' && jump.verdict === 'jump';
}

function leadsTo({ steps }: FoundRule, chain: string): boolean {
  return targetOf(steps) === chain;
}

/** The chain that a rule leads to; else empty. */
function targetOf(steps: readonly RuleStep[]): string {
  const last = steps.at(-1);
  return last?.kind === 'verdict' ? last.chain : '';
}

function isCounter(step: RuleStep): boolean {
  return step.kind === 'other' && step.name === 'counter';
}

/**
 * What the host's other firewalls mean for containers, in sentences.
 *
 * A packet that is passed on goes through the chains of every table, and one
 * that drops it is enough: carve cannot let through what another firewall holds
 * back, and beside Docker only ({@link PassageKeeper}) writes to another table.
 * So it says so, with what helps for that firewall, until it has a rule for each
 * of carve's links.
 */

import { readFile } from 'node:fs/promises';
import { decodeChains, type FoundChain } from '../kernel/nft/chains.ts';
import * as nft from '../kernel/nft/message.ts';
import { decodeRules, type FoundRule } from '../kernel/nft/rules.ts';
import type { Message } from '../kernel/netlink/message.ts';
import type { Family } from '../spec/cidr.ts';
import { FORWARD, TABLE } from './passage/rules.ts';

/** Names the tables of iptables-legacy, which nftables does not show; not there without them. */
const LEGACY_TABLES = '/proc/self/net/ip_tables_names';
const FAMILIES: readonly FoundChain['family'][] = ['ipv4', 'ipv6', 'inet'];
const NONE = new Uint8Array(0);
/** As nft(8) writes them. */
const FAMILY_WORD = { ipv4: 'ip', ipv6: 'ip6', inet: 'inet', bridge: 'bridge' } as const;

/** How {@link findWarnings} knows of the host. */
export interface HostFirewalls {
  /** Filter tables of iptables that let carve's networks pass. */
  readonly opened: readonly Family[];
  /** The messages that answer one request. */
  readonly query: (message: Message) => Promise<Uint8Array>;
}

/** Sentences for who runs the host. `links`: of carve's bridges, at least one. */
export async function findWarnings(
  links: readonly string[],
  { opened, query }: HostFirewalls,
): Promise<readonly string[]> {
  const chains = decodeChains(await query(nft.listChains()));
  const warnings: string[] = [];
  for (const obstacle of obstaclesOf(chains, opened)) {
    const { family, table } = obstacle;
    // One that cannot be read is taken for one that knows none of them.
    const rules = decodeRules(await query(nft.listRules({ family, table })).catch(() => NONE));
    const unknown = links.filter((link) => !knowsLink(rules, link));
    if (unknown.length > 0) warnings.push(warningOf(obstacle, { chains, links: unknown }));
  }
  const legacy = await readFile(LEGACY_TABLES, 'utf8').catch(() => '');
  return /^filter$/m.test(legacy) ? [...warnings, legacyWarning(links)] : warnings;
}

/** Chains of others that hold back what they have no rule for. Pure. */
export function obstaclesOf(
  chains: readonly FoundChain[],
  opened: readonly Family[],
): readonly FoundChain[] {
  return chains.filter(({ hook, policy, family, table, chain }) => {
    if (hook !== 'forward' || !FAMILIES.includes(family) || table.startsWith('carve-'))
      return false;
    if (chain === FORWARD && table === TABLE) {
      const isOpened = opened.some((each) => each === family);
      return policy === 'drop' && !isOpened;
    }
    // It accepts by policy, and refuses by its last rule.
    return policy === 'drop' || (isFirewalld(table) && chain === 'filter_FORWARD');
  });
}

/** The sentence about one of them. Pure. */
export function warningOf(
  obstacle: FoundChain,
  { chains, links }: { readonly chains: readonly FoundChain[]; readonly links: readonly string[] },
): string {
  const { family, table, chain } = obstacle;
  const [link = ''] = links;
  const has = (pattern: RegExp): boolean =>
    chains.some(
      (each) => each.family === family && each.table === table && pattern.test(each.chain),
    );
  const where = `chain ${chain} of table ${FAMILY_WORD[family]} ${table}`;
  const what = `Another firewall of the host holds back what it passes on and has no rule for (${where})`;
  const why = `without rules for the links of networks (${links.join(', ')}) containers reach nothing beyond the host`;
  return `${what}; ${why}. ${helpOf(obstacle, { link, has })}`;
}

function helpOf(
  { family, table, chain: name }: FoundChain,
  { link, has }: { readonly link: string; readonly has: (chain: RegExp) => boolean },
): string {
  if (isFirewalld(table))
    return `With firewalld: firewall-cmd --permanent --zone=trusted --add-interface=${link} && firewall-cmd --reload`;
  if (family === 'inet' || table !== TABLE)
    return `For example: nft insert rule ${FAMILY_WORD[family]} ${table} ${name} iifname ${link} accept, and the same with oifname`;
  const program = family === 'ipv4' ? 'iptables' : 'ip6tables';
  if (has(/^DOCKER(?:-|$)/)) {
    const chain = has(/^DOCKER-USER$/) ? 'DOCKER-USER' : FORWARD;
    return `Beside Docker: start carve's daemon without --iptables=false, or ${program} -I ${chain} -i ${link} -j ACCEPT, and the same with -o`;
  }
  if (has(/^ufw6?-/))
    return `With ufw: ufw route allow in on ${link}, and ufw route allow out on ${link}`;
  return `With ${program}: ${program} -I ${FORWARD} -i ${link} -j ACCEPT, and the same with -o`;
}

function legacyWarning(links: readonly string[]): string {
  const [link = ''] = links;
  return `The host has rules of iptables-legacy, which carve cannot see; where they drop what the host passes on, containers reach nothing beyond the host without rules for the links of networks (${links.join(', ')}). For example: iptables-legacy -I ${FORWARD} -i ${link} -j ACCEPT, and the same with -o`;
}

function isFirewalld(table: string): boolean {
  return table === 'firewalld';
}

/** Whoever runs the host has thought of it. */
function knowsLink(rules: readonly FoundRule[], link: string): boolean {
  return rules.some(({ steps }) =>
    steps.some(
      (step) =>
        step.kind === 'link' &&
        step.operator === 'eq' &&
        (step.isPrefix ? link.startsWith(step.link) : link === step.link),
    ),
  );
}

/**
 * What the host's other firewalls mean for containers, in sentences. Pure.
 *
 * A packet that is passed on goes through the chains of every table, and one
 * that drops it is enough: carve cannot let through what another firewall holds
 * back, and does not write other tables. So it says so.
 */

import type { FoundChain } from '../kernel/nft/chains.ts';

const FAMILIES: readonly FoundChain['family'][] = ['ipv4', 'ipv6', 'inet'];
/** As nft(8) writes them. */
const FAMILY_WORD = { ipv4: 'ip', ipv6: 'ip6', inet: 'inet', bridge: 'bridge' } as const;

/** Sentences for who runs the host. `links`: of carve's bridges; none: nobody is concerned. */
export function strangersWarnings(
  chains: readonly FoundChain[],
  links: readonly string[],
): readonly string[] {
  const [link] = links;
  if (link === undefined) return [];
  return chains
    .filter(({ hook, policy, family, table }) => {
      const isOther = FAMILIES.includes(family) && !table.startsWith('carve-');
      return hook === 'forward' && policy === 'drop' && isOther;
    })
    .map(
      ({ family, table, chain }) =>
        `Another firewall of the host drops what it passes on and has no rule for (chain ${chain} of table ${FAMILY_WORD[family]} ${table}); without rules for the links of networks (${links.join(', ')}) containers reach nothing beyond the host. Beside Docker: iptables -I DOCKER-USER -i ${link} -j ACCEPT, and the same with -o`,
    );
}

/**
 * The link of the host that a network's containers are on: a bridge or a dummy
 * of the engine's, a parent that the user named, or a VLAN of such a parent
 * (`parent=eth0.50`), which is made where it is missing, as Docker does.
 */

import type { PlanOp } from '../kernel/plan/op.ts';
import { checkedLink, explainMaking } from './link-errors.ts';
import {
  decodeLink,
  type FoundLink,
  planAskLink,
  planMakeLink,
  planMakeVlan,
} from './plan/bridge.ts';
import { linkSettingsOf } from './settings.ts';
import type { NetworkRecord } from './store.ts';

/** What it works with. */
export interface LinkHost {
  /** Runs a host plan; what it answers. */
  readonly apply: (plan: readonly PlanOp[], failure: string) => Promise<Uint8Array>;
  /** Number of the links that this engine makes. */
  readonly group: number;
}

/** The link, made where it is the engine's to make. Errors: `not-found`, `conflict`, `invalid`, `unsupported`. */
export async function ensureHostLink(host: LinkHost, network: NetworkRecord): Promise<FoundLink> {
  const { link, vlan } = linkSettingsOf(network);
  const failure = `Cannot make network ${network.name}`;
  const run = async (plan: readonly PlanOp[]): Promise<Uint8Array> => {
    try {
      return await host.apply(plan, failure);
    } catch (error) {
      throw explainMaking(error, network);
    }
  };
  const first = decodeLink(await run(planMakeLink(network, host.group)));
  if (first !== undefined || vlan === undefined) return checkedLink(first, network, link);
  const base = decodeLink(await run(planAskLink(vlan.base)));
  const { index } = checkedLink(base, network, vlan.base);
  await run(planMakeVlan({ name: link, group: host.group }, { parentIndex: index, id: vlan.id }));
  return checkedLink(decodeLink(await run(planAskLink(link))), network, link);
}

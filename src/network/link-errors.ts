/** Why a network's link cannot be made or used, in sentences. Pure. */

import { EngineError, isEngineError } from '../base/error.ts';
import type { FoundLink } from './plan/bridge.ts';
import { linkSettingsOf } from './settings.ts';
import type { NetworkRecord } from './store.ts';

/** Number of `lo` in every network namespace. */
const LOOPBACK = 1;

/** The error of a plan that makes a link: the kernel may not know the kind; the parent of a VLAN may be down. */
export function explainMaking(error: unknown, network: NetworkRecord): unknown {
  if (!isEngineError(error)) return error;
  const { vlan } = linkSettingsOf(network);
  const { errno } = error.details;
  if (errno === 'ENETDOWN' && vlan !== undefined) {
    return new EngineError(
      'conflict',
      `Cannot make network ${network.name}: link ${vlan.base} of the host is down`,
      { cause: error, hint: `Set it up: ip link set ${vlan.base} up` },
    );
  }
  if (errno !== 'EOPNOTSUPP') return error;
  const kind = network.driver === 'bridge' ? 'bridge' : vlan === undefined ? 'dummy' : 'vlan';
  return new EngineError(
    'unsupported',
    `Cannot make network ${network.name}: the kernel knows no links of the kind ${kind}`,
    {
      cause: error,
      ...(kind === 'bridge' ? {} : { hint: 'Give a link that the host has, with -o parent=LINK' }),
    },
  );
}

/** The link, which is there and of the right kind. Errors: `not-found`; `conflict`; `invalid` parent. */
export function checkedLink(
  found: FoundLink | undefined,
  network: NetworkRecord,
  link: string,
): FoundLink {
  const failure = `Cannot make network ${network.name}`;
  if (found === undefined) {
    throw new EngineError('not-found', `${failure}: the host has no link ${link}`, {
      hint: 'Give one that the host has, with -o parent=LINK',
    });
  }
  if (network.driver === 'bridge' && found.kind !== 'bridge') {
    const kind = found.kind === '' ? 'a device' : `a ${found.kind} link`;
    throw new EngineError('conflict', `${failure}: link ${link} of the host is ${kind}`);
  }
  if (network.driver !== 'bridge' && found.index === LOOPBACK) {
    throw new EngineError(
      'invalid',
      `${failure}: the loopback link ${link} cannot be the parent of other links`,
    );
  }
  return found;
}

/**
 * The capabilities of a container, pure.
 *
 * Source: capabilities(7); Docker's defaults and its rules for
 * `--cap-add`/`--cap-drop`.
 */

import { EngineError } from '../../../base/error.ts';
import { CAPABILITIES } from '../../../kernel/plan/flags.ts';
import type { CapabilitySets } from '../../../spec/oci/runtime.ts';

/** What a container has unless told otherwise: Docker's 14. */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FSETID',
  'CAP_FOWNER',
  'CAP_MKNOD',
  'CAP_NET_RAW',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETFCAP',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_SYS_CHROOT',
  'CAP_KILL',
  'CAP_AUDIT_WRITE',
];

/** What a request says. */
export interface CapabilityRequest {
  readonly add: readonly string[];
  readonly drop: readonly string[];
  readonly isPrivileged: boolean;
  /** Held to an egress policy: raw packets, which can have anybody's address, only when asked for. */
  readonly isHeld?: boolean;
  /** Capabilities that carve itself has: `ALL` means these. */
  readonly available: readonly string[];
}

const KNOWN: ReadonlySet<string> = new Set(CAPABILITIES);

/**
 * The bounding set, in the order of the numbers. Dropping wins over adding,
 * but an added one survives `drop ALL`. Errors: `invalid` for an unknown name.
 */
export function boundingSet(request: CapabilityRequest): readonly string[] {
  if (request.isPrivileged) return sorted(new Set(request.available));
  const add = request.add.map(canonical);
  const drop = request.drop.map(canonical);
  const set = new Set(drop.includes('ALL') ? [] : DEFAULT_CAPABILITIES);
  if (request.isHeld === true) set.delete('CAP_NET_RAW');
  if (add.includes('ALL')) for (const name of request.available) set.add(name);
  for (const name of add) if (name !== 'ALL') set.add(name);
  for (const name of drop) set.delete(name);
  return sorted(set);
}

/** The five sets: another user than root keeps none but the bound. */
export function capabilitySets(bounding: readonly string[], uid: number): CapabilitySets {
  const held = uid === 0 ? bounding : [];
  return { bounding, permitted: held, effective: held, inheritable: [], ambient: [] };
}

/** `net_admin`, `CAP_NET_ADMIN`, `all` → `CAP_NET_ADMIN`, `ALL`. */
function canonical(text: string): string {
  const upper = text.toUpperCase();
  if (upper === 'ALL' || upper === 'CAP_ALL') return 'ALL';
  const name = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  if (KNOWN.has(name)) return name;
  throw new EngineError(
    'invalid',
    `invalid capability: unknown capability: ${JSON.stringify(text)}`,
  );
}

function sorted(set: ReadonlySet<string>): readonly string[] {
  return CAPABILITIES.filter((name) => set.has(name));
}

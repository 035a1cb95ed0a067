/** `container prune`. Source: Engine API `POST /containers/prune`; engine-api facts 10.5. */

import { isEngineError } from '../../base/error.ts';
import type { Filters } from '../engine.ts';
import { checkFilterKeys, filterValues, matchesLabels, parseMoment } from '../filters.ts';
import type { EngineParts } from '../parts.ts';
import type { Container } from './container.ts';
import { removeStopped } from './remove.ts';

const KEYS: ReadonlySet<string> = new Set(['label', 'label!', 'until']);

/** Removes containers that do not run. Errors: `invalid` filter. */
export async function pruneContainers(
  parts: EngineParts,
  filters: Filters,
): Promise<{ readonly deleted: readonly string[]; readonly spaceReclaimedBytes: number }> {
  checkFilterKeys(filters, KEYS);
  const nowNs = parts.clock.nowNs();
  const untilsNs = filterValues(filters, 'until').map((text) => parseMoment(text, nowNs));
  const deleted: string[] = [];
  let spaceReclaimedBytes = 0;
  // Of a copy: the collection changes on the way.
  for (const container of Array.from(parts.containers.all())) {
    if (!isPrunable(container)) continue;
    if (!matchesLabels(filters, container.record.config.Labels ?? {})) continue;
    if (untilsNs.some((limitNs) => container.record.createdAtNs >= limitNs)) continue;
    const freedBytes = await pruneOne(parts, container);
    if (freedBytes === undefined) continue;
    deleted.push(container.id);
    spaceReclaimedBytes += freedBytes;
  }
  parts.events.publish({
    type: 'container',
    action: 'prune',
    id: '',
    attributes: { reclaimed: String(spaceReclaimedBytes) },
  });
  return { deleted, spaceReclaimedBytes };
}

function isPrunable(container: Container): boolean {
  return !container.isAlive && container.state.phase !== 'restarting' && !container.isRemoving;
}

/** Bytes freed; `undefined` when it was started or removed in the meantime. */
async function pruneOne(parts: EngineParts, container: Container): Promise<number | undefined> {
  try {
    const { sizeBytes } = await parts.snapshots.usage(container.id);
    if (!isPrunable(container)) return undefined;
    await removeStopped(parts, container, { volumes: false, force: false });
    return sizeBytes;
  } catch (error) {
    if (isEngineError(error) && (error.kind === 'conflict' || error.kind === 'not-found'))
      return undefined;
    throw error;
  }
}

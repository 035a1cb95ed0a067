/**
 * `volume prune`: what no container has goes; the anonymous ones, with `all`
 * the named ones too. What only names files elsewhere is no room to gain and stays.
 *
 * Source: Engine API `POST /volumes/prune`; engine-api facts 10.5.
 */

import { EngineError } from '../../base/error.ts';
import type { VolumeRecord } from '../../volumes/store.ts';
import { parseDriverOptions } from '../../volumes/driver-options.ts';
import type { Filters } from '../engine.ts';
import { checkFilterKeys, filterValues, matchesLabels } from '../filters.ts';
import type { EngineParts } from '../parts.ts';
import { removeUnused } from './remove.ts';
import { usersByVolume } from './users.ts';

const KEYS: ReadonlySet<string> = new Set(['all', 'label', 'label!']);

/** Runs one prune at a time. */
export class VolumePruner {
  readonly #parts: EngineParts;
  #isRunning = false;

  constructor(parts: EngineParts) {
    this.#parts = parts;
  }

  /** Errors: `invalid` filter; `conflict` while another prune runs. */
  async prune(
    filters: Filters,
  ): Promise<{ readonly deleted: readonly string[]; readonly spaceReclaimedBytes: number }> {
    checkFilterKeys(filters, KEYS);
    const isAll = wantsAll(filterValues(filters, 'all'));
    if (this.#isRunning) {
      throw new EngineError('conflict', 'a prune operation is already running');
    }
    this.#isRunning = true;
    try {
      return await pruneVolumes(
        this.#parts,
        (volume) =>
          (isAll || volume.isAnonymous) &&
          matchesLabels(filters, volume.labels) &&
          parseDriverOptions(volume.driverOptions).mount === undefined,
      );
    } finally {
      this.#isRunning = false;
    }
  }
}

async function pruneVolumes(
  parts: EngineParts,
  isWanted: (volume: VolumeRecord) => boolean,
): Promise<{ readonly deleted: readonly string[]; readonly spaceReclaimedBytes: number }> {
  const users = usersByVolume(parts);
  const deleted: string[] = [];
  let spaceReclaimedBytes = 0;
  for (const volume of parts.volumes.list()) {
    if (users.has(volume.name) || !isWanted(volume)) continue;
    // What cannot be measured is deleted all the same.
    const usage = await parts.trees.measure(volume.mountpoint).catch(() => ({ sizeBytes: 0 }));
    if (!(await removeUnused(parts, volume))) continue;
    deleted.push(volume.name);
    spaceReclaimedBytes += usage.sizeBytes;
  }
  parts.events.publish({
    type: 'volume',
    action: 'prune',
    id: '',
    attributes: { reclaimed: String(spaceReclaimedBytes) },
  });
  return { deleted, spaceReclaimedBytes };
}

function wantsAll(values: readonly string[]): boolean {
  if (values.length === 0) return false;
  const [value = ''] = values;
  if (values.length === 1 && /^(?:1|t|true)$/i.test(value)) return true;
  if (values.length === 1 && /^(?:0|f|false)$/i.test(value)) return false;
  throw new EngineError('invalid', `invalid filter 'all=[${values.join(' ')}]'`);
}

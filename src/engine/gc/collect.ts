/**
 * One collection by the operator's policy: measure, plan, remove.
 *
 * **Invariant:** between plan and removal others work; each image is looked at
 * again in the same breath in which its record goes.
 */

import { type GcFacts, planGc, protectionOf } from '../../images/gc/plan.ts';
import { Shares } from '../../images/shares.ts';
import type { ImageRecord, ImageRemoval } from '../../images/store.ts';
import type { GcItem, GcReport } from '../../spec/image-tree.ts';
import { familiar } from '../images/describe.ts';
import { usersOf } from '../images/users.ts';
import type { EngineParts } from '../parts.ts';

/** Content no image names is kept so long, for a pull that goes on where it stopped. Milliseconds. */
const STRAY_CONTENT_MS = 7 * 24 * 3_600_000;

/** What a collection is told. */
export interface CollectOptions {
  /** Only say what would be done. */
  readonly isPlan: boolean;
  readonly signal?: AbortSignal;
  /** Called once with everything that was removed. */
  readonly onRemoved: (removals: readonly ImageRemoval[]) => void;
}

/** Collect once, or plan it. */
export async function collectByPolicy(
  parts: EngineParts,
  { isPlan, signal, onRemoved }: CollectOptions,
): Promise<GcReport> {
  const { images, gcPolicy, log } = parts;
  const users = usersOf(parts);
  const space = await images.space();
  const list = images.list();
  const facts: GcFacts = {
    images: list,
    users,
    shares: new Shares(space, list, ({ id }) => users(id).length > 0),
    nowMs: nowMsOf(parts),
  };
  const plan = planGc(gcPolicy, facts);
  const kept = plan.kept.map(({ image, reason }) => itemOf(image, reason, 0));
  const planned = plan.removals.map(({ image, reason, freesBytes }) =>
    itemOf(image, reason, freesBytes),
  );
  if (isPlan) {
    const bytes = planned.reduce((sum, { FreesBytes }) => sum + FreesBytes, 0);
    return { IsPlan: true, Removed: planned, Kept: kept, ReclaimedBytes: bytes };
  }
  const ids = new Set(planned.map(({ Id }) => Id));
  const isStillDue = (image: ImageRecord): boolean =>
    ids.has(image.id) &&
    protectionOf(gcPolicy, image, { users, nowMs: nowMsOf(parts) }) === undefined;
  const options = signal === undefined ? {} : { signal };
  const pruned = await images.prune({ danglingOnly: false, accept: isStillDue, users, ...options });
  const storedBeforeMs = nowMsOf(parts) - STRAY_CONTENT_MS;
  const swept = await images.collect({ ...options, storedBeforeMs });
  onRemoved(pruned.removals);
  const gone = new Set(
    pruned.removals.flatMap((removal) => (removal.kind === 'deleted' ? [removal.id] : [])),
  );
  const removed = planned.filter(({ Id }) => [...gone].some((id) => id === Id));
  for (const { Id, Names, Reason, FreesBytes } of removed)
    log.info('the collection removed an image', {
      id: Id,
      names: Names,
      reason: Reason,
      bytes: FreesBytes,
    });
  const reclaimedBytes = pruned.reclaimedBytes + swept.reclaimedBytes;
  return { IsPlan: false, Removed: removed, Kept: kept, ReclaimedBytes: reclaimedBytes };
}

function nowMsOf({ clock }: EngineParts): number {
  return Number(clock.nowNs() / 1_000_000n);
}

function itemOf(image: ImageRecord, reason: string, freesBytes: number): GcItem {
  return {
    Id: image.id,
    Names: [...image.tags, ...image.digests].map(familiar),
    Reason: reason,
    FreesBytes: freesBytes,
  };
}

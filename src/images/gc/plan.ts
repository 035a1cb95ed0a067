/**
 * What a collection would remove, in order, and why; and why the rest stays.
 * A pure decision over facts: it is printed, tested and then done.
 *
 * **Invariants**
 * - What a container uses, a kept name, a kept label, or a use within
 *   `usedWithin` protects is never in the plan.
 * - An image others were made from goes only after all of them.
 */
import type { Digest } from '../../base/brand.ts';
import type { Shares } from '../shares.ts';
import type { ImageRecord, ImageUser } from '../store.ts';
import type { GcPolicy } from './policy.ts';

/** What the decision looks at. */
export interface GcFacts {
  readonly images: readonly ImageRecord[];
  readonly users: (id: Digest) => readonly ImageUser[];
  /** Counts go down as the plan grows. */
  readonly shares: Shares;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
}

/** An image that goes. */
export interface GcRemoval {
  readonly image: ImageRecord;
  readonly reason: string;
  /** Bytes of layers and blobs that go with it, after those before it. */
  readonly freesBytes: number;
}

/** An image that stays though a rule wanted it. */
export interface GcKept {
  readonly image: ImageRecord;
  readonly reason: string;
}

/** What to do. */
export interface GcPlan {
  readonly removals: readonly GcRemoval[];
  readonly kept: readonly GcKept[];
}

/** Milliseconds since the epoch of the last use, pull or tag. */
export function lastUseMs(image: ImageRecord): number {
  return Math.max(image.addedAtMs, image.lastTaggedAtMs ?? 0, image.lastUsedAtMs ?? 0);
}

/** Why an image must stay whatever the rules say; `undefined`: it need not. */
export function protectionOf(
  policy: GcPolicy,
  image: ImageRecord,
  { users, nowMs }: Pick<GcFacts, 'users' | 'nowMs'>,
): string | undefined {
  const count = users(image.id).length;
  if (count > 0) return `${count} ${count === 1 ? 'container uses' : 'containers use'} it`;
  for (const name of [...image.tags, ...image.digests]) {
    const pattern = policy.keep.patternOf(name);
    if (pattern !== undefined) return `its name fits ${pattern}`;
  }
  const labels = image.config.config?.Labels ?? {};
  const label = policy.keep.labels.find((wanted) => hasLabel(labels, wanted));
  if (label !== undefined) return `it has the label ${label}`;
  if (nowMs - lastUseMs(image) < policy.keep.usedWithinMs)
    return `it was used within ${sayDuration(policy.keep.usedWithinMs)}`;
  return undefined;
}

/** Decide. */
export function planGc(policy: GcPolicy, facts: GcFacts): GcPlan {
  const { images, shares, nowMs } = facts;
  const left = new Set(images);
  const removals: GcRemoval[] = [];
  const kept = new Map<ImageRecord, string>();
  /** True when it goes. */
  const take = (image: ImageRecord, reason: string): boolean => {
    const why = protectionOf(policy, image, facts) ?? dependants(left, image);
    if (why !== undefined) {
      kept.set(image, why);
      return false;
    }
    const { layersBytes, contentBytes } = shares.remove(image.id);
    left.delete(image);
    kept.delete(image);
    removals.push({ image, reason, freesBytes: layersBytes + contentBytes });
    return true;
  };
  // Children before parents: as long as one goes, another may have become free.
  for (let hasProgress = true; hasProgress; ) {
    hasProgress = false;
    for (const image of byAge([...left])) {
      const reason = ageReason(policy, image, nowMs);
      if (reason !== undefined && take(image, reason)) hasProgress = true;
    }
  }
  takeAbove(policy, { left, shares, take });
  return { removals, kept: [...kept].map(([image, reason]) => ({ image, reason })) };
}

function takeAbove(
  { remove: { aboveBytes } }: GcPolicy,
  {
    left,
    shares,
    take,
  }: {
    readonly left: ReadonlySet<ImageRecord>;
    readonly shares: Shares;
    readonly take: (image: ImageRecord, reason: string) => boolean;
  },
): void {
  if (aboveBytes === undefined) return;
  for (let hasProgress = true; hasProgress && shares.totalBytes > aboveBytes; ) {
    hasProgress = false;
    for (const image of byAge([...left])) {
      if (shares.totalBytes <= aboveBytes) break;
      const reason = `images take ${sayBytes(shares.totalBytes)}, more than ${sayBytes(aboveBytes)}`;
      if (take(image, reason)) hasProgress = true;
    }
  }
}

/** The longest unused first. */
function byAge(images: readonly ImageRecord[]): readonly ImageRecord[] {
  return images.toSorted((a, b) => {
    const difference = lastUseMs(a) - lastUseMs(b);
    if (difference !== 0) return difference;
    return a.id < b.id ? -1 : 1;
  });
}

function ageReason(
  { remove: { untaggedAfterMs, unusedAfterMs } }: GcPolicy,
  image: ImageRecord,
  nowMs: number,
): string | undefined {
  const idleMs = nowMs - lastUseMs(image);
  if (image.tags.length === 0 && untaggedAfterMs !== undefined && idleMs >= untaggedAfterMs)
    return `it has no tag and was not used for ${sayDuration(untaggedAfterMs)}`;
  if (unusedAfterMs !== undefined && idleMs >= unusedAfterMs)
    return `it was not used for ${sayDuration(unusedAfterMs)}`;
  return undefined;
}

function dependants(left: ReadonlySet<ImageRecord>, image: ImageRecord): string | undefined {
  for (const other of left) if (other.parent === image.id) return 'another image was made from it';
  return undefined;
}

function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const at = wanted.indexOf('=');
  const key = at < 0 ? wanted : wanted.slice(0, at);
  return Object.hasOwn(labels, key) && (at < 0 || labels[key] === wanted.slice(at + 1));
}

const DURATIONS: readonly (readonly [string, number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
];

function sayDuration(ms: number): string {
  const [unit = 's', size = 1000] = DURATIONS.find(([, length]) => ms % length === 0) ?? [];
  return `${ms / size}${unit}`;
}

function sayBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(Math.max(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), 0), 4);
  return `${Number((bytes / 1000 ** power).toPrecision(4))} ${units[power] ?? 'B'}`;
}

/**
 * Images in Docker's words, pure.
 * Source: Engine API `ImageSummary`, `ImageInspect`, `HistoryResponseItem`; engine-api facts 6.2, 6.3.
 */

import type { ImageRecord, ImageStep } from '../../images/store.ts';
import type { HistoryItem, ImageInspect, ImageSummary } from '../../spec/docker/image.ts';
import { formatFamiliar, parseReference } from '../../spec/reference.ts';
import { parseTimeNs, ZERO_TIME } from '../../spec/time.ts';

/** Full name → the short one people type. */
export function familiar(name: string): string {
  return formatFamiliar(parseReference(name));
}

/** One row of `images`. `containers`: count that use it, -1 when not counted. */
export function summariseImage(
  image: ImageRecord,
  counts: {
    /** Count, or -1. */
    readonly containers: number;
    readonly sharedBytes: number;
  },
): ImageSummary {
  return {
    Id: image.id,
    ParentId: image.parent ?? '',
    RepoTags: image.tags.map(familiar),
    RepoDigests: image.digests.map(familiar),
    Created: createdSeconds(image.config.created),
    Size: image.sizeBytes,
    SharedSize: counts.sharedBytes,
    Labels: image.config.config?.Labels ?? {},
    Containers: counts.containers,
    Descriptor: { ...image.manifest },
  };
}

/** Seconds since the epoch; 0 when the image does not say, or says nonsense. */
export function createdSeconds(created: string | undefined): number {
  return Number(createdNs(created) / 1_000_000_000n);
}

/** Nanoseconds since the epoch; 0 when the image does not say, or says nonsense. */
export function createdNs(created: string | undefined): bigint {
  if (created === undefined) return 0n;
  try {
    return parseTimeNs(created);
  } catch {
    return 0n;
  }
}

/** All of one image. */
export function describeImage(image: ImageRecord): ImageInspect {
  const { config } = image;
  return {
    Id: image.id,
    RepoTags: image.tags.map(familiar),
    RepoDigests: image.digests.map(familiar),
    Parent: image.parent ?? '',
    Comment: commentOf(config),
    ...present('Created', config.created),
    DockerVersion: config.docker_version ?? '',
    Author: config.author ?? '',
    Config: config.config ?? null,
    Architecture: config.architecture,
    ...present('Variant', config.variant),
    Os: config.os,
    ...present('OsVersion', config['os.version']),
    Size: image.sizeBytes,
    GraphDriver: { Name: 'overlay2', Data: null },
    RootFS: { Type: 'layers', Layers: config.rootfs.diff_ids },
    Metadata: { LastTagTime: timeOf(image.lastTaggedAtMs) },
    Descriptor: { ...image.manifest },
  };
}

function commentOf(config: ImageRecord['config']): string {
  return config.comment ?? config.history?.at(-1)?.comment ?? '';
}

function timeOf(ms: number | undefined): string {
  return ms === undefined ? ZERO_TIME : new Date(ms).toISOString();
}

/** `{key: value}`, or nothing for `undefined`. */
function present<K extends string>(
  key: K,
  value: string | undefined,
): { readonly [P in K]?: string } {
  const object: Partial<Record<K, string>> = {};
  if (value !== undefined) object[key] = value;
  return object;
}

/** Steps oldest first → rows newest first. */
export function describeHistory(steps: readonly ImageStep[]): readonly HistoryItem[] {
  return steps
    .map((step) => ({
      Id: step.image?.id ?? '<missing>',
      Created: createdSeconds(step.created),
      CreatedBy: step.created_by ?? '',
      Tags:
        step.image === undefined || step.image.tags.length === 0
          ? null
          : step.image.tags.map(familiar),
      Size: step.sizeBytes,
      Comment: step.comment ?? '',
    }))
    .reverse();
}

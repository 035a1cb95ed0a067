/** Operations on the engine itself. Source: Engine API `/info`, `/system/df`, `/events`; engine-api facts 7. */

import { readdir } from 'node:fs/promises';
import type { Digest } from '../../base/brand.ts';
import { EngineError } from '../../base/error.ts';
import { Shares } from '../../images/shares.ts';
import type { ImageSpace } from '../../images/store.ts';
import type { DiskUsage, EngineEvent, SystemInfo, Volume } from '../../spec/docker/system.ts';
import { parseDriverOptions } from '../../volumes/driver-options.ts';
import { summarise } from '../containers/list.ts';
import { sizesOf } from '../containers/inspect.ts';
import type { Filters, SystemOperations } from '../engine.ts';
import { compileEventFilter } from '../events/filter.ts';
import { summariseImage } from '../images/describe.ts';
import { usersOf } from '../images/users.ts';
import type { EngineParts } from '../parts.ts';
import { describeVolume } from '../volumes/describe.ts';
import { usersByVolume } from '../volumes/users.ts';
import { describeSystem } from './info.ts';

/** The operations over `parts`. */
export function systemOperations(parts: EngineParts): SystemOperations {
  return {
    info: async () => readInfo(parts),
    diskUsage: async () => readDiskUsage(parts),
    events: (options) => followEvents(parts, options),
    login: async (auth) => {
      const { host, credentials } = parts.remote.decodeLogin(auth);
      const { identityToken } = await parts.remote.login(host, credentials);
      return { Status: 'Login Succeeded', IdentityToken: identityToken };
    },
  };
}

async function readInfo(parts: EngineParts): Promise<SystemInfo> {
  const fds = await readdir('/proc/self/fd').catch(() => []);
  const warnings = await parts.fabric.warnings().catch(() => []);
  return describeSystem(parts, {
    openFiles: fds.length,
    warnings: warnings.map((each) => `WARNING: ${each}`),
  });
}

function followEvents(
  parts: EngineParts,
  options: {
    readonly sinceNs?: bigint;
    readonly untilNs?: bigint;
    readonly filters: Filters;
    readonly signal?: AbortSignal;
  },
): AsyncIterable<EngineEvent> {
  const { sinceNs, untilNs, filters, ...rest } = options;
  if (sinceNs !== undefined && untilNs !== undefined && sinceNs > untilNs) {
    throw new EngineError('invalid', '`since` time cannot be after `until` time');
  }
  return parts.events.follow({
    ...rest,
    accept: compileEventFilter(filters),
    ...(sinceNs === undefined ? {} : { sinceNs }),
    ...(untilNs === undefined ? {} : { untilNs }),
  });
}

async function readDiskUsage(parts: EngineParts): Promise<DiskUsage> {
  const space = await parts.images.space();
  const images = parts.images.list();
  const shares = new Shares(space, images, () => false);
  const users = usersOf(parts);
  const nowNs = parts.clock.nowNs();
  const containers = await Promise.all(
    [...parts.containers.all()].map(async (container) => ({
      ...summarise(parts, container, nowNs),
      ...(await sizesOf(parts, container).catch(() => ({ SizeRw: 0, SizeRootFs: 0 }))),
    })),
  );
  const volumes = await measureVolumes(parts);
  return {
    // Blobs too: they lie beside the unpacked layers, and a prune frees both.
    LayersSize: shares.totalBytes,
    Images: images.map((image) => {
      const { layersBytes, contentBytes } = shares.freedBy(image.id);
      const Size = image.sizeBytes + contentOf(space, image.id);
      const sharedBytes = Size - layersBytes - contentBytes;
      return {
        ...summariseImage(image, { containers: users(image.id).length, sharedBytes }),
        Size,
      };
    }),
    Containers: containers,
    Volumes: volumes,
    BuildCache: [],
  };
}

/** Blobs of an image, in bytes. */
function contentOf({ holdings, blobs }: ImageSpace, id: Digest): number {
  return [...(holdings.get(id) ?? [])].reduce((sum, digest) => sum + (blobs.get(digest) ?? 0), 0);
}

/** Trees that are measured at a time. */
const MEASURE_LIMIT = 8;

/** Those whose files are elsewhere take no room here, and are left out as Docker does. */
async function measureVolumes(parts: EngineParts): Promise<readonly Volume[]> {
  const users = usersByVolume(parts);
  const waiting = parts.volumes
    .list()
    .filter(({ driverOptions }) => parseDriverOptions(driverOptions).mount === undefined);
  const measured: Volume[] = [];
  while (waiting.length > 0) {
    const some = waiting.splice(0, MEASURE_LIMIT).map(async (volume) => {
      const usage = await parts.trees.measure(volume.mountpoint).catch(() => undefined);
      const UsageData = {
        Size: usage?.sizeBytes ?? -1,
        RefCount: users.get(volume.name)?.length ?? 0,
      };
      return { ...describeVolume(volume), UsageData };
    });
    measured.push(...(await Promise.all(some)));
  }
  return measured;
}

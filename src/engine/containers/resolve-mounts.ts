/** A request's mounts with everything they refer to looked up: other containers, images, host paths. */

import { statSync } from 'node:fs';
import { EngineError } from '../../base/error.ts';
import type { ContainerConfig, HostConfig } from '../../spec/docker/container.ts';
import type { EngineParts } from '../parts.ts';
import type { ContainerMount } from './mount.ts';
import { inheritMounts, parseVolumesFrom, planContainerMounts } from './plan-mounts.ts';

/** Errors: `invalid`, e.g. a bind source that does not exist; `not-found` container or image. */
export function resolveMounts(
  parts: EngineParts,
  request: { readonly config: ContainerConfig; readonly hostConfig: HostConfig },
): readonly ContainerMount[] {
  const inherited = (request.hostConfig.VolumesFrom ?? []).flatMap((text) => {
    const { ref, readonly } = parseVolumesFrom(text);
    return inheritMounts(parts.containers.get(ref).record.mounts, readonly);
  });
  const mounts = planContainerMounts({ ...request, inherited });
  for (const mount of mounts) checkSource(mount);
  return mounts.map((mount) => (mount.type === 'image' ? resolveImage(parts, mount) : mount));
}

function checkSource(mount: ContainerMount): void {
  if (mount.type !== 'bind' || mount.createSource) return;
  if (statSync(mount.source, { throwIfNoEntry: false }) === undefined) throw missingSource(mount);
}

/** Docker's words for a `--mount` whose source is not there. */
export function missingSource(mount: ContainerMount): EngineError {
  return new EngineError(
    'invalid',
    `invalid mount config for type "bind": bind source path does not exist: ${mount.source}`,
  );
}

function resolveImage(parts: EngineParts, mount: ContainerMount): ContainerMount {
  return { ...mount, source: parts.images.get(mount.source).id };
}

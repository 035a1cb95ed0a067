/** A request's mounts with everything they refer to looked up: other containers, images, host paths. */

import { statSync } from 'node:fs';
import { EngineError } from '../../base/error.ts';
import type { ContainerConfig, HostConfig } from '../../spec/docker/container.ts';
import type { EngineParts } from '../parts.ts';
import type { Container } from './container.ts';
import type { ContainerMount } from './mount.ts';
import { inheritMounts, parseVolumesFrom, planContainerMounts } from './plan-mounts.ts';

/** Errors: `invalid`, e.g. a bind source that does not exist; `not-found` container or image. */
export function resolveMounts(
  parts: EngineParts,
  request: { readonly config: ContainerConfig; readonly hostConfig: HostConfig },
): readonly ContainerMount[] {
  const inherited = (request.hostConfig.VolumesFrom ?? []).flatMap((text) => {
    const { ref, readonly } = parseVolumesFrom(text);
    return inheritMounts(namedContainer(parts, ref).record.mounts, readonly);
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

/** Errors: `invalid`. Not `not-found`: of a create that means the image, and Docker's CLI would go and pull it. */
function namedContainer(parts: EngineParts, ref: string): Container {
  const container = parts.containers.find(ref);
  if (container !== undefined) return container;
  throw new EngineError('invalid', `No such container: ${ref}`);
}

/** Errors: `invalid`, for the same reason. */
function resolveImage(parts: EngineParts, mount: ContainerMount): ContainerMount {
  const image = parts.images.find(mount.source);
  if (image !== undefined) return { ...mount, source: image.id };
  throw new EngineError(
    'invalid',
    `invalid mount config for type "image": No such image: ${mount.source}`,
  );
}

/**
 * Directories that are filled, or bounded, before a volume is made of them:
 * nobody ever sees a volume half-made, and what a crash leaves is swept.
 */

import type { HostPath } from '../../base/brand.ts';
import { parseDriverOptions } from '../../volumes/driver-options.ts';
import type { StagedDirectory, VolumeRequest } from '../../volumes/store.ts';
import type { EngineParts } from '../parts.ts';

/** Puts files into an empty directory; false: there are none, and it stays as it is. */
export type FillDirectory = (directory: HostPath) => Promise<boolean>;

/**
 * The directory of a new volume; `undefined` when an ordinary empty one does.
 * Precondition: the volume's name is locked. Errors: those of `check`, of `fill`
 * and of quotas; then nothing is left.
 */
export async function stageVolume(
  parts: EngineParts,
  request: VolumeRequest,
  fill?: FillDirectory,
): Promise<StagedDirectory | undefined> {
  parts.volumes.check(request);
  const { sizeBytes } = parseDriverOptions(request.driverOptions);
  if (sizeBytes === undefined && fill === undefined) return undefined;
  const path = parts.volumes.stage();
  try {
    parts.failpoints.hit('volume-stage.made');
    const projectId = sizeBytes === undefined ? undefined : parts.volumes.nextProjectId();
    // Before anything is in it: what comes later inherits the bound.
    if (projectId !== undefined && sizeBytes !== undefined)
      await parts.copies.limit(path, { projectId, sizeBytes });
    const isFilled = await fill?.(path);
    parts.failpoints.hit('volume-stage.filled');
    if (projectId !== undefined) return { path, projectId };
    if (isFilled === true) return { path };
    parts.volumes.discard(path);
    return undefined;
  } catch (error) {
    parts.volumes.discard(path);
    throw error;
  }
}

/**
 * Directories that are filled, or bounded, before a volume is made of them:
 * nobody ever sees a volume half-made, and what a crash leaves is swept.
 */

import type { HostPath } from '../../base/brand.ts';
import { EngineError, isEngineError } from '../../base/error.ts';
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
      await limit(parts, request.name, { path, projectId, sizeBytes });
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

/** Errors: those of quotas, with the volume's name. */
async function limit(
  parts: EngineParts,
  name: string,
  bound: { readonly path: HostPath; readonly projectId: number; readonly sizeBytes: number },
): Promise<void> {
  const { path, ...quota } = bound;
  try {
    await parts.copies.limit(path, quota);
  } catch (error) {
    if (!isEngineError(error)) throw error;
    const { kind, message, details, hint } = error;
    throw new EngineError(kind, `create ${name}: ${message}`, {
      details,
      cause: error,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

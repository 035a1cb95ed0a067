/**
 * Other containers that a request names (`container:web`), as full ids: a
 * later rename changes nothing.
 * Source: Engine API `HostConfig.{NetworkMode,PidMode,IpcMode,UTSMode}`.
 */

import { EngineError } from '../../base/error.ts';
import type { HostConfig } from '../../spec/docker/container.ts';
import type { EngineParts } from '../parts.ts';

const PREFIX = 'container:';

/**
 * Errors: `invalid` with `No such container: X`. Not `not-found`: of a create
 * that means the image, and Docker's CLI would go and pull it.
 */
export function resolveReferences(parts: EngineParts, hostConfig: HostConfig): HostConfig {
  const { NetworkMode, PidMode, IpcMode, UTSMode } = hostConfig;
  const modes = [NetworkMode, PidMode, IpcMode, UTSMode];
  if (!modes.some((mode) => mode?.startsWith(PREFIX) === true)) return hostConfig;
  return {
    ...hostConfig,
    NetworkMode: resolve(parts, NetworkMode ?? ''),
    PidMode: resolve(parts, PidMode ?? ''),
    IpcMode: resolve(parts, IpcMode ?? ''),
    UTSMode: resolve(parts, UTSMode ?? ''),
  };
}

function resolve(parts: EngineParts, mode: string): string {
  const ref = referredContainer(mode);
  if (ref === undefined || ref === '') return mode;
  const other = parts.containers.find(ref);
  if (other === undefined) throw new EngineError('invalid', `No such container: ${ref}`);
  return `${PREFIX}${other.id}`;
}

/** `web` of `container:web`; `undefined` for any other mode. */
export function referredContainer(mode: string | undefined): string | undefined {
  return mode?.startsWith(PREFIX) === true ? mode.slice(PREFIX.length) : undefined;
}

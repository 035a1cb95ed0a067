/** Where a container's own files are. Ids are 64 hex digits, so every path is one of carve's. */

import { hostPath } from '../../base/host-path.ts';
import type { HostPath } from '../../base/brand.ts';
import type { EnginePaths } from '../parts.ts';

/** Log segments and exit record; 0700. */
export function stateDirOf(paths: EnginePaths, id: string): HostPath {
  return hostPath(`${paths.root}/containers/${id}`);
}

/** The monitor's socket, hosts, hostname, resolv.conf; 0700. */
export function runDirOf(paths: EnginePaths, id: string): HostPath {
  return hostPath(`${paths.run}/c/${id}`);
}

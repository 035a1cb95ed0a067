/** `info` as a client's version knows it. Source: Docker Engine API, version history; engine-api facts 7. */

import type { SystemInfo } from '../../spec/docker/system.ts';

/** What `info` says to a client of this version: before 1.49 nothing of the firewall. */
export function shapeInfo(info: SystemInfo, version: number): object {
  if (version >= 49) return info;
  const { FirewallBackend: _, ...known } = info;
  return known;
}

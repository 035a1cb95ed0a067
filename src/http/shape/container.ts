/**
 * Containers as a client's version knows them.
 * Source: Docker Engine API, version history; engine-api facts 1.2, 6.1, 6.2.
 */

import { shortId } from '../../base/id.ts';
import type { ContainerInspect, ContainerSummary } from '../../spec/docker/inspect.ts';
import { shapeNetworkSettings } from './endpoint.ts';

/** Answer of `GET /containers/{id}/json`. */
export function shapeInspect(inspect: ContainerInspect, version: number): object {
  const names = { shortId: shortId(inspect.Id), hostname: inspect.Config.Hostname ?? '' };
  return {
    ...inspect,
    NetworkSettings: shapeNetworkSettings(inspect.NetworkSettings, names, version),
  };
}

/** One row of `GET /containers/json`. Annotations are shown from 1.46 on. */
export function shapeSummary(summary: ContainerSummary, version: number): object {
  if (version >= 46 || summary.HostConfig.Annotations === undefined) return summary;
  return { ...summary, HostConfig: { NetworkMode: summary.HostConfig.NetworkMode } };
}

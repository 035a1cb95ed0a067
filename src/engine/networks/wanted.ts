/** Which networks with links of their own a container is on, from its record. */

import { EngineError } from '../../base/error.ts';
import type { NetworkRecord } from '../../network/store.ts';
import type { EndpointSettings } from '../../spec/docker/container.ts';
import type { ContainerRecord } from '../containers/record.ts';
import type { EngineParts } from '../parts.ts';
import { findNetwork } from './find.ts';

/** A network, and what was asked of it. */
export interface WantedEndpoint {
  readonly network: NetworkRecord;
  readonly settings: EndpointSettings;
}

/** In the order of their interfaces. Errors: `not-found` when a network is gone. */
export function networksOfRecord(
  parts: EngineParts,
  record: ContainerRecord,
): readonly WantedEndpoint[] {
  return Object.entries(record.endpoints).flatMap(([name, settings]): readonly WantedEndpoint[] => {
    const network = findNetwork(parts, name);
    if (network === undefined) throw new EngineError('not-found', `network ${name} not found`);
    if (network.driver === 'host' || network.driver === 'null') return [];
    return [{ network, settings: settings ?? {} }];
  });
}

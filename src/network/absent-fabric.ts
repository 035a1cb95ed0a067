/** A fabric that can make nothing: `host` and `none` need nothing of it. */

import { EngineError } from '../base/error.ts';
import type { Network } from '../spec/cidr.ts';
import type { NetworkFabric } from './fabric.ts';
import { readRoutes } from './read-routes.ts';
import type { NetworkRecord } from './store.ts';

/** See the module. */
export class AbsentFabric implements NetworkFabric {
  async ensure(network: NetworkRecord): Promise<void> {
    if (network.driver === 'host' || network.driver === 'null') return;
    throw new EngineError(
      'unsupported',
      `Cannot make network ${network.name}: this version of carve has no ${network.driver} networks yet`,
    );
  }

  async remove(): Promise<void> {
    // It made nothing.
  }

  routes(): readonly Network[] {
    return readRoutes();
  }
}

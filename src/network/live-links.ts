/**
 * The links of containers that run already: put into their namespaces, taken
 * from them, and made again where somebody deleted them.
 *
 * **Invariant:** a link that could not be put whole is not there.
 */

import { isEngineError, messageOf } from '../base/error.ts';
import type { Log } from '../base/log.ts';
import type { PlanOp } from '../kernel/plan/op.ts';
import type { Endpoint } from './endpoint.ts';
import type { NamespaceOwner, NetworkedEndpoint } from './fabric.ts';
import { lostEnds } from './lost-ends.ts';
import {
  hasMadeLink,
  planCut,
  planDefaultRoutes,
  planJoin,
  planLeave,
  type PlannedEndpoint,
} from './plan/endpoint.ts';

/** What it works with. */
export interface LiveLinksOptions {
  /** Runs a host plan. Errors: `EngineError`. */
  readonly apply: (plan: readonly PlanOp[], failure: string) => Promise<unknown>;
  readonly log: Log;
  /** With the numbers of links. Errors: `internal` for a network that was not made ready. */
  readonly planned: (each: NetworkedEndpoint) => PlannedEndpoint;
}

/** See the module. `failure`: first part of an error's sentence. */
export class LiveLinks {
  readonly #options: LiveLinksOptions;

  constructor(options: LiveLinksOptions) {
    this.#options = options;
  }

  /** Give the container a link it does not have. */
  async put(owner: NamespaceOwner, added: NetworkedEndpoint, failure: string): Promise<void> {
    const { apply, log, planned } = this.#options;
    const plan = planJoin(owner, [planned(added)]);
    try {
      await apply(plan, failure);
    } catch (error) {
      const { index } = isEngineError(error) ? error.details : {};
      const failedAt = typeof index === 'number' ? index : undefined;
      if (!hasMadeLink(plan, failedAt)) throw error;
      const what = 'Cannot take a link that could not be put whole';
      await this.take(owner, added.endpoint, what).catch((cause: unknown) => {
        log.warn(what, { network: added.network.name, error: messageOf(cause) });
      });
      throw error;
    }
  }

  /** Take a link away, and what it left in the container. It need not be there. */
  async take(owner: NamespaceOwner, endpoint: Endpoint, failure: string): Promise<void> {
    await this.#options.apply(planLeave(owner, endpoint), failure);
  }

  /** Send the default routes by these. */
  async route(
    owner: NamespaceOwner,
    endpoints: readonly Endpoint[],
    failure: string,
  ): Promise<void> {
    await this.#options.apply(planDefaultRoutes(owner, endpoints), failure);
  }

  /** Put again what of `seats`, all of one container's, has no end among the host's `links`; their networks' names. */
  async relink(
    owner: NamespaceOwner,
    seats: readonly NetworkedEndpoint[],
    links: ReadonlySet<string>,
  ): Promise<readonly string[]> {
    const failure = 'Cannot make the links of the container again';
    const lost = lostEnds(seats, links);
    for (const each of lost) {
      // Of the old link its rules in the container are left.
      await this.take(owner, each.endpoint, failure);
      await this.put(owner, each, failure);
    }
    const endpoints = seats.map(({ endpoint }) => endpoint);
    if (lost.length > 0) await this.route(owner, endpoints, failure);
    return lost.map(({ network }) => network.name);
  }

  /** Take links of a container that ended from whoever shares its namespace; `owner`: one of them. */
  async cut(endpoints: readonly Endpoint[], owner: NamespaceOwner | undefined): Promise<void> {
    const failure =
      'Cannot take the links of a container that ended from those who share its network';
    await this.#options.apply(planCut(endpoints), failure);
    for (const child of endpoints.filter(({ hostLink }) => hostLink === '')) {
      if (owner === undefined) continue;
      // Whoever ended meanwhile has no link any more.
      await this.take(owner, child, failure).catch((error: unknown) => {
        this.#options.log.debug(failure, { error: messageOf(error) });
      });
    }
  }
}

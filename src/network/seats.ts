/** Which running container is on which network of one engine, by which endpoints. In memory. */

import type { EndpointPort } from './endpoint.ts';
import type { NetworkedEndpoint } from './fabric.ts';

/** See the module. */
export class Seats {
  readonly #byContainer = new Map<string, readonly NetworkedEndpoint[]>();

  /** A container begins, or is found. */
  set(containerId: string, endpoints: readonly NetworkedEndpoint[]): void {
    if (endpoints.length === 0) this.#byContainer.delete(containerId);
    else this.#byContainer.set(containerId, endpoints);
  }

  /** One more. */
  add(containerId: string, added: NetworkedEndpoint): void {
    this.set(containerId, [...this.of(containerId), added]);
  }

  /** One less. Idempotent. */
  remove(containerId: string, endpointId: string): void {
    this.set(
      containerId,
      this.of(containerId).filter(({ endpoint }) => endpoint.id !== endpointId),
    );
  }

  /** Each container with its endpoints. */
  entries(): Iterable<readonly [containerId: string, endpoints: readonly NetworkedEndpoint[]]> {
    return this.#byContainer;
  }

  /** Of one container. */
  of(containerId: string): readonly NetworkedEndpoint[] {
    return this.#byContainer.get(containerId) ?? [];
  }

  /** The ports that are published for one container. */
  portsOf(containerId: string): readonly EndpointPort[] {
    return this.of(containerId).flatMap(({ endpoint }) => endpoint.ports);
  }

  /** The ports that are published for all. */
  ports(): readonly EndpointPort[] {
    return this.all().flatMap(({ endpoint }) => endpoint.ports);
  }

  /** Of all. */
  all(): readonly NetworkedEndpoint[] {
    return [...this.#byContainer.values()].flat();
  }

  /** Somebody is on a bridge. */
  hasBridge(): boolean {
    for (const endpoints of this.#byContainer.values())
      if (endpoints.some(({ network }) => network.driver === 'bridge')) return true;
    return false;
  }
}

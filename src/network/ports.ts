/**
 * Which host ports are published for which container, in memory, as
 * `leases.ts` is. What other programs of the host have is the kernel's to say,
 * when the port is reserved.
 *
 * **Invariant:** no two containers have a port of the same protocol on
 * addresses that overlap.
 */

import { EngineError } from '../base/error.ts';
import { formatAddress, type Address } from '../spec/cidr.ts';
import { type EndpointPort, isDirect } from './endpoint.ts';

/** A port on the host. */
export type HostPort = Pick<EndpointPort, 'protocol' | 'host' | 'hostPort'>;

/** Who has it. */
export interface PortOwner {
  readonly id: string;
  readonly name: string;
}

/** The published ports of one engine. */
export class PortBook {
  /** `tcp/80` → who has it on which address. */
  readonly #claims = new Map<string, { readonly host: Address; readonly owner: PortOwner }[]>();

  #nextEphemeral = 0;

  /** Ports that are on their way back: whoever wants one waits for it. */
  readonly returning: Set<Promise<void>> = new Set();

  /** Where the search for a port without a number begins: after the last one given, so that a freed one rests. */
  get nextEphemeral(): number {
    return this.#nextEphemeral;
  }

  /** The last of them was found by such a search. */
  restAfter(hostPort: number): void {
    this.#nextEphemeral = hostPort + 1;
  }

  /** Who has this port on an address that overlaps; `undefined`: it is free. */
  ownerOf(port: HostPort): PortOwner | undefined {
    const claims = this.#claims.get(keyOf(port)) ?? [];
    return claims.find(({ host }) => overlap(host, port.host))?.owner;
  }

  /** Errors: `conflict` that names the owner; nothing is claimed then. */
  claim(owner: PortOwner, asked: readonly HostPort[]): void {
    const ports = asked.filter((port) => !isDirect(port));
    for (const [index, port] of ports.entries()) {
      const other = this.ownerOf(port);
      if (other === undefined) {
        this.#add(port, owner);
        continue;
      }
      this.release(owner.id, ports.slice(0, index));
      throw portTaken(port, `container ${other.name}`);
    }
  }

  /** Idempotent. */
  release(ownerId: string, ports: readonly HostPort[]): void {
    for (const port of ports) {
      const key = keyOf(port);
      const rest = (this.#claims.get(key) ?? []).filter(
        ({ host, owner }) => owner.id !== ownerId || !isSame(host, port.host),
      );
      if (rest.length === 0) this.#claims.delete(key);
      else this.#claims.set(key, rest);
    }
  }

  #add(port: HostPort, owner: PortOwner): void {
    const key = keyOf(port);
    const claims = this.#claims.get(key);
    if (claims === undefined) this.#claims.set(key, [{ host: port.host, owner }]);
    else claims.push({ host: port.host, owner });
  }
}

/** The error of a port that somebody else has. `owner`: e.g. `container web`, `another program of the host`. */
export function portTaken(port: HostPort, owner: string): EngineError {
  const address = formatAddress(port.host);
  const shown = port.host.family === 'ipv6' ? `[${address}]` : address;
  return new EngineError(
    'conflict',
    `Bind for ${shown}:${port.hostPort} failed: port is already allocated: ${port.protocol} port ${port.hostPort} is in use by ${owner}`,
    { details: { protocol: port.protocol, hostPort: port.hostPort, owner } },
  );
}

function keyOf({ protocol, hostPort }: HostPort): string {
  return `${protocol}/${hostPort}`;
}

function isSame(a: Address, b: Address): boolean {
  return a.family === b.family && a.value === b.value;
}

/** An unspecified address is every address of its family. */
function overlap(a: Address, b: Address): boolean {
  return a.family === b.family && (a.value === 0n || b.value === 0n || a.value === b.value);
}

/** What `GET /carve/network/exposure` says: who reaches which port from where. */

/**
 * Where packets may come from: this machine; other machines; containers of
 * other networks, where they may leave theirs; containers of the same network.
 * Source: docs/api-coverage.md, carve's own.
 */
export type ExposedTo = 'host' | 'lan' | 'containers' | 'peers';

/** One way to a container. Source: docs/api-coverage.md, carve's own. */
export interface ExposureWay {
  /** Name of the network. */
  readonly Network: string;
  /** `80/tcp`; `*`: every port. */
  readonly Port: string;
  /** What is dialled: `0.0.0.0:8080` of this machine, or the container's own address. */
  readonly At: string;
  readonly IsPublished: boolean;
  /** Nobody, when empty. */
  readonly From: readonly ExposedTo[];
  /** Names of the containers that `peers` means. */
  readonly Peers: readonly string[];
  /** Links of the host that other machines come by; absent: any. */
  readonly Links?: readonly string[];
}

/** What a container reaches beyond containers of its own networks. Source: docs/api-coverage.md, carve's own. */
export type EgressReach = 'everything' | 'list' | 'nothing' | 'as-the-host';

/** One running container. Source: docs/api-coverage.md, carve's own. */
export interface ContainerExposure {
  readonly ContainerId: string;
  readonly ContainerName: string;
  readonly Ways: readonly ExposureWay[];
  readonly Reaches: EgressReach;
  /** The entries of `list`, of each list that holds. */
  readonly Allowed: readonly (readonly string[])[];
}

/** The whole answer. Source: docs/api-coverage.md, carve's own. */
export interface NetworkExposure {
  /** Running containers, by name. */
  readonly Containers: readonly ContainerExposure[];
}

/** What carve's own endpoints about egress say. */

/** How a container asks for a policy: `HostConfig.CarveEgress`. Source: docs/api-coverage.md, carve's own. */
export interface EgressConfig {
  /** `deny` or `allow`; empty: deny when there is a list. */
  readonly Mode?: string;
  /** Entries as `example.org:443`, `*.example.org`, `10.0.0.0/8:5432/tcp`. */
  readonly Allow?: readonly string[] | null;
}

/** One thing that a container tried and might not. Source: docs/api-coverage.md, carve's own. */
export interface EgressDenial {
  readonly ContainerId: string;
  readonly ContainerName: string;
  /** `packet`: the first of a connection, by where it went; `name`: a question that was refused. */
  readonly Kind: 'packet' | 'name';
  /** Of a packet. */
  readonly Address?: string;
  /** Of a packet: a name, or a number where it has none. */
  readonly Protocol?: string;
  /** Of a packet that has one. */
  readonly Port?: number;
  /** Of a question. */
  readonly Name?: string;
  readonly Count: number;
  /** RFC 3339. */
  readonly LastAt: string;
}

/** Answer of `GET /carve/egress/log`. Source: docs/api-coverage.md, carve's own. */
export interface EgressLog {
  /** The newest first. */
  readonly Entries: readonly EgressDenial[];
}

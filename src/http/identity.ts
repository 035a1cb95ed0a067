/** What the server says of itself. */

/** Facts of the build and the process; given by whoever starts the server. */
export interface ServerIdentity {
  /** Version of carve. */
  readonly version: string;
  /** Short hash; empty when unknown. */
  readonly gitCommit: string;
  /** RFC 3339; empty when unknown. */
  readonly buildTime: string;
  /** The JavaScript runtime, e.g. `bun1.4.5`. */
  readonly runtime: string;
}

/** The runtime this process runs on. */
export function runtimeName(versions: Readonly<Record<string, string | undefined>>): string {
  const { bun, node } = { bun: versions['bun'], node: versions['node'] };
  return bun === undefined ? `node${node ?? ''}` : `bun${bun}`;
}

/**
 * The volume endpoints of the Engine API, typed, and carve's own.
 *
 * Source: Docker Engine API 1.51, "Volume"; docs/api-coverage.md.
 */

import type { Volume } from '../spec/docker/system.ts';
import type { RequestBody } from './http/connection.ts';
import { encodeSegment } from './http/message.ts';
import type { ByteQueue } from './http/queue.ts';
import type { Transport } from './transport.ts';
import { encodeFilters, type CallOptions, type Filters } from './types.ts';

/** What to make. Source: Engine API `VolumeCreateOptions`. */
export interface VolumeCreateOptions {
  readonly Name?: string;
  readonly Driver?: string;
  readonly DriverOpts?: Readonly<Record<string, string>>;
  readonly Labels?: Readonly<Record<string, string>>;
}

/** How to copy. Source: docs/api-coverage.md, "carve's own". */
export interface VolumeCopyOptions {
  /** Empty: made of the source's name and the time. */
  readonly Name?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly Pause?: boolean;
}

/** Operations on volumes. Every method throws `EngineError`. */
export interface VolumeClient {
  create(options: VolumeCreateOptions): Promise<Volume>;
  list(filters?: Filters, options?: CallOptions): Promise<readonly Volume[]>;
  inspect(name: string): Promise<Volume>;
  remove(name: string, options?: { readonly force?: boolean }): Promise<void>;
  prune(filters?: Filters): Promise<{
    readonly VolumesDeleted: readonly string[] | null;
    /** Bytes. */
    readonly SpaceReclaimed: number;
  }>;
  clone(name: string, options: VolumeCopyOptions): Promise<Volume>;
  snapshot(name: string, options: VolumeCopyOptions): Promise<Volume>;
  rename(name: string, newName: string): Promise<Volume>;
  export(name: string, options?: CallOptions): Promise<ByteQueue>;
  import(
    what: { readonly name: string; readonly labels?: Readonly<Record<string, string>> },
    archive: RequestBody,
  ): Promise<Volume>;
}

/** The volume endpoints of one engine. */
export function createVolumeClient(transport: Transport): VolumeClient {
  return { ...recordsOf(transport), ...copiesOf(transport) };
}

function recordsOf(
  transport: Transport,
): Pick<VolumeClient, 'create' | 'list' | 'inspect' | 'remove' | 'prune'> {
  return {
    create: (options) => transport.json({ method: 'POST', path: '/volumes/create', json: options }),
    list: async (filters, { signal } = {}) => {
      const query = { filters: encodeFilters(filters) };
      const request = { method: 'GET', path: '/volumes', query, signal } as const;
      const { Volumes } = await transport.json<{ readonly Volumes: readonly Volume[] | null }>(
        request,
      );
      return Volumes ?? [];
    },
    inspect: (name) => transport.json({ method: 'GET', path: `/volumes/${encodeSegment(name)}` }),
    remove: async (name, { force } = {}) => {
      await transport.send({
        method: 'DELETE',
        path: `/volumes/${encodeSegment(name)}`,
        query: { force },
      });
    },
    prune: (filters) =>
      transport.json({
        method: 'POST',
        path: '/volumes/prune',
        query: { filters: encodeFilters(filters) },
      }),
  };
}

function copiesOf(
  transport: Transport,
): Pick<VolumeClient, 'clone' | 'snapshot' | 'rename' | 'export' | 'import'> {
  const pathOf = (name: string, verb: string): string =>
    `/carve/volumes/${encodeSegment(name)}/${verb}`;
  return {
    clone: (name, options) =>
      transport.json({ method: 'POST', path: pathOf(name, 'clone'), json: options }),
    snapshot: (name, options) =>
      transport.json({ method: 'POST', path: pathOf(name, 'snapshot'), json: options }),
    rename: (name, newName) =>
      transport.json({ method: 'POST', path: pathOf(name, 'rename'), json: { Name: newName } }),
    export: async (name, { signal } = {}) =>
      (await transport.stream({ method: 'GET', path: pathOf(name, 'export'), signal })).body,
    import: ({ name, labels = {} }, archive) =>
      transport.json({
        method: 'POST',
        path: '/carve/volumes/import',
        query: { name, label: Object.entries(labels).map(([key, value]) => `${key}=${value}`) },
        body: archive,
        contentType: 'application/x-tar',
      }),
  };
}

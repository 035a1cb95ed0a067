/**
 * The image endpoints of the Engine API, typed. `ref` is an id, a short id, a
 * name, `name:tag` or `name@digest`.
 *
 * Source: Docker Engine API 1.51, "Image".
 */

import type {
  HistoryItem,
  ImageDeleteItem,
  ImageInspect,
  ImageSummary,
} from '../spec/docker/image.ts';
import type { GcReport, ImageTree } from '../spec/image-tree.ts';
import type { RequestBody } from './http/connection.ts';
import { encodeImagePath } from './http/message.ts';
import type { ByteQueue } from './http/queue.ts';
import { decodeAs } from './decode.ts';
import { readJsonStream } from './json.ts';
import type { Transport, TransportRequest } from './transport.ts';
import {
  encodeFilters,
  encodePlatform,
  type CallOptions,
  type Filters,
  type Progress,
} from './types.ts';

/** Which platform an image must be for. */
export interface PlatformCall {
  /** `os/arch[/variant]`; empty: any. */
  readonly platform?: string | undefined;
}

/** What to import. */
export interface ImportOptions extends CallOptions {
  /** A URL the engine fetches, or the archive itself. */
  readonly source: string | { readonly archive: RequestBody };
  readonly repository?: string;
  readonly tag?: string;
  readonly message?: string;
  readonly platform?: string | undefined;
  /** Dockerfile instructions, e.g. `CMD ["bash"]`. */
  readonly changes: readonly string[];
}

/** What to pull or push. */
export interface RegistryOptions extends CallOptions {
  /** Base64url of the credentials, as `X-Registry-Auth` has them. */
  readonly auth?: string | undefined;
  /** `os/arch[/variant]`. */
  readonly platform?: string | undefined;
}

/** One hit of a search. Source: Engine API `ImageSearchResponseItem`. */
export interface SearchResult {
  readonly name: string;
  readonly description: string;
  /** Count. */
  readonly star_count: number;
  readonly is_official: boolean;
}

/** Operations on images. Every method throws `EngineError`. */
export interface ImageClient {
  list(
    options?: CallOptions & {
      readonly all?: boolean;
      readonly filters?: Filters;
      readonly digests?: boolean;
    },
  ): Promise<readonly ImageSummary[]>;
  inspect(ref: string, options?: CallOptions & PlatformCall): Promise<ImageInspect>;
  history(ref: string, options?: PlatformCall): Promise<readonly HistoryItem[]>;
  tag(ref: string, target: { readonly repository: string; readonly tag: string }): Promise<void>;
  remove(
    ref: string,
    options?: PlatformCall & { readonly force?: boolean; readonly noPrune?: boolean },
  ): Promise<readonly ImageDeleteItem[]>;
  load(
    archive: RequestBody,
    options?: CallOptions & PlatformCall & { readonly quiet?: boolean },
  ): AsyncIterable<Progress>;
  save(refs: readonly string[], options?: CallOptions & PlatformCall): Promise<ByteQueue>;
  import(options: ImportOptions): AsyncIterable<Progress>;
  /** `tag`: a tag or a digest; empty: all tags. */
  pull(
    target: { readonly repository: string; readonly tag: string },
    options?: RegistryOptions,
  ): AsyncIterable<Progress>;
  /** `tag` empty: all tags. */
  push(
    target: { readonly repository: string; readonly tag: string },
    options?: RegistryOptions,
  ): AsyncIterable<Progress>;
  search(
    term: string,
    options?: CallOptions & {
      /** Count of results. */
      readonly limit?: number | undefined;
      readonly filters?: Filters;
      readonly auth?: string | undefined;
    },
  ): Promise<readonly SearchResult[]>;
  prune(filters?: Filters): Promise<{
    readonly ImagesDeleted: readonly ImageDeleteItem[] | null;
    /** Bytes. */
    readonly SpaceReclaimed: number;
  }>;
  /** carve's own: layers, images, what they share. */
  tree(options?: CallOptions): Promise<ImageTree>;
  /** carve's own: collect by the engine's policy, or plan it. */
  collect(options: CallOptions & { readonly isPlan: boolean }): Promise<GcReport>;
}

/** The image endpoints of one engine. */
export function createImageClient(transport: Transport): ImageClient {
  return { ...recordsOf(transport), ...streamsOf(transport) };
}

function recordsOf(
  transport: Transport,
): Omit<ImageClient, 'load' | 'save' | 'import' | 'pull' | 'push'> {
  const pathOf = (ref: string, verb: string): string => `/images/${encodeImagePath(ref)}${verb}`;
  return {
    list: ({ all, filters, digests, signal } = {}) =>
      transport.json({
        method: 'GET',
        path: '/images/json',
        query: { all, digests, filters: encodeFilters(filters) },
        signal,
      }),
    inspect: (ref, { platform, signal } = {}) =>
      transport.json({
        method: 'GET',
        path: pathOf(ref, '/json'),
        query: { platform: encodePlatform(platform) },
        signal,
      }),
    history: (ref, { platform } = {}) =>
      transport.json({
        method: 'GET',
        path: pathOf(ref, '/history'),
        query: { platform: encodePlatform(platform) },
      }),
    tag: async (ref, { repository, tag }) => {
      await transport.send({
        method: 'POST',
        path: pathOf(ref, '/tag'),
        query: { repo: repository, tag },
      });
    },
    remove: (ref, { force, noPrune, platform } = {}) =>
      transport.json({
        method: 'DELETE',
        path: pathOf(ref, ''),
        query: { force, noprune: noPrune, platforms: encodePlatform(platform) },
      }),
    search: (term, { limit, filters, auth, signal } = {}) =>
      transport.json({
        method: 'GET',
        path: '/images/search',
        query: { term, limit, filters: encodeFilters(filters) },
        headers: authHeader(auth),
        signal,
      }),
    prune: (filters) =>
      transport.json({
        method: 'POST',
        path: '/images/prune',
        query: { filters: encodeFilters(filters) },
      }),
    tree: ({ signal } = {}) =>
      transport.json({ method: 'GET', path: '/carve/images/tree', signal }),
    collect: ({ isPlan, signal }) =>
      transport.json({ method: 'POST', path: '/carve/gc', query: { plan: isPlan }, signal }),
  };
}

function streamsOf(
  transport: Transport,
): Pick<ImageClient, 'load' | 'save' | 'import' | 'pull' | 'push'> {
  return {
    load: (archive, { quiet, platform, signal } = {}) =>
      progressOf(transport, {
        method: 'POST',
        path: '/images/load',
        query: { quiet: quiet === true ? '1' : '0', platform: encodePlatform(platform) },
        body: archive,
        contentType: 'application/x-tar',
        signal,
      }),
    save: async (refs, { platform: text, signal } = {}) => {
      const platform = encodePlatform(text);
      const [first = ''] = refs;
      const request: TransportRequest =
        refs.length === 1
          ? {
              method: 'GET',
              path: `/images/${encodeImagePath(first)}/get`,
              query: { platform },
              signal,
            }
          : { method: 'GET', path: '/images/get', query: { names: refs, platform }, signal };
      return (await transport.stream(request)).body;
    },
    import: ({ source, repository, tag, message, platform, changes, signal }) =>
      progressOf(transport, {
        method: 'POST',
        path: '/images/create',
        query: {
          fromSrc: typeof source === 'string' ? source : '-',
          repo: repository,
          tag,
          message,
          platform,
          changes,
        },
        ...(typeof source === 'string'
          ? {}
          : { body: source.archive, contentType: 'application/x-tar' }),
        signal,
      }),
    pull: ({ repository, tag }, { auth, platform, signal } = {}) =>
      progressOf(transport, {
        method: 'POST',
        path: '/images/create',
        query: { fromImage: repository, tag: tag === '' ? undefined : tag, platform },
        headers: authHeader(auth),
        signal,
      }),
    push: ({ repository, tag }, { auth, platform, signal } = {}) =>
      progressOf(transport, {
        method: 'POST',
        path: `/images/${encodeImagePath(repository)}/push`,
        query: { tag: tag === '' ? undefined : tag, platform: encodePlatform(platform) },
        // Without it an engine refuses a push; anonymous is an empty object.
        headers: authHeader(auth ?? 'e30='),
        signal,
      }),
  };
}

function authHeader(auth: string | undefined): Record<string, string> {
  return auth === undefined ? {} : { 'X-Registry-Auth': auth };
}

async function* progressOf(
  transport: Transport,
  request: TransportRequest,
): AsyncGenerator<Progress, void, void> {
  const { body } = await transport.stream(request);
  for await (const step of readJsonStream(body)) yield decodeAs<Progress>(step);
}

/**
 * The distribution API of one repository at one endpoint: manifests, blobs,
 * tags, referrers. Blob bytes come unverified: they go through the content
 * store, which verifies. Manifests are verified against their digest here.
 *
 * Source: OCI distribution-spec 1.1.1 (end-1 … end-13).
 */

import type { Readable } from 'node:stream';
import type { Digest } from '../../base/brand.ts';
import { EngineError, isEngineError } from '../../base/error.ts';
import { createDigester, digestBytes, digestOf, isDigest } from '../../spec/digest.ts';
import { MEDIA_TYPE } from '../../spec/media-type.ts';
import { nextPage, referrersTag } from './link.ts';
import { readBounded } from './read.ts';
import {
  basePath,
  pulling,
  pushing,
  type RegistryCallOptions,
  type RepositoryName,
  type RepositoryRequest,
} from './repository.ts';
import type { RetryOptions } from './retry.ts';
import type { Session } from './session.ts';
import type { HttpResponse } from './transport.ts';
import { Uploader } from './upload.ts';

/** Largest manifest, index or list accepted, in bytes. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
/** Count of pages a list may have. */
const MAX_PAGES = 1000;
/** Bytes all pages of a list may have. */
const MAX_LIST_BYTES = 16 * 1024 * 1024;

/** What `Accept` lists, most wanted first. */
const MANIFEST_TYPES = [
  MEDIA_TYPE.ociIndex,
  MEDIA_TYPE.dockerIndex,
  MEDIA_TYPE.ociManifest,
  MEDIA_TYPE.dockerManifest,
].join(', ');

/** A manifest as the registry sent it. */
export interface RemoteManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** A part of a blob. */
export interface BlobRange {
  readonly offsetBytes: number;
  /** Exclusive, in bytes; `undefined`: the end of the blob. */
  readonly endBytes?: number;
}

/** A blob on its way; `body` must be read or destroyed. */
export interface RemoteBlob {
  /** Offset of the first byte that comes: what was asked, or 0 when the registry cannot resume. */
  readonly offsetBytes: number;
  /** The registry sends the range that was asked for, and no more. */
  readonly isPartial: boolean;
  readonly body: Readable;
}

/** A document to store. */
export interface ManifestUpload {
  /** Tag or digest. */
  readonly reference: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** The registry does not keep to ranges: only the whole blob can be asked for. */
export function isRangeRefused(error: unknown): boolean {
  return isEngineError(error) && error.details['isRangeRefused'] === true;
}

/** A list to read. */
interface ListRequest {
  /** Below the repository. */
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly accept: readonly number[];
  /** What it holds, for messages. */
  readonly what: string;
}

/** Verbs of one repository at one endpoint. */
export class RegistryClient {
  /** Puts blobs. */
  readonly uploads: Uploader;
  readonly #session: Session;
  readonly #name: RepositoryName;

  constructor(session: Session, name: RepositoryName) {
    this.#session = session;
    this.#name = name;
    this.uploads = new Uploader(session, name);
  }

  /** How a transfer that breaks in the middle is tried again. */
  get retry(): RetryOptions {
    return this.#session.retry;
  }

  /** Ask whether the registry takes the credentials. Errors: `unauthorized`, `unavailable`. */
  async ping(options?: RegistryCallOptions): Promise<void> {
    const action = `log in to ${this.#session.endpoint.host}`;
    const request = {
      method: 'GET',
      target: '/v2/',
      scopes: [],
      accept: [200],
      action,
      signal: options?.signal,
    } as const;
    const response = await this.#session.send(request);
    response.body.resume();
  }

  /** `reference` is a tag or a digest. Errors: `not-found`, `corrupt` when digest and bytes disagree. */
  async getManifest(reference: string, options?: RegistryCallOptions): Promise<RemoteManifest> {
    const response = await this.#pull(
      { target: `/manifests/${reference}`, headers: { Accept: MANIFEST_TYPES }, accept: [200] },
      options,
    );
    const bytes = await readBounded(
      response.body,
      MAX_MANIFEST_BYTES,
      `the manifest of ${this.#name.display}`,
    );
    const expected = isDigest(reference) ? reference : response.headers['docker-content-digest'];
    this.#checkDigest(bytes, expected);
    return { digest: digestBytes(bytes), mediaType: mediaTypeOf(response), bytes };
  }

  /** Digest by HEAD; `undefined` when absent or not told. */
  async findManifestDigest(
    reference: string,
    options?: RegistryCallOptions,
  ): Promise<Digest | undefined> {
    const request = {
      method: 'HEAD',
      target: `/manifests/${reference}`,
      headers: { Accept: MANIFEST_TYPES },
      accept: [200, 404],
    } as const;
    const response = await this.#pull(request, options);
    response.body.resume();
    const digest = response.headers['docker-content-digest'];
    return response.status === 200 && digest !== undefined && isDigest(digest) ? digest : undefined;
  }

  /** Bytes of a blob. Errors: {@link isRangeRefused} when another range comes than asked for, or none. */
  async openBlob(
    digest: Digest,
    range: BlobRange,
    options?: RegistryCallOptions,
  ): Promise<RemoteBlob> {
    const isPart = range.offsetBytes > 0 || range.endBytes !== undefined;
    const end = range.endBytes === undefined ? '' : String(range.endBytes - 1);
    const headers = isPart ? { Range: `bytes=${range.offsetBytes}-${end}` } : {};
    const response = await this.#pull(
      { target: `/blobs/${digest}`, headers, accept: isPart ? [200, 206, 416] : [200] },
      options,
    );
    if (response.status === 200) return { offsetBytes: 0, isPartial: false, body: response.body };
    const start = /^bytes (\d+)-/.exec(response.headers['content-range'] ?? '')?.[1];
    if (response.status === 416 || start !== String(range.offsetBytes)) {
      response.body.destroy();
      const problem = `${this.#session.endpoint.host} sent another range than asked for`;
      throw new EngineError('unavailable', `Cannot pull ${this.#name.display}: ${problem}`, {
        details: { isFinal: true, isRangeRefused: true },
      });
    }
    return { offsetBytes: range.offsetBytes, isPartial: true, body: response.body };
  }

  /** Whether the repository has the blob (asked with the right to push). */
  async hasBlob(digest: Digest, options?: RegistryCallOptions): Promise<boolean> {
    const request: RepositoryRequest = {
      method: 'HEAD',
      target: `${basePath(this.#name)}/blobs/${digest}`,
      accept: [200, 404, 405],
    };
    const response = await this.#session.send(pushing(this.#name, request, options));
    response.body.resume();
    return response.status === 200;
  }

  /** Store a manifest. `hasSubject`: the registry keeps its referrers list by itself. */
  async putManifest(
    upload: ManifestUpload,
    options?: RegistryCallOptions,
  ): Promise<{ readonly hasSubject: boolean }> {
    const headers = {
      'Content-Type': upload.mediaType,
      'Content-Length': String(upload.bytes.length),
    };
    const target = `${basePath(this.#name)}/manifests/${upload.reference}`;
    const request: RepositoryRequest = {
      method: 'PUT',
      target,
      headers,
      body: upload.bytes,
      accept: [200, 201, 202],
    };
    const response = await this.#session.send(pushing(this.#name, request, options));
    response.body.resume();
    return { hasSubject: response.headers['oci-subject'] !== undefined };
  }

  /** Every tag, page by page. */
  async listTags(options?: RegistryCallOptions): Promise<readonly string[]> {
    const tags: string[] = [];
    const first = { target: '/tags/list', accept: [200], what: 'tags' };
    for await (const page of this.#pages(first, options)) tags.push(...tagsOf(page.bytes));
    return tags;
  }

  /** The indexes of manifests whose subject is `digest`, by the API or the tag schema; each a page. */
  async getReferrers(
    digest: Digest,
    artifactType?: string,
    options?: RegistryCallOptions,
  ): Promise<readonly Uint8Array[]> {
    const query =
      artifactType === undefined ? '' : `?artifactType=${encodeURIComponent(artifactType)}`;
    const headers = { Accept: MEDIA_TYPE.ociIndex };
    const what = 'referrers';
    const targets = [`/referrers/${digest}${query}`, `/manifests/${referrersTag(digest)}`];
    for (const [at, target] of targets.entries()) {
      // A registry without the API says so in one of these ways.
      const accept = at === 0 ? [200, 400, 404] : [200, 404];
      const found: Uint8Array[] = [];
      for await (const { status, bytes } of this.#pages({ target, headers, accept, what }, options))
        if (status === 200) found.push(bytes);
      if (found.length > 0) return found;
    }
    return [];
  }

  /** A list, page by page; a page that is none ends it. */
  async *#pages(
    first: ListRequest,
    options?: RegistryCallOptions,
  ): AsyncGenerator<{ readonly status: number; readonly bytes: Uint8Array }> {
    const { headers = {}, accept, what } = first;
    const name = `the ${what} of ${this.#name.display}`;
    let target: string | undefined = `${basePath(this.#name)}${first.target}`;
    let leftBytes = MAX_LIST_BYTES;
    for (let page = 0; target !== undefined && page < MAX_PAGES; page += 1) {
      const request = { method: 'GET', target, headers, accept } as const;
      const response: HttpResponse = await this.#session.send(
        pulling(this.#name, request, options),
      );
      const bytes = await readBounded(response.body, Math.min(leftBytes, MAX_MANIFEST_BYTES), name);
      leftBytes -= bytes.length;
      yield { status: response.status, bytes };
      target = response.status === 200 ? nextPage(response.headers['link'], target) : undefined;
    }
  }

  /** Errors: `corrupt`. Digests of algorithms that carve cannot compute prove nothing and are passed over. */
  #checkDigest(bytes: Uint8Array, expected: string | undefined): void {
    const algorithm = /^(?:sha256|sha512)(?=:)/.exec(expected ?? '')?.[0];
    if (algorithm !== 'sha256' && algorithm !== 'sha512') return;
    const digest = digestOf(createDigester(algorithm).update(bytes), algorithm);
    if (digest === expected) return;
    const problem = `${this.#session.endpoint.host} sent a manifest with digest ${digest} instead of ${expected ?? ''}`;
    throw new EngineError('corrupt', `Cannot pull ${this.#name.display}: ${problem}`);
  }

  async #pull(
    request: Omit<RepositoryRequest, 'method'> & { readonly method?: 'HEAD' },
    options?: RegistryCallOptions,
  ): Promise<HttpResponse> {
    const whole: RepositoryRequest = {
      method: 'GET',
      ...request,
      target: `${basePath(this.#name)}${request.target}`,
    };
    return await this.#session.send(pulling(this.#name, whole, options));
  }
}

function mediaTypeOf(response: HttpResponse): string {
  return (response.headers['content-type'] ?? '').split(';', 1)[0]?.trim() ?? '';
}

function tagsOf(bytes: Uint8Array): readonly string[] {
  let body: unknown;
  try {
    body = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    throw new EngineError(
      'unavailable',
      'Cannot list tags: the registry did not answer with JSON',
      { cause: error },
    );
  }
  const tags: unknown =
    typeof body === 'object' && body !== null && 'tags' in body ? body.tags : [];
  return Array.isArray(tags)
    ? tags.filter((tag: unknown): tag is string => typeof tag === 'string')
    : [];
}

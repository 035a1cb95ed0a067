/**
 * The distribution API of one endpoint, verb by verb: manifests, blobs,
 * uploads, tags, referrers. Bytes come back unverified unless a digest is
 * named; the caller stores them through the content store, which verifies.
 *
 * Source: OCI distribution-spec 1.1.1 (end-1 … end-13).
 */

import type { Readable } from 'node:stream';
import type { Digest } from '../../base/brand.ts';
import { EngineError, isEngineError } from '../../base/error.ts';
import { digestBytes, isDigest } from '../../spec/digest.ts';
import { MEDIA_TYPE } from '../../spec/media-type.ts';
import { readBounded } from './read.ts';
import type { Session } from './session.ts';

/** Largest manifest or index accepted, in bytes. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

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

/** A blob on its way; `body` must be read or destroyed. */
export interface RemoteBlob {
  /** Offset of the first byte that comes: what was asked, or 0 when the registry cannot resume. */
  readonly offsetBytes: number;
  readonly body: Readable;
}

/** Options of every call. */
export interface RegistryCallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Which repository and what for, in messages. */
export interface RepositoryName {
  /** Path below the registry. */
  readonly path: string;
  /** As the user named it. */
  readonly display: string;
}

/** Verbs of one repository at one endpoint. */
export interface RegistryClient {
  /** `reference` is a tag or a digest. Errors: `not-found`, `corrupt` when digest and bytes disagree. */
  getManifest(reference: string, options?: RegistryCallOptions): Promise<RemoteManifest>;
  /** Digest by HEAD, `undefined` when absent or not told. */
  findManifestDigest(reference: string, options?: RegistryCallOptions): Promise<Digest | undefined>;
  /** Bytes from `offsetBytes` up to `endBytes` (exclusive; default: the end). */
  openBlob(digest: Digest, range: { readonly offsetBytes: number; readonly endBytes?: number }, options?: RegistryCallOptions): Promise<RemoteBlob>;
  hasBlob(digest: Digest, options?: RegistryCallOptions): Promise<boolean>;
  /** True when the registry took the blob over from another repository of its own. */
  mountBlob(digest: Digest, fromPath: string, options?: RegistryCallOptions): Promise<boolean>;
  /** Upload in one request; `open` is called again for each try. */
  uploadBlob(digest: Digest, sizeBytes: number, open: () => Readable, options?: RegistryCallOptions): Promise<void>;
  /** Upload in pieces of at most `chunkBytes`, resuming after an error at what the registry has. */
  uploadChunked(digest: Digest, content: { readonly sizeBytes: number; readonly read: (offset: number, length: number) => Promise<Uint8Array> }, chunkBytes: number, options?: RegistryCallOptions): Promise<void>;
  /** Store a manifest under a tag or its digest. `true` when the registry knows `subject` by itself. */
  putManifest(reference: string, mediaType: string, bytes: Uint8Array, options?: RegistryCallOptions): Promise<{ readonly hasSubject: boolean }>;
  listTags(options?: RegistryCallOptions): Promise<readonly string[]>;
  /** The index of manifests whose subject is `digest`; falls back to the tag schema. Empty when there are none. */
  getReferrers(digest: Digest, artifactType?: string, options?: RegistryCallOptions): Promise<Uint8Array | undefined>;
}

/** Count of pages a list may have. */
const MAX_PAGES = 1000;
/** Count of times a chunked upload asks the registry where it stands. */
const MAX_RESUMES = 5;

/** The `next` target of a Link header. Source: RFC 8288. */
export function nextLink(header: string | undefined): string | undefined {
  const match = /<([^>]*)>\s*;[^,]*\brel="?next"?/i.exec(header ?? '');
  return match?.[1];
}

/** Add `digest` to an upload location, keeping what is there. */
export function withDigest(location: string, digest: Digest): string {
  return `${location}${location.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`;
}

/** First byte the registry wants next, by its `Range: 0-N` header. */
export function uploadedBytes(range: string | undefined): number {
  const match = /^(?:bytes=)?0-(\d+)$/.exec(range ?? '');
  return match?.[1] === undefined ? 0 : Number(match[1]) + 1;
}

/** Make the client of one repository. */
export function createRegistryClient(session: Session, name: RepositoryName): RegistryClient {
  const base = `/v2/${name.path}`;
  const pull = [`repository:${name.path}:pull`];
  const push = [`repository:${name.path}:pull,push`];
  const pulling = `pull ${name.display}`;
  const pushing = `push ${name.display}`;

  /** Where an upload goes on: absolute, same rules for credentials as any URL. */
  const locationOf = (headers: Readonly<Record<string, string>>): string => {
    const location = headers['location'];
    if (location === undefined) throw new EngineError('unavailable', `Cannot ${pushing}: ${session.endpoint.host} gave no upload location`);
    return location;
  };
  const startUpload = async (options?: RegistryCallOptions): Promise<{ readonly location: string; readonly minChunkBytes: number }> => {
    const response = await session.send({
      method: 'POST', target: `${base}/blobs/uploads/`, headers: { 'Content-Length': '0' }, scopes: push, accept: [202], action: pushing, signal: options?.signal,
    });
    response.body.resume();
    return { location: locationOf(response.headers), minChunkBytes: Number(response.headers['oci-chunk-min-length'] ?? 0) || 0 };
  };
  const finish = async (location: string, digest: Digest, body: Uint8Array | (() => Readable) | undefined, sizeBytes: number, options?: RegistryCallOptions): Promise<void> => {
    const response = await session.send({
      method: 'PUT',
      target: withDigest(location, digest),
      headers: { 'Content-Type': 'application/octet-stream', 'Content-Length': String(sizeBytes) },
      ...(body === undefined ? {} : { body }),
      scopes: push,
      accept: [201, 202, 204],
      action: pushing,
      signal: options?.signal,
    });
    response.body.resume();
  };
  const sendChunk = async (location: string, offset: number, bytes: Uint8Array, options?: RegistryCallOptions): Promise<string> => {
    const response = await session.send({
      method: 'PATCH',
      target: location,
      headers: {
        'Content-Type': 'application/octet-stream',
        'Content-Length': String(bytes.length),
        'Content-Range': `${offset}-${offset + bytes.length - 1}`,
      },
      body: bytes,
      scopes: push,
      accept: [202, 204],
      action: pushing,
      signal: options?.signal,
    });
    response.body.resume();
    return locationOf(response.headers);
  };
  const standing = async (location: string, options?: RegistryCallOptions): Promise<{ readonly location: string; readonly offset: number }> => {
    const response = await session.send({ method: 'GET', target: location, scopes: push, accept: [204], action: pushing, signal: options?.signal });
    response.body.resume();
    return { location: response.headers['location'] ?? location, offset: uploadedBytes(response.headers['range']) };
  };

  return {
    getManifest: async (reference, options) => {
      const response = await session.send({
        method: 'GET', target: `${base}/manifests/${reference}`, headers: { Accept: MANIFEST_TYPES }, scopes: pull, accept: [200], action: pulling, signal: options?.signal,
      });
      const bytes = await readBounded(response.body, MAX_MANIFEST_BYTES, `the manifest of ${name.display}`);
      const digest = digestBytes(bytes);
      const told = response.headers['docker-content-digest'];
      const expected = isDigest(reference) ? reference : told;
      if (expected?.startsWith('sha256:') === true && expected !== digest) {
        throw new EngineError('corrupt', `Cannot ${pulling}: ${session.endpoint.host} sent a manifest with digest ${digest} instead of ${expected}`);
      }
      return { digest, mediaType: (response.headers['content-type'] ?? '').split(';', 1)[0]?.trim() ?? '', bytes };
    },

    findManifestDigest: async (reference, options) => {
      const response = await session.send({
        method: 'HEAD', target: `${base}/manifests/${reference}`, headers: { Accept: MANIFEST_TYPES }, scopes: pull, accept: [200, 404], action: pulling, signal: options?.signal,
      });
      response.body.resume();
      const digest = response.headers['docker-content-digest'];
      return response.status === 200 && digest !== undefined && isDigest(digest) ? digest : undefined;
    },

    openBlob: async (digest, range, options) => {
      const isPart = range.offsetBytes > 0 || range.endBytes !== undefined;
      const end = range.endBytes === undefined ? '' : String(range.endBytes - 1);
      const response = await session.send({
        method: 'GET',
        target: `${base}/blobs/${digest}`,
        headers: isPart ? { Range: `bytes=${range.offsetBytes}-${end}` } : {},
        scopes: pull,
        accept: isPart ? [200, 206] : [200],
        action: pulling,
        signal: options?.signal,
      });
      if (response.status !== 206) return { offsetBytes: 0, body: response.body };
      const start = /^bytes (\d+)-/.exec(response.headers['content-range'] ?? '')?.[1];
      if (start === undefined || Number(start) !== range.offsetBytes) {
        response.body.destroy();
        throw new EngineError('unavailable', `Cannot ${pulling}: ${session.endpoint.host} sent another range than asked for`);
      }
      return { offsetBytes: range.offsetBytes, body: response.body };
    },

    hasBlob: async (digest, options) => {
      const response = await session.send({
        method: 'HEAD', target: `${base}/blobs/${digest}`, scopes: push, accept: [200, 404, 405], action: pushing, signal: options?.signal,
      });
      response.body.resume();
      return response.status === 200;
    },

    mountBlob: async (digest, fromPath, options) => {
      const response = await session.send({
        method: 'POST',
        target: `${base}/blobs/uploads/?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(fromPath)}`,
        headers: { 'Content-Length': '0' },
        scopes: [...push, `repository:${fromPath}:pull`],
        accept: [201, 202],
        action: pushing,
        signal: options?.signal,
      });
      response.body.resume();
      return response.status === 201;
    },

    uploadBlob: async (digest, sizeBytes, open, options) => {
      const { location } = await startUpload(options);
      await finish(location, digest, open, sizeBytes, options);
    },

    uploadChunked: async (digest, content, chunkBytes, options) => {
      const started = await startUpload(options);
      const pieceBytes = Math.max(chunkBytes, started.minChunkBytes);
      let { location } = started;
      let offset = 0;
      let resumes = 0;
      while (offset < content.sizeBytes) {
        const bytes = await content.read(offset, Math.min(pieceBytes, content.sizeBytes - offset));
        try {
          location = await sendChunk(location, offset, bytes, options);
          offset += bytes.length;
        } catch (error) {
          const isLost = isEngineError(error) && (error.kind === 'unavailable' || error.details['status'] === 416);
          if (!isLost || resumes >= MAX_RESUMES) throw error;
          resumes += 1;
          ({ location, offset } = await standing(location, options));
        }
      }
      await finish(location, digest, undefined, 0, options);
    },

    putManifest: async (reference, mediaType, bytes, options) => {
      const response = await session.send({
        method: 'PUT',
        target: `${base}/manifests/${reference}`,
        headers: { 'Content-Type': mediaType, 'Content-Length': String(bytes.length) },
        body: bytes,
        scopes: push,
        accept: [200, 201, 202],
        action: pushing,
        signal: options?.signal,
      });
      response.body.resume();
      return { hasSubject: response.headers['oci-subject'] !== undefined };
    },

    listTags: async (options) => {
      const tags: string[] = [];
      let target: string | undefined = `${base}/tags/list`;
      for (let page = 0; target !== undefined && page < MAX_PAGES; page += 1) {
        const response = await session.send({ method: 'GET', target, scopes: pull, accept: [200], action: `list tags of ${name.display}`, signal: options?.signal });
        const body: unknown = JSON.parse(Buffer.from(await readBounded(response.body, MAX_MANIFEST_BYTES, 'a list of tags')).toString('utf8'));
        const found = typeof body === 'object' && body !== null && 'tags' in body && Array.isArray(body.tags) ? body.tags : [];
        tags.push(...found.filter((tag): tag is string => typeof tag === 'string'));
        const next = nextLink(response.headers['link']);
        // Relative to the registry's root; another origin would need its own trust.
        target = next?.startsWith('/') === true ? next : undefined;
      }
      return tags;
    },

    getReferrers: async (digest, artifactType, options) => {
      const query = artifactType === undefined ? '' : `?artifactType=${encodeURIComponent(artifactType)}`;
      const action = `list what refers to ${name.display}`;
      const response = await session.send({
        method: 'GET', target: `${base}/referrers/${digest}${query}`, headers: { Accept: MEDIA_TYPE.ociIndex }, scopes: pull, accept: [200, 400, 404], action, signal: options?.signal,
      });
      if (response.status === 200) return await readBounded(response.body, MAX_MANIFEST_BYTES, 'a list of referrers');
      response.body.resume();
      const fallback = await session.send({
        method: 'GET', target: `${base}/manifests/${digest.replace(':', '-')}`, headers: { Accept: MEDIA_TYPE.ociIndex }, scopes: pull, accept: [200, 404], action, signal: options?.signal,
      });
      if (fallback.status === 200) return await readBounded(fallback.body, MAX_MANIFEST_BYTES, 'a list of referrers');
      fallback.body.resume();
      return undefined;
    },
  };
}

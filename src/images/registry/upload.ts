/**
 * Putting blobs into a repository: at once, in pieces that can be resumed, or
 * by taking them over from another repository of the registry.
 *
 * Source: OCI distribution-spec 1.1.1 "Pushing blobs" (end-4a, 5, 6, 11, 13).
 */

import type { Readable } from 'node:stream';
import type { Digest } from '../../base/brand.ts';
import { EngineError, isEngineError } from '../../base/error.ts';
import {
  basePath,
  pushing,
  type RegistryCallOptions,
  type RepositoryName,
  type RepositoryRequest,
} from './repository.ts';
import type { Session } from './session.ts';
import type { HttpResponse } from './transport.ts';

/** Count of times a chunked upload asks the registry where it stands. */
const MAX_RESUMES = 5;
/** Count of uploads that are begun for one blob, when the registry loses or spoils one. */
const MAX_STARTS = 3;
/** Statuses of an upload that cannot go on: unknown, at another place, or not in this way. */
const SPOILT_STATUS: ReadonlySet<number> = new Set([400, 404, 405, 416, 501]);
const OCTETS = 'application/octet-stream';

/** Content that can be read from any place. */
export interface UploadContent {
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** The bytes of a piece, anew for each try; `offset` and `length` in bytes. */
  open(offset: number, length: number): Readable;
}

/** Content that is read from its start, anew for each try. */
export interface StreamContent {
  readonly digest: Digest;
  readonly sizeBytes: number;
  open(): Readable;
}

/** Add `digest` to an upload location, keeping what is there. */
export function withDigest(location: string, digest: Digest): string {
  return `${location}${location.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`;
}

/** A relative location starts from the request's; paths stay paths. Source: RFC 9110 §10.2.2. */
export function absoluteLocation(location: string, target: string): string {
  if (location.startsWith('/') || /^[a-z][a-z0-9+.-]*:/i.test(location)) return location;
  if (!target.startsWith('/')) return URL.parse(location, target)?.href ?? location;
  const url = URL.parse(location, `http://registry${target}`);
  return url === null ? location : `${url.pathname}${url.search}`;
}

/** First byte the registry wants next, by its `Range: 0-N` header. */
export function uploadedBytes(range: string | undefined): number {
  const match = /^(?:bytes=)?0-(\d+)$/.exec(range ?? '');
  return match?.[1] === undefined ? 0 : Number(match[1]) + 1;
}

/** An upload that has begun. */
interface StartedUpload {
  readonly location: string;
  /** The registry takes no smaller pieces, but for the last; 0: any. */
  readonly minChunkBytes: number;
}

/** An upload in pieces. */
interface PieceUpload {
  readonly content: UploadContent;
  readonly pieceBytes: number;
  readonly location: string;
}

/** Uploads into one repository. */
export class Uploader {
  readonly #session: Session;
  readonly #name: RepositoryName;

  constructor(session: Session, name: RepositoryName) {
    this.#session = session;
    this.#name = name;
  }

  /** True when the registry took the blob over from repository `from` of its own. */
  async mount(digest: Digest, from: string, options?: RegistryCallOptions): Promise<boolean> {
    const query = `mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`;
    const target = `${basePath(this.#name)}/blobs/uploads/?${query}`;
    const response = await this.#send(
      { method: 'POST', target, headers: { 'Content-Length': '0' }, from, accept: [201, 202] },
      options,
    );
    return response.status === 201;
  }

  /** Upload in one request. */
  async whole(content: StreamContent, options?: RegistryCallOptions): Promise<void> {
    const { digest, sizeBytes } = content;
    await this.#begun(options, async ({ location }) => {
      await this.#finish(location, { digest, sizeBytes, body: () => content.open() }, options);
    });
  }

  /**
   * Upload in pieces of about `chunkBytes`, resuming after an error at what the registry has;
   * in one stream where that does not do: not every registry takes a second piece.
   */
  async chunked(
    content: UploadContent,
    chunkBytes: number,
    options?: RegistryCallOptions,
  ): Promise<void> {
    const { digest, sizeBytes } = content;
    await this.#begun(options, async ({ location, minChunkBytes, isAgain }) => {
      const body = (): Readable => content.open(0, sizeBytes);
      if (isAgain) return await this.#finish(location, { digest, sizeBytes, body }, options);
      const pieceBytes = Math.max(chunkBytes, minChunkBytes);
      const end = await this.#pieces({ content, pieceBytes, location }, options);
      return await this.#finish(end, { digest, sizeBytes: 0 }, options);
    });
  }

  /** Begin an upload and do it; once more when the registry lost what it had, or has something else. */
  async #begun(
    options: RegistryCallOptions | undefined,
    upload: (started: StartedUpload & { readonly isAgain: boolean }) => Promise<void>,
  ): Promise<void> {
    for (let count = 1; ; count += 1) {
      const started = await this.#start(options);
      try {
        await upload({ ...started, isAgain: count > 1 });
        return;
      } catch (error) {
        if (count >= MAX_STARTS || !isSpoilt(error)) throw error;
      }
    }
  }

  /** Send all pieces; where to end the upload. */
  async #pieces(
    { content, pieceBytes, location: first }: PieceUpload,
    options?: RegistryCallOptions,
  ): Promise<string> {
    let location = first;
    let offset = 0;
    let resumes = 0;
    while (offset < content.sizeBytes) {
      const length = Math.min(pieceBytes, content.sizeBytes - offset);
      const body = { offset, length, open: () => content.open(offset, length) };
      try {
        location = await this.#chunk(location, body, options);
        offset += length;
      } catch (error) {
        if (!isLost(error) || resumes >= MAX_RESUMES) throw error;
        resumes += 1;
        ({ location, offset } = await this.#standing(location, options));
      }
    }
    return location;
  }

  async #send(request: RepositoryRequest, options?: RegistryCallOptions): Promise<HttpResponse> {
    const response = await this.#session.send(pushing(this.#name, request, options));
    response.body.resume();
    return response;
  }

  async #start(options?: RegistryCallOptions): Promise<StartedUpload> {
    const target = `${basePath(this.#name)}/blobs/uploads/`;
    const response = await this.#send(
      { method: 'POST', target, headers: { 'Content-Length': '0' }, accept: [202] },
      options,
    );
    const least = Number(response.headers['oci-chunk-min-length'] ?? '0');
    return {
      location: this.#locationOf(response, target),
      minChunkBytes: Number.isSafeInteger(least) ? least : 0,
    };
  }

  async #chunk(
    location: string,
    piece: { readonly offset: number; readonly length: number; readonly open: () => Readable },
    options?: RegistryCallOptions,
  ): Promise<string> {
    const { offset, length, open } = piece;
    const headers = {
      'Content-Type': OCTETS,
      'Content-Length': String(length),
      'Content-Range': `${offset}-${offset + length - 1}`,
    };
    return this.#locationOf(
      await this.#send(
        { method: 'PATCH', target: location, headers, body: open, accept: [202, 204] },
        options,
      ),
      location,
    );
  }

  /** Where an interrupted upload goes on. */
  async #standing(
    location: string,
    options?: RegistryCallOptions,
  ): Promise<{ readonly location: string; readonly offset: number }> {
    const response = await this.#send({ method: 'GET', target: location, accept: [204] }, options);
    const next = response.headers['location'];
    return {
      location: next === undefined ? location : absoluteLocation(next, location),
      offset: uploadedBytes(response.headers['range']),
    };
  }

  async #finish(
    location: string,
    end: { readonly digest: Digest; readonly sizeBytes: number; readonly body?: () => Readable },
    options?: RegistryCallOptions,
  ): Promise<void> {
    const headers = { 'Content-Type': OCTETS, 'Content-Length': String(end.sizeBytes) };
    const body = end.body === undefined ? {} : { body: end.body };
    await this.#send(
      {
        method: 'PUT',
        target: withDigest(location, end.digest),
        headers,
        ...body,
        accept: [201, 202, 204],
      },
      options,
    );
  }

  /** `target`: what was asked for, which a relative location starts from. */
  #locationOf(response: HttpResponse, target: string): string {
    const location = response.headers['location'];
    if (location !== undefined) return absoluteLocation(location, target);
    throw new EngineError(
      'unavailable',
      `Cannot push ${this.#name.display}: ${this.#session.endpoint.host} gave no upload location`,
    );
  }
}

/** The upload may go on: the connection broke, or the registry says it stands elsewhere. */
function isLost(error: unknown): boolean {
  return isEngineError(error) && (error.kind === 'unavailable' || error.details['status'] === 416);
}

/** What the registry has of the upload is of no use: half of a body that broke, or nothing any more. */
function isSpoilt(error: unknown): boolean {
  if (!isEngineError(error)) return false;
  const { status, code } = error.details;
  const isCode =
    typeof code === 'string' &&
    ['BLOB_UPLOAD_UNKNOWN', 'BLOB_UPLOAD_INVALID', 'DIGEST_INVALID'].includes(code);
  return isCode || (typeof status === 'number' && SPOILT_STATUS.has(status));
}

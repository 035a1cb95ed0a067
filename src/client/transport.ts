/**
 * Requests to one engine: connections that are kept and used again, the API
 * version, errors as {@link EngineError}. Knows no endpoint.
 *
 * The version costs no round trip: the client speaks its own; an engine that
 * is older says so in its refusal, and the request is sent again in its words.
 *
 * Source: Docker Engine API, "Versioning".
 */

import { EngineError } from '../base/error.ts';
import { errorFromResponse } from './errors.ts';
import type { HostAddress } from './host.ts';
import type { Connection, RawResponse, RequestBody } from './http/connection.ts';
import { encodeTarget, type QueryValue, type RequestHead } from './http/message.ts';
import type { ByteQueue } from './http/queue.ts';
import { decodeAs, formatJson, parseJson } from './decode.ts';

/** Newest version of the API this client speaks. */
export const newestApiVersion = '1.51';

/** One request. */
export interface TransportRequest {
  readonly method: RequestHead['method'];
  /** Below the version prefix, percent-encoded, e.g. `/containers/json`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, QueryValue>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly json?: object;
  /** Sent as it is; `contentType` names it. */
  readonly body?: RequestBody;
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
}

/** A response with its body unread. */
export interface StreamResponse {
  readonly statusCode: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: ByteQueue;
}

/** A connection that left HTTP: raw bytes both ways. */
export interface HijackedStream {
  /** `multiplexed`: output comes in frames of one stream each. As the engine said it; old engines always say `raw`. */
  readonly contentType: 'raw' | 'multiplexed';
  readonly output: ByteQueue;
  /** Settles when more may be written; `false` when the peer is gone. */
  write(bytes: Uint8Array): Promise<boolean>;
  /** End of file of the input; output goes on. */
  endInput(): void;
  /** Leaves at once. */
  close(): void;
}

/** What a transport is made of. */
export interface TransportOptions {
  readonly address: HostAddress;
  readonly connect: (address: HostAddress) => Promise<Connection>;
  /** Default: {@link newestApiVersion}. */
  readonly apiVersion?: string;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Idle connections that are kept. */
const idleMax = 4;
/** Statuses below are answers, not errors. */
const firstErrorStatus = 400;

/** Speaks to one engine. */
export class Transport {
  readonly #options: TransportOptions;
  readonly #idle: Connection[] = [];
  #apiVersion: string;
  /** True once a request was answered in the version it was sent in. */
  #isVersionSettled = false;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#apiVersion = options.apiVersion ?? newestApiVersion;
  }

  /** Version of the API in use; may go down with the first request. */
  get apiVersion(): string {
    return this.#apiVersion;
  }

  /** The JSON a request is answered with. */
  async json<T>(request: TransportRequest): Promise<T> {
    const response = await this.stream(request);
    // The engine's answers are trusted to be of the type the API gives them.
    return decodeAs<T>(parseJson(await readText(response.body)));
  }

  /** A request whose answer has nothing of interest but its status. */
  async send(request: TransportRequest): Promise<number> {
    const response = await this.stream(request);
    await readText(response.body);
    return response.statusCode;
  }

  /** The answer with its body unread. The reader must read it to its end or cancel it. */
  async stream(request: TransportRequest): Promise<StreamResponse> {
    const { head, body } = await this.#exchange(request, false);
    return { statusCode: head.statusCode, headers: head.headers, body };
  }

  /** Upgrades the connection to a raw stream. */
  async hijack(request: TransportRequest): Promise<HijackedStream> {
    const { head, body, connection } = await this.#exchange(
      { ...request, headers: { ...request.headers, Connection: 'Upgrade', Upgrade: 'tcp' } },
      true,
    );
    if (head.bodyKind !== 'upgrade' && head.bodyKind !== 'close') {
      body.cancel();
      throw new EngineError('corrupt', 'Cannot attach: the engine did not hand over the stream');
    }
    return {
      contentType:
        head.headers.get('content-type')?.includes('multiplexed') === true ? 'multiplexed' : 'raw',
      output: body,
      write: (bytes) => connection.write(bytes),
      endInput: () => {
        connection.endWrite();
      },
      close: () => {
        body.cancel();
        connection.destroy();
      },
    };
  }

  /** Closes the idle connections; requests under way go on. */
  close(): void {
    for (const connection of this.#idle.splice(0)) connection.destroy();
  }

  async #exchange(request: TransportRequest, hijack: boolean): Promise<RawResponse> {
    if (isStream(request.body)) await this.#settleVersion(request.signal);
    let response = await this.#send(request, hijack);
    if (response.head.statusCode >= firstErrorStatus) {
      const text = await readText(response.body);
      if (!this.#lowerVersion(response, text)) {
        throw errorFromResponse(
          response.head.statusCode,
          text,
          `${request.method} ${request.path}`,
        );
      }
      response = await this.#send(request, hijack);
      if (response.head.statusCode >= firstErrorStatus) {
        throw errorFromResponse(
          response.head.statusCode,
          await readText(response.body),
          `${request.method} ${request.path}`,
        );
      }
    }
    this.#isVersionSettled = true;
    return response;
  }

  /** A body that can be sent only once must not meet a refusal of its version. */
  async #settleVersion(signal: AbortSignal | undefined): Promise<void> {
    if (this.#isVersionSettled) return;
    const response = await this.#sendTo('/_ping', { method: 'HEAD', path: '', signal }, false);
    await readText(response.body);
    this.#lower(response.head.headers.get('api-version'));
    this.#isVersionSettled = true;
  }

  #lowerVersion(response: RawResponse, text: string): boolean {
    return (
      response.head.statusCode === 400 &&
      text.includes('too new') &&
      !this.#isVersionSettled &&
      this.#lower(response.head.headers.get('api-version'))
    );
  }

  #lower(version: string | undefined): boolean {
    if (version === undefined || compareVersions(version, this.#apiVersion) >= 0) return false;
    this.#apiVersion = version;
    return true;
  }

  #send(request: TransportRequest, hijack: boolean): Promise<RawResponse> {
    return this.#sendTo(
      encodeTarget(`/v${this.#apiVersion}${request.path}`, request.query),
      request,
      hijack,
    );
  }

  async #sendTo(target: string, request: TransportRequest, hijack: boolean): Promise<RawResponse> {
    const body = request.json === undefined ? request.body : formatJson(request.json);
    const head: RequestHead = {
      method: request.method,
      target,
      headers: this.#headers(request, body),
    };
    const options = { hijack, signal: request.signal };
    const kept = hijack ? undefined : this.#takeIdle();
    if (kept !== undefined) {
      try {
        return this.#watch(kept, await kept.request(head, body, options));
      } catch (error) {
        // The engine may have closed it a moment ago; only what changes nothing is sent twice.
        if (request.method !== 'GET' && request.method !== 'HEAD') throw error;
        if (request.signal?.aborted === true) throw error;
      }
    }
    const connection = await this.#options.connect(this.#options.address);
    try {
      return this.#watch(connection, await connection.request(head, body, options));
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  #headers(request: TransportRequest, body: RequestBody | undefined): Record<string, string> {
    const headers: Record<string, string> = {
      Host: hostHeader(this.#options.address),
      'User-Agent': 'carve',
      ...this.#options.headers,
      ...request.headers,
    };
    if (isStream(body)) headers['Transfer-Encoding'] = 'chunked';
    else if (body !== undefined) headers['Content-Length'] = String(Buffer.byteLength(body));
    else if (request.method === 'POST' || request.method === 'PUT') headers['Content-Length'] = '0';
    if (request.json !== undefined) headers['Content-Type'] = 'application/json';
    else if (request.contentType !== undefined) headers['Content-Type'] = request.contentType;
    return headers;
  }

  /** Keeps the connection once its response is read. */
  #watch(connection: Connection, response: RawResponse): RawResponse {
    const keep = (): void => {
      if (!connection.isReusable) return;
      if (this.#idle.length >= idleMax) {
        connection.destroy();
        return;
      }
      connection.setIdle(true);
      this.#idle.push(connection);
    };
    if (connection.isReusable) keep();
    else connection.onIdle(keep);
    return response;
  }

  #takeIdle(): Connection | undefined {
    for (;;) {
      const connection = this.#idle.pop();
      if (connection === undefined) return undefined;
      if (!connection.isReusable) continue;
      connection.setIdle(false);
      return connection;
    }
  }
}

function hostHeader(address: HostAddress): string {
  if (address.kind === 'unix') return 'carve';
  return `${address.hostname.includes(':') ? `[${address.hostname}]` : address.hostname}:${String(address.port)}`;
}

function isStream(body: RequestBody | undefined): body is AsyncIterable<Uint8Array> {
  return body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array);
}

/** Longest answer read as a whole, in bytes. */
const textBytesMax = 256 * 1024 * 1024;

async function readText(body: ByteQueue): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for (let chunk = await body.read(); chunk !== undefined; chunk = await body.read()) {
    bytes += chunk.length;
    if (bytes > textBytesMax) {
      body.cancel();
      throw new EngineError('exhausted', 'Cannot read the response of the engine: it is too long');
    }
    chunks.push(chunk);
  }
  return chunks.length === 1 ? String(chunks[0]) : Buffer.concat(chunks).toString('utf8');
}

/** Negative when `a` is older than `b`. */
export function compareVersions(a: string, b: string): number {
  const [majorA = 0, minorA = 0] = a.split('.').map(Number);
  const [majorB = 0, minorB = 0] = b.split('.').map(Number);
  return majorA === majorB ? minorA - minorB : majorA - majorB;
}

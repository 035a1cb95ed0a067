/**
 * A registry in memory on a loopback address that serves images made by hand,
 * and answers some requests as a script says. Speaks only what a pull asks for.
 * Source: OCI distribution-spec 1.1.1 "Pull"; RFC 9110 §14 ranges.
 */
import { createHash } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as the registry got it. */
export interface Asked {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  /** From 1: how often this method and path were asked for. */
  readonly count: number;
}

/** Answers a request itself; `undefined`: as an honest registry would. */
export type Script = (asked: Asked) => ((response: http.ServerResponse) => void) | undefined;

/** A document under a tag. */
export interface Served {
  readonly mediaType: string;
  readonly bytes: Buffer;
}

/** Digest of bytes as registries write it. */
export function sha256(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** An answer with a status, headers and a body. */
export function answer(
  status: number,
  headers: Readonly<Record<string, string>> = {},
  body: Buffer | string = '',
): (response: http.ServerResponse) => void {
  return (response) => void response.writeHead(status, headers).end(body);
}

/** See the module. Stop it. */
export class ScriptedRegistry {
  /** By digest, in every repository. */
  readonly blobs: Map<string, Buffer> = new Map();
  /** By tag or digest, in every repository. */
  readonly documents: Map<string, Served> = new Map();
  readonly requests: Asked[] = [];
  script: Script = () => undefined;
  readonly #server: http.Server;

  private constructor() {
    this.#server = http.createServer((request, response) => {
      request.resume();
      this.#answer(request, response);
    });
  }

  static async start(address = '127.0.0.1'): Promise<ScriptedRegistry> {
    const registry = new ScriptedRegistry();
    await new Promise<void>((resolve) => registry.#server.listen(0, address, resolve));
    return registry;
  }

  get host(): string {
    const { address, port } = this.#server.address() as AddressInfo;
    return `${address}:${port}`;
  }

  addBlob(bytes: Buffer): string {
    const digest = sha256(bytes);
    this.blobs.set(digest, bytes);
    return digest;
  }

  /** Puts a document under its digest and `tag`. */
  addDocument(tag: string, served: Served): void {
    this.documents.set(tag, served);
    this.documents.set(sha256(served.bytes), served);
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
  }

  #answer(request: http.IncomingMessage, response: http.ServerResponse): void {
    const { method = 'GET', url: path = '/', headers } = request;
    const before = this.requests.filter(
      (other) => other.path === path && other.method === method,
    ).length;
    const asked = { method, path, headers, count: before + 1 };
    this.requests.push(asked);
    const scripted = this.script(asked);
    if (scripted !== undefined) scripted(response);
    else this.#honest(asked, response);
  }

  #honest({ method, path, headers }: Asked, response: http.ServerResponse): void {
    const [, kind, name = ''] = /^\/v2\/.*\/(manifests|blobs)\/([^/]+)$/.exec(path) ?? [];
    const document = kind === 'manifests' ? this.documents.get(name) : undefined;
    const blob = kind === 'blobs' ? this.blobs.get(name) : undefined;
    if (path === '/v2/') answer(200)(response);
    else if (document !== undefined) {
      const more = { 'Docker-Content-Digest': sha256(document.bytes) };
      answer(200, { 'Content-Type': document.mediaType, ...more }, document.bytes)(response);
    } else if (blob !== undefined && method === 'GET') serveRange(blob, headers.range, response);
    else answer(404, {}, '{"errors":[{"code":"UNKNOWN","message":"not here"}]}')(response);
  }
}

function serveRange(blob: Buffer, range: string | undefined, response: http.ServerResponse): void {
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? [];
  if (first === undefined) {
    answer(200, { 'Content-Length': String(blob.length) }, blob)(response);
    return;
  }
  const start = Number(first);
  const end = last === undefined || last === '' ? blob.length : Number(last) + 1;
  const headers = { 'Content-Range': `bytes ${start}-${end - 1}/${blob.length}` };
  answer(206, headers, blob.subarray(start, end))(response);
}

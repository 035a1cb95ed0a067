/** The HTTP server over a fake engine, on a socket of its own, and clients that speak to it raw. */

import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log, LogFacts } from '../../src/base/log.ts';
import { type RunningServer, serve, type ServeOptions } from '../../src/http/serve.ts';
import { type FakeOperations, fakeEngine } from './engine.ts';

/** A whole answer. */
export interface Answer {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>;
  /** Chunks joined. */
  readonly body: string;
  /** Parsed body. */
  json(): unknown;
}

/** A request; the method defaults to GET. */
export interface Asking {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A string goes as it is, anything else as JSON. */
  readonly body?: unknown;
}

/** A raw connection that remembers what it got. */
export class RawClient {
  readonly socket: Socket;
  #bytes: Buffer = Buffer.alloc(0);
  isEnded = false;
  readonly #waiting = new Set<() => void>();

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes]);
      this.#wake();
    });
    for (const event of ['end', 'close', 'error']) {
      socket.on(event, () => {
        this.isEnded = true;
        this.#wake();
      });
    }
  }

  /** All that came, as latin1. */
  get text(): string {
    return this.#bytes.toString('latin1');
  }

  /** All that came after the head. */
  get payload(): Buffer {
    return this.#bytes.subarray(this.#bytes.indexOf('\r\n\r\n') + 4);
  }

  write(text: string | Uint8Array): this {
    this.socket.write(text);
    return this;
  }

  /** Waits until what came fits; throws when the connection ends first. */
  async until(fits: (text: string) => boolean): Promise<string> {
    await this.#settled(() => fits(this.text) || this.isEnded);
    if (!fits(this.text)) throw new Error(`The connection ended with ${JSON.stringify(this.text)}`);
    return this.text;
  }

  /** Waits for the server's end. */
  async ended(): Promise<string> {
    await this.#settled(() => this.isEnded);
    return this.text;
  }

  async #settled(isDone: () => boolean): Promise<void> {
    if (isDone()) return;
    await new Promise<void>((resolve) => {
      const check = (): void => {
        if (!isDone()) return;
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
    });
  }

  #wake(): void {
    for (const check of this.#waiting) check();
  }
}

/** See the module. */
export class TestServer {
  readonly directory: string;
  readonly path: string;
  readonly server: RunningServer;
  /** What the server logged. */
  readonly logged: { readonly message: string; readonly facts: LogFacts | undefined }[];

  private constructor(
    directory: string,
    server: RunningServer,
    logged: { readonly message: string; readonly facts: LogFacts | undefined }[],
  ) {
    this.directory = directory;
    this.path = join(directory, 's');
    this.server = server;
    this.logged = logged;
  }

  static async start(
    operations: FakeOperations = {},
    options: Partial<ServeOptions> = {},
  ): Promise<TestServer> {
    const directory = mkdtempSync(join(tmpdir(), 'carve-http-'));
    const logged: { message: string; facts: LogFacts | undefined }[] = [];
    const collect = (message: string, facts?: LogFacts): void => {
      logged.push({ message, facts });
    };
    const log: Log = { debug: collect, info: collect, warn: collect, error: collect };
    const server = await serve(fakeEngine(operations), {
      listen: { kind: 'unix', path: join(directory, 's') },
      identity: { version: '0.1.0', gitCommit: 'abcdef0', buildTime: '', runtime: 'test' },
      log,
      ...options,
    });
    return new TestServer(directory, server, logged);
  }

  /** A client that keeps its side open when the server ends its own. */
  async raw(): Promise<RawClient> {
    const socket = connect({ path: this.path, allowHalfOpen: true });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new RawClient(socket);
  }

  /** One request on a connection of its own. */
  async ask(target: string, asking: Asking = {}): Promise<Answer> {
    const client = await this.raw();
    const wish = asking.headers?.['Connection'];
    const headers = {
      ...asking.headers,
      Connection: wish === undefined ? 'close' : `${wish}, close`,
    };
    client.write(requestText(target, { ...asking, headers }));
    const text = await client.ended();
    client.socket.destroy();
    return parseAnswer(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A request as text. */
export function requestText(target: string, asking: Asking = {}): string {
  const body =
    asking.body === undefined || typeof asking.body === 'string'
      ? (asking.body ?? '')
      : JSON.stringify(asking.body);
  const headers: Record<string, string> = {
    Host: 'docker',
    ...(body === ''
      ? {}
      : { 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(body)) }),
    ...asking.headers,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${asking.method ?? 'GET'} ${target} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
}

/** A whole answer from its text. */
export function parseAnswer(text: string): Answer {
  const end = text.indexOf('\r\n\r\n');
  const [first = '', ...lines] = text.slice(0, end).split('\r\n');
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
    }),
  );
  const rest = text.slice(end + 4);
  const raw = headers.get('transfer-encoding') === 'chunked' ? joinChunks(rest) : rest;
  const body = Buffer.from(raw, 'latin1').toString('utf8');
  return {
    status: Number(first.split(' ')[1]),
    headers,
    body,
    json: () => {
      const value: unknown = JSON.parse(body);
      return value;
    },
  };
}

/** Throws when the last chunk is missing: the answer was cut. */
export function joinChunks(text: string): string {
  let at = 0;
  let body = '';
  for (;;) {
    const line = text.indexOf('\r\n', at);
    if (line === -1) throw new Error('The answer was cut short');
    const size = Number.parseInt(text.slice(at, line), 16);
    if (size === 0) return body;
    body += text.slice(line + 2, line + 2 + size);
    at = line + 2 + size + 2;
  }
}

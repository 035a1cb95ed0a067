/**
 * A scripted engine on a unix socket: it records what it is asked and answers
 * what a test says. It speaks HTTP over `node:net` by itself, half-open, so
 * that it behaves alike on every runtime and shares no code with carve.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** One request, its body read. */
export interface FakeRequest {
  readonly method: string;
  /** Without the version prefix and the query. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
  /** The body as JSON; `undefined` when it is none. */
  readonly json: unknown;
}

/** A body written in pieces. */
export interface FakeStream {
  write(text: string | Buffer): void;
  /** Breaks the connection. */
  destroy(): void;
}

/** How to answer. */
export interface FakeAnswer {
  /** Default 200. */
  readonly status?: number;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is. */
  readonly text?: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
  /** Writes a body in pieces; ends it when it settles. */
  readonly stream?: (response: FakeStream) => Promise<void>;
  /** Takes the connection over, after a 101; it is paused. */
  readonly hijack?: (socket: Socket) => void;
  /** Content type of a hijack; default multiplexed. */
  readonly raw?: boolean;
}

/** A handler by `METHOD /path`; a path may end in `*`. */
export type FakeRoutes = Readonly<
  Record<string, (request: FakeRequest) => FakeAnswer | Promise<FakeAnswer>>
>;

/** A running fake. */
export interface FakeEngine extends AsyncDisposable {
  readonly host: string;
  readonly socketPath: string;
  readonly directory: string;
  readonly requests: readonly FakeRequest[];
  /** `METHOD path` of every request so far but the pings. */
  calls(): readonly string[];
  /** Settles with the first request that matches as `METHOD path?query`. */
  until(pattern: RegExp): Promise<FakeRequest>;
}

const commonHeaders = {
  'Api-Version': '1.51',
  Ostype: 'linux',
  Server: 'Docker/28.5.2 (linux)',
  'Builder-Version': '2',
};

/** Starts a fake; dispose of it to stop it. */
export async function startFakeEngine(routes: FakeRoutes): Promise<FakeEngine> {
  const directory = await mkdtemp(join(tmpdir(), 'carve-fake-'));
  const socketPath = join(directory, 'engine.sock');
  const requests: FakeRequest[] = [];
  const watchers: { readonly pattern: RegExp; readonly resolve: (request: FakeRequest) => void }[] =
    [];
  const sockets = new Set<Socket>();

  const record = (request: FakeRequest): void => {
    requests.push(request);
    for (const watcher of watchers.filter(({ pattern }) => pattern.test(textOf(request)))) {
      watchers.splice(watchers.indexOf(watcher), 1);
      watcher.resolve(request);
    }
  };

  const answer = async (request: FakeRequest): Promise<FakeAnswer> => {
    if (request.path === '/_ping') return { text: request.method === 'HEAD' ? '' : 'OK' };
    const call = `${request.method} ${request.path}`;
    const key = Object.keys(routes).find((route) =>
      route.endsWith('*') ? call.startsWith(route.slice(0, -1)) : route === call,
    );
    const handler = key === undefined ? undefined : routes[key];
    return handler === undefined
      ? { status: 404, json: { message: 'page not found' } }
      : await handler(request);
  };

  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    void serve(socket, record, answer);
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  return {
    host: `unix://${socketPath}`,
    socketPath,
    directory,
    requests,
    calls: () =>
      requests
        .filter(({ path }) => path !== '/_ping')
        .map(({ method, path }) => `${method} ${path}`),
    until: (pattern) => {
      const found = requests.find((request) => pattern.test(textOf(request)));
      return found === undefined
        ? new Promise((resolve) => watchers.push({ pattern, resolve }))
        : Promise.resolve(found);
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function textOf({ method, path, query }: FakeRequest): string {
  return `${method} ${path}?${new URLSearchParams(query).toString()}`;
}

/** Requests of one connection, one after the other, until it ends or is taken over. */
async function serve(
  socket: Socket,
  record: (request: FakeRequest) => void,
  answer: (request: FakeRequest) => Promise<FakeAnswer>,
): Promise<void> {
  const input = new Input(socket);
  for (;;) {
    const request = await readRequest(input);
    if (request === undefined) {
      socket.end();
      return;
    }
    record(request);
    const response = await answer(request);
    if (response.hijack !== undefined) {
      input.release();
      const type = response.raw === true ? 'raw' : 'multiplexed';
      socket.write(
        `HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.${type}-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`,
      );
      response.hijack(socket);
      return;
    }
    await send(socket, request, response);
  }
}

async function send(socket: Socket, request: FakeRequest, answer: FakeAnswer): Promise<void> {
  const status = answer.status ?? 200;
  const text = Buffer.from(
    answer.json === undefined ? (answer.text ?? '') : JSON.stringify(answer.json),
  );
  const headers: Record<string, string> = { ...commonHeaders, ...answer.headers };
  if (answer.json !== undefined) headers['Content-Type'] = 'application/json';
  if (answer.stream !== undefined) headers['Transfer-Encoding'] = 'chunked';
  else if (status !== 204) headers['Content-Length'] = String(text.length);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`HTTP/1.1 ${String(status)} X\r\n${lines.join('')}\r\n`);
  if (answer.stream === undefined) {
    if (request.method !== 'HEAD' && status !== 204) socket.write(text);
    return;
  }
  await answer.stream({
    write: (piece) => {
      const bytes = Buffer.from(piece);
      socket.write(`${bytes.length.toString(16)}\r\n`);
      socket.write(bytes);
      socket.write('\r\n');
    },
    destroy: () => {
      socket.destroy();
    },
  });
  socket.write('0\r\n\r\n');
}

/** Bytes of a socket, read as lines and counts. */
class Input {
  readonly #socket: Socket;
  #bytes = Buffer.alloc(0);
  #isEnded = false;
  #wake: () => void = () => undefined;
  readonly #take: (bytes: Buffer) => void;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#take = (bytes) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes]);
      this.#wake();
    };
    socket.on('data', this.#take);
    for (const event of ['end', 'close'] as const) {
      socket.on(event, () => {
        this.#isEnded = true;
        this.#wake();
      });
    }
  }

  /** Hands the socket over, paused; nothing of it was read too far. */
  release(): void {
    this.#socket.removeListener('data', this.#take);
    this.#socket.pause();
    if (this.#bytes.length > 0) this.#socket.unshift(this.#bytes);
  }

  /** A line without its end; `undefined` at the end of the input. */
  async line(): Promise<string | undefined> {
    for (;;) {
      const end = this.#bytes.indexOf('\r\n');
      if (end >= 0) {
        const line = this.#bytes.toString('latin1', 0, end);
        this.#bytes = this.#bytes.subarray(end + 2);
        return line;
      }
      if (this.#isEnded) return undefined;
      await this.#more();
    }
  }

  async count(bytes: number): Promise<Buffer> {
    while (this.#bytes.length < bytes && !this.#isEnded) await this.#more();
    const taken = this.#bytes.subarray(0, bytes);
    this.#bytes = this.#bytes.subarray(bytes);
    return taken;
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

async function readRequest(input: Input): Promise<FakeRequest | undefined> {
  const [method = '', target = '/'] = (await input.line())?.split(' ') ?? [];
  if (method === '') return undefined;
  const headers: Record<string, string> = {};
  for (
    let line = await input.line();
    line !== undefined && line !== '';
    line = await input.line()
  ) {
    const colon = line.indexOf(':');
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  const body = await readBody(input, headers);
  if (body === undefined) return undefined;
  const url = new URL(target, 'http://fake');
  return {
    method,
    path: url.pathname.replace(/^\/v[\d.]+(?=\/)/, ''),
    query: Object.fromEntries(url.searchParams),
    headers,
    body,
    json: jsonOf(body),
  };
}

/** The body; `undefined` when the connection broke in the middle of it. */
async function readBody(
  input: Input,
  headers: Readonly<Record<string, string>>,
): Promise<Buffer | undefined> {
  if (headers['transfer-encoding'] !== 'chunked') {
    return await input.count(Number(headers['content-length'] ?? 0));
  }
  const chunks: Buffer[] = [];
  for (;;) {
    const line = await input.line();
    if (line === undefined) return undefined;
    const size = Number.parseInt(line, 16);
    chunks.push(await input.count(size));
    await input.line();
    if (size === 0) return Buffer.concat(chunks);
  }
}

function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}

/** A frame of Docker's stream framing. */
export function frame(stream: 'stdout' | 'stderr' | 'error', text: string | Buffer): Buffer {
  const payload = Buffer.from(text);
  const header = Buffer.alloc(8);
  header.writeUInt8({ stdout: 1, stderr: 2, error: 3 }[stream], 0);
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

/**
 * A scripted engine on a unix socket: it records what it is asked and answers
 * what a test says. Speaks through `node:http`, not through carve's own code.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
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
  readonly stream?: (response: ServerResponse) => Promise<void>;
  /** Takes the connection over, after a 101. */
  readonly hijack?: (socket: Duplex, head: Buffer) => void;
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
  /** Settles with the first request whose call matches. */
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
  const sockets = new Set<Duplex>();

  const record = async (message: IncomingMessage, head: Buffer): Promise<FakeRequest> => {
    const url = new URL(message.url ?? '/', 'http://fake');
    const body = await readBody(message, head);
    const request: FakeRequest = {
      method: message.method ?? '',
      path: url.pathname.replace(/^\/v[\d.]+(?=\/)/, ''),
      query: Object.fromEntries(url.searchParams),
      headers: message.headers as Record<string, string | undefined>,
      body,
      json: jsonOf(body),
    };
    requests.push(request);
    for (const watcher of watchers.filter(({ pattern }) =>
      pattern.test(`${request.method} ${request.path}`),
    )) {
      watchers.splice(watchers.indexOf(watcher), 1);
      watcher.resolve(request);
    }
    return request;
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

  const server = createServer((message, response) => {
    void (async () => {
      const request = await record(message, Buffer.alloc(0));
      await send(response, await answer(request));
    })();
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('upgrade', (message: IncomingMessage, socket: Duplex, head: Buffer) => {
    void (async () => {
      (socket as Duplex & { allowHalfOpen: boolean }).allowHalfOpen = true;
      const { request, rest } = await recordUpgrade(message, socket, { head, record });
      takeOver(socket, await answer(request), rest);
    })();
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
      const found = requests.find(({ method, path }) => pattern.test(`${method} ${path}`));
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

async function send(response: ServerResponse, answer: FakeAnswer): Promise<void> {
  const text = answer.json === undefined ? (answer.text ?? '') : JSON.stringify(answer.json);
  const type = answer.json === undefined ? {} : { 'Content-Type': 'application/json' };
  response.writeHead(answer.status ?? 200, { ...commonHeaders, ...type, ...answer.headers });
  if (answer.stream === undefined) {
    response.end(text);
    return;
  }
  response.flushHeaders();
  await answer.stream(response);
  response.end();
}

function takeOver(socket: Duplex, answer: FakeAnswer, rest: Buffer): void {
  if (answer.hijack === undefined) {
    const text =
      answer.json === undefined ? (answer.text ?? '').toString() : JSON.stringify(answer.json);
    const lines = Object.entries({
      ...commonHeaders,
      'Content-Type': 'application/json',
      'Content-Length': String(Buffer.byteLength(text)),
    });
    socket.write(
      `HTTP/1.1 ${String(answer.status ?? 200)} X\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${text}`,
    );
    socket.end();
    return;
  }
  const type = answer.raw === true ? 'raw' : 'multiplexed';
  socket.write(
    `HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.${type}-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`,
  );
  answer.hijack(socket, rest);
}

/** The body of an upgrade is on the request with some runtimes, at the front of the socket with others. */
async function recordUpgrade(
  message: IncomingMessage,
  socket: Duplex,
  {
    head,
    record,
  }: {
    readonly head: Buffer;
    readonly record: (message: IncomingMessage, head: Buffer) => Promise<FakeRequest>;
  },
): Promise<{ readonly request: FakeRequest; readonly rest: Buffer }> {
  const length = Number(message.headers['content-length'] ?? 0);
  if (length === 0) return { request: await record(message, Buffer.alloc(0)), rest: head };
  let seen = head;
  while (seen.length < length) {
    const chunk = await new Promise<Buffer>((resolve) => {
      const take = (bytes: Buffer): void => {
        socket.removeListener('data', take);
        message.removeListener('data', take);
        resolve(bytes);
      };
      socket.once('data', take);
      message.once('data', take);
    });
    seen = Buffer.concat([seen, chunk]);
  }
  return { request: await record(message, seen.subarray(0, length)), rest: seen.subarray(length) };
}

async function readBody(message: IncomingMessage, head: Buffer): Promise<Buffer> {
  if (message.headers.upgrade !== undefined) return head;
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
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

/**
 * The least Engine API client: the same code talks to every engine, over one
 * kept-alive connection per caller, so that the client's cost is the same.
 *
 * Source: Engine API 1.41 `/containers`, `/exec`, `/images/create`.
 */

import { createReadStream, statSync } from 'node:fs';
import { Agent, type IncomingMessage, type RequestOptions, request } from 'node:http';

/** A body that is not JSON. */
export interface RawBody {
  readonly file: string;
  readonly contentType: string;
}

/** An answer that was read to its end. */
export interface Answer {
  /** HTTP status code. */
  readonly status: number;
  readonly body: Buffer;
}

/** One engine's API. `close()` ends its connections. */
export interface Api {
  /** Sends and reads to the end; throws on a status of 400 or more. */
  call(method: string, path: string, body?: unknown): Promise<Answer>;
  /** As `call`, with the bytes of a file as the body. */
  upload(method: string, path: string, body: RawBody): Promise<Answer>;
  /** Bytes that the answer's body has, without keeping them. */
  drain(path: string): Promise<number>;
  close(): void;
}

/** The API behind a unix socket. */
export function openApi(socketPath: string): Api {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const options = (method: string, path: string): RequestOptions => ({
    agent,
    socketPath,
    method,
    path: `/v1.41${path}`,
  });
  return {
    call: async (method, path, body) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const answer = await send(options(method, path), (out) => {
        if (text !== undefined) out.setHeader('Content-Type', 'application/json');
        out.end(text);
      });
      return collect(answer, `${method} ${path}`);
    },
    upload: async (method, path, { file, contentType }) => {
      const answer = await send(options(method, path), (out) => {
        out.setHeader('Content-Type', contentType);
        out.setHeader('Content-Length', statSync(file).size);
        createReadStream(file, { highWaterMark: 1 << 20 }).pipe(out);
      });
      return collect(answer, `${method} ${path}`);
    },
    drain: async (path) => {
      const answer = await send(options('GET', path), (out) => out.end());
      let bytes = 0;
      for await (const chunk of answer as AsyncIterable<Buffer>) bytes += chunk.length;
      return bytes;
    },
    close: () => agent.destroy(),
  };
}

function send(
  options: RequestOptions,
  fill: (out: ReturnType<typeof request>) => void,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const out = request(options);
    out.on('response', resolve);
    out.on('error', reject);
    fill(out);
  });
}

async function collect(answer: IncomingMessage, what: string): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const status = answer.statusCode ?? 0;
  if (status >= 400) throw new Error(`${what} answered ${status}: ${body.toString().trim()}`);
  const failure = /"errorDetail".*"message":"([^"]*)"/.exec(body.toString('latin1'));
  if (failure !== null) throw new Error(`${what} failed: ${failure[1]}`);
  return { status, body };
}

/** How the containers of the bench are made. */
export interface ContainerOptions {
  readonly command: readonly string[];
  readonly network?: string;
  /** Let the engine remove it when it ends. */
  readonly autoRemove?: boolean;
}

const IMAGE = 'bench-busybox';

/** Makes a container of the bench's image and answers with its id. */
export async function createContainer(api: Api, options: ContainerOptions): Promise<string> {
  const { body } = await api.call('POST', '/containers/create', {
    Image: IMAGE,
    Cmd: options.command,
    HostConfig: {
      NetworkMode: options.network ?? 'none',
      AutoRemove: options.autoRemove ?? false,
    },
  });
  return readField(body, 'Id');
}

/** Creates, starts, waits for the exit and removes. `network`: default none. */
export async function lifeCycle(
  api: Api,
  command: readonly string[],
  network = 'none',
): Promise<void> {
  const id = await createContainer(api, { command, network });
  await api.call('POST', `/containers/${id}/start`);
  await api.call('POST', `/containers/${id}/wait`);
  await api.call('DELETE', `/containers/${id}`);
}

/** Creates, runs to its end and inspects an exec of `true`. */
export async function execTrue(api: Api, container: string): Promise<void> {
  const { body } = await api.call('POST', `/containers/${container}/exec`, {
    Cmd: ['true'],
    AttachStdout: true,
    AttachStderr: true,
  });
  const id = readField(body, 'Id');
  await api.call('POST', `/exec/${id}/start`, { Detach: false, Tty: false });
  const inspect = await api.call('GET', `/exec/${id}/json`);
  if (!inspect.body.includes('"ExitCode":0')) {
    throw new Error(`exec of true did not end with 0: ${inspect.body.toString()}`);
  }
}

/** Imports a tar as the bench's image, or under `name`. */
export async function importImage(api: Api, file: string, name: string = IMAGE): Promise<void> {
  const path = `/images/create?fromSrc=-&repo=${name}&tag=latest`;
  await api.upload('POST', path, { file, contentType: 'application/x-tar' });
}

/** A text field of a JSON object. */
export function readField(body: Buffer, name: string): string {
  const object: unknown = JSON.parse(body.toString());
  const entries = typeof object === 'object' && object !== null ? Object.entries(object) : [];
  const value: unknown = new Map(entries).get(name);
  if (typeof value !== 'string') throw new Error(`no ${name} in ${body.toString()}`);
  return value;
}

/**
 * A real registry (distribution) on loopback, plain, behind a password, behind
 * a token server, or with TLS of a test CA; and a front that breaks what passes.
 */

import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createPrivateKey, createSign, randomUUID, X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** How the registry wants to be spoken to. */
export type RegistryMode = 'plain' | 'password' | 'token' | 'tls' | 'client-tls';

/** User and password of the modes that want one. */
export const USER = { username: 'tester', password: 'open sesame' } as const;

/** `X-Registry-Auth` of {@link USER}. */
export function authHeader(
  user: { readonly username: string; readonly password: string } = USER,
): string {
  return Buffer.from(JSON.stringify(user)).toString('base64url');
}

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Resolves when something listens. */
async function listening(port: number, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`docker-registry ended with ${child.exitCode}`);
    const isUp = await new Promise<boolean>((resolve) => {
      const socket = net.connect(port, '127.0.0.1');
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
      socket.once('close', () => socket.destroy());
    });
    if (isUp) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A running registry. */
export class RegistryFixture {
  readonly directory: string;
  readonly port: number;
  #child: ChildProcess | undefined;
  #tokens: http.Server | undefined;
  /** Requests the token server got. */
  readonly tokenRequests: string[] = [];

  private constructor(directory: string, port: number) {
    this.directory = directory;
    this.port = port;
  }

  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** PEM file of the test CA (mode `tls`). */
  get caPath(): string {
    return join(this.directory, 'ca.pem');
  }

  static async start(mode: RegistryMode): Promise<RegistryFixture> {
    const fixture = new RegistryFixture(
      mkdtempSync(join(tmpdir(), 'carve-registry-')),
      await freePort(),
    );
    try {
      await fixture.#launch(mode);
      return fixture;
    } catch (error) {
      await fixture.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child !== undefined && child.exitCode === null) {
      const ended = new Promise((resolve) => child.once('close', resolve));
      child.kill('SIGKILL');
      await ended;
    }
    this.#tokens?.closeAllConnections();
    this.#tokens?.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #launch(mode: RegistryMode): Promise<void> {
    const { directory, port } = this;
    mkdirSync(join(directory, 'data'));
    const extra = mode === 'plain' ? [] : await this.#settings(mode);
    const clients = mode === 'client-tls' ? `, clientcas: [${directory}/ca.pem]` : '';
    const tls =
      mode === 'tls' || mode === 'client-tls'
        ? [`  tls: {certificate: ${directory}/cert.pem, key: ${directory}/key.pem${clients}}`]
        : [];
    const config = [
      'version: 0.1',
      'log: {level: error, accesslog: {disabled: true}}',
      `storage: {filesystem: {rootdirectory: ${directory}/data}, delete: {enabled: true}}`,
      'http:',
      `  addr: 127.0.0.1:${port}`,
      ...tls,
      ...extra,
    ];
    writeFileSync(join(directory, 'config.yml'), config.join('\n'));
    this.#child = spawn('docker-registry', ['serve', join(directory, 'config.yml')], {
      stdio: 'ignore',
      env: { PATH: process.env['PATH'] },
    });
    await listening(port, this.#child);
  }

  async #settings(mode: Exclude<RegistryMode, 'plain'>): Promise<readonly string[]> {
    const { directory } = this;
    switch (mode) {
      case 'password': {
        const line = execFileSync('htpasswd', ['-Bbn', USER.username, USER.password], {
          encoding: 'utf8',
        });
        writeFileSync(join(directory, 'htpasswd'), line);
        return [`auth: {htpasswd: {realm: test, path: ${directory}/htpasswd}}`];
      }
      case 'tls':
      case 'client-tls':
        makeCertificates(directory);
        return [];
      case 'token': {
        makeCertificates(directory);
        const port = await this.#serveTokens();
        const realm = `http://127.0.0.1:${port}/token`;
        return [
          `auth: {token: {realm: "${realm}", service: test, issuer: tester, rootcertbundle: ${directory}/cert.pem}}`,
        ];
      }
    }
  }

  /** The OAuth2 way: a refresh token for a token. */
  async #refresh(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const form = new URLSearchParams(body);
    if (form.get('refresh_token') !== REFRESH_TOKEN) {
      response.writeHead(401).end('{}');
      return;
    }
    const scopes = (form.get('scope') ?? '').split(' ').map((scope) => {
      const [type = '', name = '', actions = ''] = scope.split(':');
      return { type, name, actions: actions.split(',') };
    });
    const token = signToken(this.directory, scopes);
    response.end(JSON.stringify({ access_token: token, expires_in: 300 }));
  }

  async #serveTokens(): Promise<number> {
    const server = http.createServer((request, response) => {
      const url = new URL(request.url ?? '/', 'http://localhost');
      this.tokenRequests.push(`${request.method === 'POST' ? 'POST ' : ''}${url.search}`);
      if (request.method === 'POST') {
        void this.#refresh(request, response);
        return;
      }
      const expected = `Basic ${Buffer.from(`${USER.username}:${USER.password}`).toString('base64')}`;
      const { authorization } = request.headers;
      if (authorization !== undefined && authorization !== expected) {
        response.writeHead(401).end('{}');
        return;
      }
      const scopes = url.searchParams.getAll('scope').map((scope) => {
        const [type = '', name = '', actions = ''] = scope.split(':');
        const granted = actions
          .split(',')
          .filter((action) => authorization !== undefined || action === 'pull');
        return { type, name, actions: granted };
      });
      // A login asks for a token that lasts.
      const isOffline = url.searchParams.get('offline_token') === 'true';
      const token = signToken(this.directory, scopes);
      const more = isOffline && authorization !== undefined ? { refresh_token: REFRESH_TOKEN } : {};
      response.end(JSON.stringify({ token, expires_in: 300, ...more }));
    });
    this.#tokens = server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  }
}

/** What the token server gives to a login instead of the password. */
export const REFRESH_TOKEN = 'a-token-that-lasts';

function makeCertificates(directory: string): void {
  const openssl = (...args: string[]): void =>
    void execFileSync('openssl', args, { cwd: directory, stdio: 'ignore' });
  writeFileSync(join(directory, 'ext'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
  openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    'ca-key.pem',
    '-out',
    'ca.pem',
    '-days',
    '2',
    '-subj',
    '/CN=carve test CA',
  );
  openssl(
    'req',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    'key.pem',
    '-out',
    'request.pem',
    '-subj',
    '/CN=127.0.0.1',
  );
  openssl(
    'x509',
    '-req',
    '-in',
    'request.pem',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca-key.pem',
    '-CAcreateserial',
    '-out',
    'cert.pem',
    '-days',
    '2',
    '-extfile',
    'ext',
  );
}

/** A JSON web token that the registry trusts. Source: distribution token specification (JWT). */
function signToken(directory: string, access: readonly object[]): string {
  const certificate = new X509Certificate(readFileSync(join(directory, 'cert.pem')));
  const encode = (value: object): string =>
    Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const header = encode({ typ: 'JWT', alg: 'RS256', x5c: [certificate.raw.toString('base64')] });
  const claims = encode({
    iss: 'tester',
    sub: USER.username,
    aud: 'test',
    exp: now + 300,
    nbf: now - 10,
    iat: now,
    jti: randomUUID(),
    access,
  });
  const signer = createSign('RSA-SHA256').update(`${header}.${claims}`);
  const key = createPrivateKey(readFileSync(join(directory, 'key.pem')));
  return `${header}.${claims}.${signer.sign(key).toString('base64url')}`;
}

/** What a front does with one request: pass it on, answer itself, or cut the answer after some bytes. */
export type Meddling =
  | { readonly kind: 'pass' }
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string | Buffer;
    }
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** Holds the answer's body until `release` settles. */
  | { readonly kind: 'hold'; readonly afterBytes: number; readonly release: Promise<void> };

/** A registry seen through a front that meddles. */
export class Front {
  readonly requests: {
    readonly method: string;
    readonly path: string;
    readonly range: string | undefined;
    readonly authorization: string | undefined;
  }[] = [];
  readonly #server: http.Server;

  constructor(
    target: RegistryFixture,
    meddle: (request: http.IncomingMessage, count: number) => Meddling,
  ) {
    this.#server = http.createServer((request, response) => {
      const { method = 'GET', url = '/' } = request;
      const { range, authorization } = request.headers;
      this.requests.push({ method, path: url, range, authorization });
      const sameBefore = this.requests.filter(
        (other) => other.path === url && other.method === method,
      ).length;
      void pass(target, { request, response, meddling: meddle(request, sameBefore) });
    });
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

interface Exchange {
  readonly request: http.IncomingMessage;
  readonly response: http.ServerResponse;
  readonly meddling: Meddling;
}

async function pass(
  target: RegistryFixture,
  { request, response, meddling }: Exchange,
): Promise<void> {
  if (meddling.kind === 'answer') {
    request.resume();
    response.writeHead(meddling.status, meddling.headers).end(meddling.body);
    return;
  }
  const onward = http.request({
    host: '127.0.0.1',
    port: target.port,
    method: request.method,
    path: request.url,
    headers: request.headers,
  });
  onward.on('error', () => response.destroy());
  request.pipe(onward);
  const answer = await new Promise<http.IncomingMessage>((resolve) =>
    onward.once('response', resolve),
  );
  response.writeHead(answer.statusCode ?? 500, answer.headers);
  if (meddling.kind === 'pass') {
    answer.pipe(response);
    return;
  }
  let sent = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    const rest = meddling.afterBytes - sent;
    if (chunk.length >= rest && rest >= 0) {
      response.write(chunk.subarray(0, rest));
      if (meddling.kind === 'cut') {
        response.destroy();
        return;
      }
      await meddling.release;
      response.write(chunk.subarray(rest));
    } else response.write(chunk);
    sent += chunk.length;
  }
  response.end();
}

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fakeEngine } from '../../test/fakes/engine.ts';
import { isEngineError } from '../base/error.ts';
import { type RunningServer, serve } from './serve.ts';

const identity = { version: '0.1.0', gitCommit: '', buildTime: '', runtime: 'test' };

class Folder {
  readonly path: string = mkdtempSync(join(tmpdir(), 'carve-socket-'));
  readonly socket: string = join(this.path, 'carve.sock');

  listen(): Promise<RunningServer> {
    return serve(fakeEngine(), { listen: { kind: 'unix', path: this.socket }, identity });
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true });
  }
}

function fails(kind: string, text: RegExp): (error: unknown) => boolean {
  return (error) => isEngineError(error) && error.kind === kind && text.test(error.message);
}

test('serve() makes a socket of mode 0660 and removes it, leaving nothing else', async () => {
  using folder = new Folder();
  const server = await folder.listen();
  assert.equal(statSync(folder.socket).mode & 0o777, 0o660);
  assert.deepEqual(readdirSync(folder.path), ['carve.sock']);
  await server.close();
  assert.deepEqual(readdirSync(folder.path), []);
});

test('serve() never takes the place of a server that answers', async () => {
  using folder = new Folder();
  const first = await folder.listen();
  await assert.rejects(folder.listen(), fails('in-use', /another server answers there/));
  assert.deepEqual(readdirSync(folder.path), ['carve.sock']);
  await first.close();
});

test('serve() replaces a socket that nobody answers on', async () => {
  using folder = new Folder();
  // A listener that dies without cleaning up leaves its socket behind: kept by a second name.
  const dead = createServer();
  await new Promise<void>((resolve) => dead.listen(`${folder.socket}.dead`, resolve));
  const { linkSync } = await import('node:fs');
  linkSync(`${folder.socket}.dead`, folder.socket);
  await new Promise((resolve) => dead.close(resolve));
  assert.equal(existsSync(folder.socket), true);
  const server = await folder.listen();
  await server.close();
  assert.deepEqual(readdirSync(folder.path), []);
});

test('serve() leaves a file that is no socket alone', async () => {
  using folder = new Folder();
  writeFileSync(folder.socket, 'mine');
  await assert.rejects(folder.listen(), fails('conflict', /it exists and is not a socket/));
  assert.deepEqual(readdirSync(folder.path), ['carve.sock']);
});

test('serve() leaves a socket alone that took its place', async () => {
  using folder = new Folder();
  const server = await folder.listen();
  rmSync(folder.socket);
  const other = await folder.listen();
  await server.close();
  assert.equal(existsSync(folder.socket), true);
  await other.close();
});

test('serve() lets exactly one of several that start together win', async () => {
  using folder = new Folder();
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => folder.listen()));
  const running = results.filter((result) => result.status === 'fulfilled');
  assert.equal(running.length, 1);
  for (const result of results) {
    if (result.status === 'rejected') assert.ok(fails('in-use', /another server/)(result.reason));
  }
  assert.deepEqual(readdirSync(folder.path), ['carve.sock']);
  await running[0]?.value.close();
});

test('serve() says what is wrong with the place', async () => {
  const listen = (path: string): Promise<RunningServer> =>
    serve(fakeEngine(), { listen: { kind: 'unix', path }, identity });
  await assert.rejects(
    listen('/nonexistent/dir/s'),
    fails('not-found', /its directory does not exist/),
  );
  await assert.rejects(listen(`/tmp/${'x'.repeat(120)}`), fails('invalid', /at most 107 bytes/));
});

test('serve() listens on TCP only on loopback, and refuses web pages there', async () => {
  await assert.rejects(
    serve(fakeEngine(), { listen: { kind: 'tcp', host: '0.0.0.0', port: 0 }, identity }),
    fails('invalid', /needs client certificates/),
  );
  const server = await serve(fakeEngine(), {
    listen: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    identity,
  });
  const base = `http://127.0.0.1:${server.port}`;
  assert.equal((await fetch(`${base}/_ping`)).status, 200);
  const rows: Record<string, string>[] = [
    { Host: 'evil.example' },
    { Host: `127.0.0.1.evil.example:${server.port}` },
    { Host: '' },
    { Host: `127.0.0.1:${server.port}`, Origin: 'http://evil.example' },
    { Host: `localhost:${server.port}`, 'Sec-Fetch-Site': 'cross-site' },
  ];
  const { connect } = await import('node:net');
  for (const headers of rows) {
    const text = await new Promise<string>((resolve) => {
      const socket = connect({ host: '127.0.0.1', port: server.port ?? 0 });
      let all = '';
      socket.on('data', (bytes: Buffer) => {
        all += bytes.toString();
      });
      socket.on('end', () => resolve(all));
      const lines = Object.entries({ ...headers, Connection: 'close' }).map(
        ([name, value]) => `${name}: ${value}\r\n`,
      );
      socket.write(`GET /_ping HTTP/1.1\r\n${lines.join('')}\r\n`);
    });
    assert.match(text, /^HTTP\/1\.1 403 /, JSON.stringify(headers));
  }
  await assert.rejects(
    serve(fakeEngine(), {
      listen: { kind: 'tcp', host: '127.0.0.1', port: server.port ?? 0 },
      identity,
    }),
    fails('in-use', /Cannot listen on 127\.0\.0\.1/),
  );
  await server.close();
});

import assert from 'node:assert/strict';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { isEngineError } from '../../base/error.ts';
import { createTransport, type HttpRequest, type Transport } from './transport.ts';

const TIMEOUTS = { responseMs: 300, storeMs: 2500, idleMs: 300 };

async function listen(t: TestContext, server: net.Server): Promise<string> {
  const open = new Set<net.Socket>();
  server.on('connection', (socket: net.Socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => open.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function transportOf(t: TestContext, proxy?: string): Transport {
  const proxies = proxy === undefined ? {} : { https: proxy };
  const transport = createTransport({ timeouts: TIMEOUTS, proxies });
  t.after(() => transport.close());
  return transport;
}

const requestOf = (url: string, more: Partial<HttpRequest> = {}): HttpRequest => ({
  method: 'GET',
  url: new URL(url),
  headers: {},
  tls: { isVerified: true },
  ...more,
});

test('a request says what program sends it', async (t) => {
  const names: (string | undefined)[] = [];
  const host = await listen(
    t,
    http.createServer((request, response) => {
      names.push(request.headers['user-agent']);
      response.end();
    }),
  );
  (await transportOf(t).send(requestOf(`http://${host}/x`))).body.resume();
  assert.deepEqual(names, ['carve']);
});

test('a registry that needs longer to store than to read is waited for', async (t) => {
  const host = await listen(
    t,
    http.createServer((request, response) => {
      request.resume();
      setTimeout(() => response.writeHead(201).end(), 2 * TIMEOUTS.responseMs);
    }),
  );
  const transport = transportOf(t);
  const headers = { 'Content-Length': '0' };
  const put = await transport.send(requestOf(`http://${host}/x`, { method: 'PUT', headers }));
  assert.equal(put.status, 201);
  await assert.rejects(transport.send(requestOf(`http://${host}/x`)), /timed out/);
});

test('a body that goes out slower than the patience, but goes out, arrives', async (t) => {
  const body = Buffer.alloc(12 * 1024 * 1024, 7);
  let count = 0;
  const host = await listen(
    t,
    http.createServer((request, response) => {
      request.on('data', (chunk: Buffer) => {
        count += chunk.length;
        // All of it takes longer than the patience, no part of it does.
        request.pause();
        setTimeout(() => request.resume(), (1.3 * TIMEOUTS.storeMs * chunk.length) / body.length);
      });
      request.on('end', () => response.writeHead(201).end());
    }),
  );
  const headers = { 'Content-Length': String(body.length) };
  const put = requestOf(`http://${host}/x`, { method: 'PUT', headers, body });
  assert.equal((await transportOf(t).send(put)).status, 201);
  assert.equal(count, body.length);
});

test('a proxy that never makes its tunnel is given up, and left when nobody waits any more', async (t) => {
  const stop = new AbortController();
  let count = 0;
  const silent = await listen(
    t,
    net.createServer((socket) =>
      socket.once('data', () => {
        count += 1;
        if (count === 2) stop.abort();
      }),
    ),
  );
  const transport = transportOf(t, `http://${silent}`);
  const request = requestOf('https://registry.invalid/v2/');
  await assert.rejects(
    transport.send(request),
    (error) => isEngineError(error) && /the connection timed out/.test(error.message),
  );
  await assert.rejects(
    transport.send({ ...request, signal: stop.signal }),
    (error) => isEngineError(error) && error.kind === 'cancelled',
  );
});

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isEngineError } from '../base/error.ts';
import { createClient, type Client } from './client.ts';

interface Peer {
  readonly client: Client;
  /** Requests as they came, one text a connection. */
  readonly received: string[];
  readonly connections: () => number;
  /** Settles when the text of connection `index` matches. */
  readonly until: (index: number, pattern: RegExp) => Promise<void>;
}

/** A server that answers each request head it sees with what `answer` says, raw. */
async function withPeer(
  answer: (head: string, socket: Socket) => void,
  body: (peer: Peer) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'carve-client-'));
  const path = join(directory, 's');
  const received: string[] = [];
  const sockets = new Set<Socket>();
  const waiting: (() => void)[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const index = received.push('') - 1;
    sockets.add(socket);
    let pending = '';
    socket.on('data', (bytes) => {
      received[index] += bytes.toString('latin1');
      pending += bytes.toString('latin1');
      for (let end = pending.indexOf('\r\n\r\n'); end >= 0; end = pending.indexOf('\r\n\r\n')) {
        const head = pending.slice(0, end);
        const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
        if (pending.length < end + 4 + length) break;
        pending = pending.slice(end + 4 + length);
        if (/^(GET|POST|HEAD|PUT|DELETE) /.test(head)) answer(head, socket);
      }
      for (const wake of waiting.splice(0)) wake();
    });
    socket.on('end', () => {
      received[index] += '<end>';
      for (const wake of waiting.splice(0)) wake();
    });
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const client = createClient({ host: `unix://${path}` });
  const until = async (index: number, pattern: RegExp): Promise<void> => {
    while (!pattern.test(received[index] ?? ''))
      await new Promise<void>((resolve) => waiting.push(resolve));
  };
  try {
    await body({ client, received, connections: () => received.length, until });
  } finally {
    client.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    await rm(directory, { recursive: true });
  }
}

const json = (text: string, status = '200 OK', more = ''): string =>
  `HTTP/1.1 ${status}\r\nApi-Version: 1.51\r\nContent-Type: application/json\r\n${more}Content-Length: ${String(Buffer.byteLength(text))}\r\n\r\n${text}`;

test('a client sends its requests one after the other on one connection', async () => {
  await withPeer(
    (_head, socket) => socket.write(json('{"Version":"1"}')),
    async ({ client, received, connections }) => {
      assert.equal((await client.system.version()).Version, '1');
      assert.equal((await client.system.version()).Version, '1');
      assert.equal(connections(), 1);
      assert.match(received[0] ?? '', /^GET \/v1\.51\/version HTTP\/1\.1\r\n/);
    },
  );
});

test('a client opens another connection while one is busy, and does not reuse one the engine will close', async () => {
  await withPeer(
    (_head, socket) => socket.write(json('{}', '200 OK', 'Connection: close\r\n')),
    async ({ client, connections }) => {
      await Promise.all([client.system.version(), client.system.version()]);
      await client.system.version();
      assert.equal(connections(), 3);
    },
  );
});

test('a client turns an error answer into an EngineError of the right kind', async () => {
  await withPeer(
    (_head, socket) => socket.write(json('{"message":"No such container: x"}', '404 Not Found')),
    async ({ client }) => {
      await assert.rejects(
        client.containers.inspect('x'),
        (error: unknown) =>
          isEngineError(error) &&
          error.kind === 'not-found' &&
          error.message === 'No such container: x',
      );
    },
  );
});

test('a client that is too new for its engine speaks the version of the engine', async () => {
  const heads: string[] = [];
  await withPeer(
    (head, socket) => {
      heads.push(head.split('\r\n')[0] ?? '');
      const refused = json(
        '{"message":"client version 1.51 is too new. Maximum supported API version is 1.44"}',
        '400 Bad Request',
      ).replace('1.51\r\n', '1.44\r\n');
      socket.write(head.includes('/v1.51/') ? refused : json('{}'));
    },
    async ({ client }) => {
      await client.system.info();
      await client.system.info();
      assert.equal(client.apiVersion(), '1.44');
      assert.deepEqual(heads, [
        'GET /v1.51/info HTTP/1.1',
        'GET /v1.44/info HTTP/1.1',
        'GET /v1.44/info HTTP/1.1',
      ]);
    },
  );
});

test('a client asks for the version before it sends a body that it can send only once', async () => {
  const heads: string[] = [];
  await withPeer(
    (head, socket) => {
      heads.push(head.split('\r\n')[0] ?? '');
      if (head.startsWith('HEAD'))
        socket.write('HTTP/1.1 200 OK\r\nApi-Version: 1.44\r\nContent-Length: 0\r\n\r\n');
      else socket.write(json('{"stream":"Loaded image: a:1\\n"}'));
    },
    async ({ client, received, until }) => {
      async function* archive(): AsyncGenerator<Uint8Array, void, void> {
        yield Buffer.from('abc');
        yield Buffer.alloc(0);
        yield Buffer.from('defg');
      }
      const steps: unknown[] = [];
      for await (const step of client.images.load(archive())) steps.push(step);
      assert.deepEqual(steps, [{ stream: 'Loaded image: a:1\n' }]);
      await until(received.length - 1, /0\r\n\r\n/);
      assert.deepEqual(
        heads,
        ['HEAD /v1.44/_ping HTTP/1.1', 'POST /v1.44/images/load?quiet=0 HTTP/1.1'].map((line) =>
          line.replace('/v1.44/_ping', '/_ping'),
        ),
      );
      assert.match(received.join(''), /3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n/);
    },
  );
});

for (const [name, head, contentType] of [
  [
    '101',
    'HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n',
    'multiplexed',
  ],
  [
    'a bare 200',
    'HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n',
    'raw',
  ],
] as const) {
  test(`attach hands over the stream after ${name}, with half-close`, async () => {
    await withPeer(
      (_head, socket) => {
        socket.write(`${head}first`);
        socket.on('end', () => socket.end('last'));
      },
      async ({ client, received, until }) => {
        const stream = await client.containers.attach('c', { stdin: true, stdout: true });
        assert.equal(stream.contentType, contentType);
        assert.equal(String(await stream.output.read()), 'first');
        assert.equal(await stream.write(Buffer.from('typed')), true);
        await until(0, /typed/);
        stream.endInput();
        await until(0, /typed<end>/);
        assert.equal(String(await stream.output.read()), 'last');
        assert.equal(await stream.output.read(), undefined);
        stream.close();
        assert.match(
          received[0] ?? '',
          /POST \/v1\.51\/containers\/c\/attach\?stream=1&stdin=1&stdout=1 HTTP/,
        );
        assert.match(received[0] ?? '', /Upgrade: tcp/);
      },
    );
  });
}

test('an abort ends a stream under way with the reason of its signal', async () => {
  await withPeer(
    (_head, socket) =>
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n{"a":1}\r\n'),
    async ({ client, until }) => {
      const abort = new AbortController();
      const events = client.system.events({ signal: abort.signal })[Symbol.asyncIterator]();
      assert.deepEqual((await events.next()).value, { a: 1 });
      const next = events.next();
      abort.abort(new Error('enough'));
      await assert.rejects(next, /enough/);
      await until(0, /<end>|^GET/);
    },
  );
});

test('wait settles with its headers and gives the exit code later', async () => {
  let finish: () => void = () => undefined;
  await withPeer(
    (_head, socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      finish = () => socket.write('10\r\n{"StatusCode":7}\r\n0\r\n\r\n');
    },
    async ({ client }) => {
      const { result } = await client.containers.wait('c', 'next-exit');
      finish();
      assert.deepEqual(await result, { StatusCode: 7 });
    },
  );
});

test('a connection that ends before its answer is one clear error', async () => {
  await withPeer(
    (_head, socket) => socket.destroy(),
    async ({ client }) => {
      await assert.rejects(
        client.containers.start('c'),
        (error: unknown) =>
          isEngineError(error) && (error.kind === 'unavailable' || error.kind === 'corrupt'),
      );
    },
  );
});

test('a connection refused names the socket', async () => {
  const client = createClient({ host: 'unix:///nonexistent/carve.sock' });
  await assert.rejects(
    client.system.version(),
    (error: unknown) =>
      isEngineError(error) &&
      error.kind === 'unavailable' &&
      error.message ===
        'Cannot connect to the carve daemon at unix:///nonexistent/carve.sock. Is it running?' &&
      error.details['code'] === 'ENOENT',
  );
});

test('a slow reader holds back the engine', async () => {
  const chunk = Buffer.alloc(64 * 1024, 0x61);
  let written = 0;
  const total = 64 * 1024 * 1024;
  await withPeer(
    (_head, socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: application/x-tar\r\n\r\n');
      const more = (): void => {
        while (written < total) {
          written += chunk.length;
          if (!socket.write(chunk)) {
            socket.once('drain', more);
            return;
          }
        }
        socket.end();
      };
      more();
    },
    async ({ client }) => {
      const body = await client.containers.export('c');
      const first = await body.read();
      // Whatever the kernel and both ends hold, it must be far from everything.
      await new Promise((resolve) => setImmediate(resolve));
      const before = written;
      assert.ok(
        before < total / 4,
        `${String(before)} bytes were sent to a reader who does not read`,
      );
      let bytes = first?.length ?? 0;
      for await (const part of body) bytes += part.length;
      assert.equal(bytes, total);
    },
  );
});

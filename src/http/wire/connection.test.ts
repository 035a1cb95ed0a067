import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { atRest, turns } from '../../../test/fakes/quiet.ts';
import type { Exchange, ExchangeHandler } from './exchange.ts';
import { HttpSyntaxError } from './head.ts';
import { defaultLimits, type WireLimits } from './limits.ts';
import { WireServer } from './server.ts';

const ok = 'HTTP/1.1 200 OK\r\n';

/** A server of one handler on a socket of its own. */
class Fixture {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'carve-wire-'));
  readonly path: string = join(this.directory, 's');
  readonly wire: WireServer;
  readonly #listener: Server;
  nowMs = 0;

  constructor(handler: ExchangeHandler, limits: Partial<WireLimits> = {}) {
    this.wire = new WireServer({
      limits: { ...defaultLimits, ...limits },
      handler,
      monotonicMs: () => this.nowMs,
      syntaxError: (error) => ({ head: `HTTP/1.1 ${error.status} X\r\n`, body: error.message }),
      tooMany: () => ({ head: 'HTTP/1.1 503 X\r\n', body: 'too many' }),
    });
    this.#listener = createServer({ allowHalfOpen: true }, (socket) => this.wire.accept(socket));
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#listener.listen(this.path, resolve));
    return this;
  }

  /** A connected client that keeps its side open. */
  async client(): Promise<Client> {
    const socket = connect({ path: this.path, allowHalfOpen: true });
    await new Promise<void>((resolve) => socket.once('connect', resolve));
    return new Client(socket);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.wire.close(50);
    await new Promise<void>((resolve) => {
      this.#listener.close(() => resolve());
    });
    rmSync(this.directory, { recursive: true });
  }
}

class Client {
  readonly socket: Socket;
  text = '';
  isEnded = false;
  readonly #waiting = new Set<() => void>();

  constructor(socket: Socket) {
    this.socket = socket;
    const wake = (): void => {
      for (const call of this.#waiting) call();
    };
    socket.on('data', (bytes: Buffer) => {
      this.text += bytes.toString('latin1');
      wake();
    });
    for (const event of ['end', 'close', 'error']) {
      socket.on(event, () => {
        this.isEnded = true;
        wake();
      });
    }
  }

  write(text: string | Uint8Array): this {
    this.socket.write(text);
    return this;
  }

  /** Waits until the text fits. */
  async until(fits: (text: string) => boolean): Promise<string> {
    await new Promise<void>((resolve) => {
      const check = (): void => {
        if (!fits(this.text) && !this.isEnded) return;
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
      check();
    });
    assert.ok(fits(this.text), `got ${JSON.stringify(this.text)}`);
    return this.text;
  }

  async ended(): Promise<string> {
    await new Promise<void>((resolve) => {
      const check = (): void => {
        if (!this.isEnded) return;
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
      check();
    });
    return this.text;
  }
}

/** Answers with method, target and body. */
async function echo(exchange: Exchange): Promise<void> {
  try {
    const body = await exchange.body.collect(1000);
    exchange.send(ok, `${exchange.head.method} ${exchange.head.target} ${body.toString()}`);
  } catch (error) {
    assert.ok(error instanceof HttpSyntaxError);
    exchange.send(`HTTP/1.1 ${error.status} X\r\n`, error.message);
  }
}

test('Connection answers requests of one connection in order, pipelined or not', async () => {
  await using fixture = await new Fixture(echo).listen();
  const client = await fixture.client();
  client.write(
    'GET /a HTTP/1.1\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 2\r\n\r\nhiGET /c HTTP/1.1\r\n\r\n',
  );
  const text = await client.until((all) => all.includes('GET /c '));
  assert.equal(
    text,
    ['GET /a ', 'POST /b hi', 'GET /c ']
      .map((body) => `${ok}Content-Length: ${body.length}\r\n\r\n${body}`)
      .join(''),
  );
  client.write('\r\nGET /d HTTP/1.1\r\n\r\n');
  await client.until((all) => all.includes('GET /d '));
  client.socket.end();
  await client.ended();
});

test('Connection gives the same answers wherever the input is cut', async () => {
  await using fixture = await new Fixture(echo).listen();
  const wire = Buffer.from(
    'POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyzGET /c HTTP/1.1\r\nConnection: close\r\n\r\n',
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(wire.length), { maxLength: 8 }), async (cuts) => {
      const client = await fixture.client();
      const edges = [0, ...cuts.sort((a, b) => a - b), wire.length];
      for (let index = 1; index < edges.length; index += 1) {
        client.write(wire.subarray(edges[index - 1], edges[index]));
        await new Promise((resolve) => setImmediate(resolve));
      }
      const text = await client.ended();
      client.socket.destroy();
      assert.deepEqual(text.match(/(?:POST|GET) \/. ?[a-z]*/g), [
        'POST /a abcde',
        'POST /b xyz',
        'GET /c ',
      ]);
    }),
    { numRuns: 40 },
  );
});

test('Connection sends 100 Continue only when the body is wanted', async () => {
  await using fixture = await new Fixture(async (exchange) => {
    if (exchange.head.target === '/refuse') exchange.send('HTTP/1.1 404 X\r\n', '');
    else await echo(exchange);
  }).listen();
  const head = 'HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n';
  const client = await fixture.client();
  await client.write(`PUT /take ${head}`).until((all) => all === 'HTTP/1.1 100 Continue\r\n\r\n');
  await client.write('hi').until((all) => all.endsWith('PUT /take hi'));
  const refused = await fixture.client();
  assert.equal(
    await refused.write(`PUT /refuse ${head}`).ended(),
    'HTTP/1.1 404 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
  );
  client.socket.destroy();
  refused.socket.destroy();
});

test('Connection reads away a small body nobody wanted and goes on', async () => {
  await using fixture = await new Fixture(async (exchange) =>
    exchange.send('HTTP/1.1 204 X\r\n', ''),
  ).listen();
  const client = await fixture.client();
  client.write('POST /a HTTP/1.1\r\nContent-Length: 10\r\n\r\n{"ign');
  await client.until((all) => all === 'HTTP/1.1 204 X\r\n\r\n');
  client.write('ore"}POST /b HTTP/1.1\r\n\r\n');
  await client.until((all) => all === 'HTTP/1.1 204 X\r\n\r\n'.repeat(2));
  client.socket.destroy();
});

test('Connection closes after an answer that leaves a large body unread, and the client gets the answer', async () => {
  await using fixture = await new Fixture(async (exchange) =>
    exchange.send('HTTP/1.1 404 X\r\n', 'no'),
  ).listen();
  const client = await fixture.client();
  client
    .write(`PUT /a HTTP/1.1\r\nContent-Length: ${1 << 30}\r\n\r\n`)
    .write(Buffer.alloc(1 << 20));
  assert.equal(
    await client.ended(),
    'HTTP/1.1 404 X\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno',
  );
  client.socket.destroy();
});

test('Connection refuses a body beyond the limit of its reader', async () => {
  await using fixture = await new Fixture(echo).listen();
  const client = await fixture.client();
  client.write(`PUT /a HTTP/1.1\r\nContent-Length: 1001\r\n\r\n${'x'.repeat(1001)}`);
  assert.match(
    await client.until((all) => all.includes('larger than 1000 bytes')),
    /^HTTP\/1.1 413 /,
  );
  client.socket.destroy();
});

test('Connection holds a body back while its reader is slow', async () => {
  const size = 8 * 1024 * 1024;
  let peakBytes = 0;
  const started = Promise.withResolvers<undefined>();
  const go = Promise.withResolvers<undefined>();
  await using fixture = await new Fixture(async (exchange) => {
    const stream = exchange.body.stream();
    started.resolve(undefined);
    await go.promise;
    let count = 0;
    for await (const piece of stream) {
      assert.ok(piece instanceof Buffer);
      peakBytes = Math.max(peakBytes, stream.readableLength);
      count += piece.length;
    }
    exchange.send(ok, String(count));
  }).listen();
  const client = await fixture.client();
  client.write(`PUT /a HTTP/1.1\r\nContent-Length: ${size}\r\n\r\n`);
  const isTaken = client.socket.write(Buffer.alloc(size));
  await started.promise;
  assert.equal(isTaken, false);
  assert.ok(client.socket.writableLength > size / 2, 'the client is held back');
  go.resolve(undefined);
  await client.until((all) => all.endsWith(String(size)));
  assert.ok(peakBytes < 2 * 1024 * 1024, `buffered ${peakBytes}`);
  client.socket.destroy();
});

test('Connection stops reading requests from a client that reads no answers', async () => {
  let answered = 0;
  const body = 'x'.repeat(64 * 1024);
  await using fixture = await new Fixture(async (exchange) => {
    answered += 1;
    exchange.send(ok, body);
  }).listen();
  const client = await fixture.client();
  client.socket.pause();
  client.write('GET /a HTTP/1.1\r\n\r\n'.repeat(400));
  await atRest(() => answered);
  assert.ok(answered < 200, `answered ${answered}`);
  client.socket.resume();
  await client.until((all) => all.length > 400 * body.length);
  assert.equal(answered, 400);
  client.socket.destroy();
});

test('Connection streams an answer in chunks with back pressure', async () => {
  const piece = Buffer.alloc(64 * 1024, 'a');
  let written = 0;
  await using fixture = await new Fixture(async (exchange) => {
    const response = exchange.stream(ok);
    for (let index = 0; index < 100; index += 1) {
      await response.write(piece);
      written += 1;
    }
    await response.write('end');
    response.end();
  }).listen();
  const client = await fixture.client();
  client.socket.pause();
  client.write('GET / HTTP/1.1\r\n\r\n');
  await atRest(() => written);
  assert.ok(written < 20, `wrote ${written}`);
  client.socket.resume();
  const text = await client.until((all) => all.endsWith('\r\n3\r\nend\r\n0\r\n\r\n'));
  assert.ok(text.startsWith(`${ok}Transfer-Encoding: chunked\r\n\r\n10000\r\naaa`));
  client.socket.destroy();
});

test('Connection ends a stream to a client of HTTP/1.0 by closing', async () => {
  await using fixture = await new Fixture(async (exchange) => {
    const response = exchange.stream(ok);
    await response.write('a');
    response.end();
  }).listen();
  const client = await fixture.client();
  assert.equal(
    await client.write('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n').ended(),
    `${ok}Connection: close\r\n\r\na`,
  );
  client.socket.destroy();
});

test('Connection cuts an aborted stream short, so that the client knows', async () => {
  await using fixture = await new Fixture(async (exchange) => {
    const response = exchange.stream(ok);
    await response.write('a');
    response.abort();
  }).listen();
  const client = await fixture.client();
  const text = await client.write('GET / HTTP/1.1\r\n\r\n').ended();
  assert.ok(!text.includes('0\r\n\r\n'));
});

test('Connection aborts the signal when the client goes away', async () => {
  for (const leave of ['end', 'destroy'] as const) {
    const aborted = Promise.withResolvers<undefined>();
    const arrived = Promise.withResolvers<undefined>();
    await using fixture = await new Fixture(async (exchange) => {
      exchange.signal.addEventListener('abort', () => aborted.resolve(undefined));
      arrived.resolve(undefined);
      await aborted.promise;
      exchange.send(ok, '');
    }).listen();
    const client = await fixture.client();
    client.write('GET /wait HTTP/1.1\r\n\r\n');
    await arrived.promise;
    client.socket[leave]();
    await aborted.promise;
    client.socket.destroy();
  }
});

test('Connection fails a body that is cut short', async () => {
  const failed = Promise.withResolvers<unknown>();
  await using fixture = await new Fixture(async (exchange) => {
    await exchange.body.collect(1000).catch((error: unknown) => failed.resolve(error));
    exchange.send(ok, '');
  }).listen();
  const client = await fixture.client();
  client.write('PUT / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc');
  client.socket.end();
  assert.match(String(await failed.promise), /cut short/);
  client.socket.destroy();
});

test('Connection hands over the socket with what the client sent already', async () => {
  await using fixture = await new Fixture(async (exchange) => {
    const body = await exchange.body.collect(100);
    const { socket, early } = exchange.hijack('HTTP/1.1 101 UPGRADED\r\n\r\n');
    socket.write(`body ${body.toString()} early ${early.toString()};`);
    socket.on('data', (bytes: Buffer) => socket.write(`got ${bytes.toString()};`));
    socket.on('end', () => socket.end('bye'));
    socket.resume();
  }).listen();
  const client = await fixture.client();
  client.write(
    'POST / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}GET',
  );
  await client.until((all) => all.endsWith('body {} early GET;'));
  await client
    .write(' / HTTP/1.1\r\n\r\n')
    .until((all) => all.endsWith('got  / HTTP/1.1\r\n\r\n;'));
  client.socket.end();
  assert.ok((await client.ended()).endsWith('bye'));
});

test('Connection refuses what is no HTTP, in its own words, and closes', async () => {
  await using fixture = await new Fixture(echo).listen();
  const rows: [string, number][] = [
    ['hello\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nA\r\n\r\n', 400],
    [`GET /${'x'.repeat(200 * 1024)}`, 431],
    [`GET /${'x'.repeat(200 * 1024)} HTTP/1.1\r\n\r\n`, 431],
    ['GET / HTTP/3.0\r\n\r\n', 505],
    ['PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 400],
  ];
  for (const [text, status] of rows) {
    const client = await fixture.client();
    const answer = await client.write(text).ended();
    assert.ok(answer.startsWith(`HTTP/1.1 ${status} X\r\n`), `${text.slice(0, 40)}: ${answer}`);
    assert.ok(answer.includes('Connection: close\r\n'));
    client.socket.destroy();
  }
});

test('Connection ends clients that are slow on purpose', async () => {
  await using fixture = await new Fixture(echo).listen();
  const rows: [string, RegExp][] = [
    ['', /^$/],
    ['GET / HTTP/1.1\r\nA: ', /^HTTP\/1.1 408 /],
    ['PUT / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc', /^HTTP\/1.1 408 /],
    ['GET /idle HTTP/1.1\r\n\r\n', /GET \/idle $/],
  ];
  const clients: Client[] = [];
  for (const [text] of rows) clients.push((await fixture.client()).write(text));
  await clients[3]?.until((all) => all.endsWith('/idle '));
  await turns();
  fixture.nowMs += defaultLimits.idleTimeoutMs + 1;
  for (const [index, [, expected]] of rows.entries()) {
    assert.match((await clients[index]?.ended()) ?? '', expected);
    clients[index]?.socket.destroy();
  }
});

test('WireServer refuses connections beyond its limit', async () => {
  await using fixture = await new Fixture(echo, { connectionsMax: 1 }).listen();
  const first = await fixture.client();
  await first.write('GET /a HTTP/1.1\r\n\r\n').until((all) => all.endsWith('/a '));
  const second = await fixture.client();
  assert.match(await second.ended(), /^HTTP\/1\.1 503 .*too many$/s);
  first.socket.destroy();
});

test('WireServer.close() lets an answer finish and ends idle clients', async () => {
  const go = Promise.withResolvers<undefined>();
  const arrived = Promise.withResolvers<undefined>();
  await using fixture = await new Fixture(async (exchange) => {
    arrived.resolve(undefined);
    await go.promise;
    exchange.send(ok, 'done');
  }).listen();
  const idle = await fixture.client();
  const busy = await fixture.client();
  busy.write('GET / HTTP/1.1\r\n\r\n');
  await arrived.promise;
  const closed = fixture.wire.close(5000);
  assert.equal(await idle.ended(), '');
  go.resolve(undefined);
  assert.match(await busy.ended(), /Connection: close\r\n\r\ndone$/);
  busy.socket.end();
  await closed;
});

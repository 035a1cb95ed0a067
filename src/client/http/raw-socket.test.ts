import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openNodeSocket } from './node-socket.ts';
import type { RawSocket } from './raw-socket.ts';
import { openRuntimeSocket } from './runtime-socket.ts';

type Open = (path: string) => Promise<RawSocket | undefined>;

const WAYS: readonly (readonly [name: string, open: Open])[] = [
  ['node:net', (path) => openNodeSocket({ kind: 'unix', path })],
  ...('Bun' in globalThis ? [['the runtime', openRuntimeSocket] as const] : []),
];

/** What a socket told. */
class Heard {
  readonly chunks: Buffer[] = [];
  readonly ended = Promise.withResolvers<undefined>();
  readonly closed = Promise.withResolvers<undefined>();
  drain: () => void = () => undefined;

  constructor(socket: RawSocket) {
    socket.listen({
      data: (bytes) => this.chunks.push(bytes),
      end: () => this.ended.resolve(undefined),
      error: () => undefined,
      close: () => this.closed.resolve(undefined),
      drain: () => this.drain(),
    });
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString();
  }
}

async function withServer(
  open: Open,
  serve: (peer: Socket) => void,
  run: (socket: RawSocket, heard: Heard) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'carve-socket-'));
  const path = join(folder, 'socket');
  const server = createServer({ allowHalfOpen: true }, serve).listen(path);
  try {
    await once(server, 'listening');
    const socket = await open(path);
    assert.ok(socket !== undefined);
    try {
      await run(socket, new Heard(socket));
    } finally {
      socket.destroy();
    }
  } finally {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

for (const [name, open] of WAYS) {
  test(`a socket of ${name} goes on reading after its own end`, async () => {
    const answer = (peer: Socket): void => {
      let asked = '';
      peer.on('data', (bytes) => (asked += String(bytes)));
      peer.on('end', () => peer.end(`you said ${asked}`));
    };
    await withServer(open, answer, async (socket, heard) => {
      assert.equal(socket.write('hello'), true);
      socket.end();
      socket.end();
      assert.equal(socket.isEnded, true);
      await heard.closed.promise;
      assert.equal(heard.text, 'you said hello');
    });
  });

  test(`a socket of ${name} hears the peer's end and may still write`, async () => {
    const said = Promise.withResolvers<string>();
    const first = (peer: Socket): void => {
      peer.end('bye');
      peer.on('data', (bytes) => said.resolve(String(bytes)));
    };
    await withServer(open, first, async (socket, heard) => {
      await heard.ended.promise;
      assert.equal(heard.text, 'bye');
      socket.write('last words');
      assert.equal(await said.promise, 'last words');
    });
  });

  test(`a socket of ${name} sends everything in order to a slow peer, then its end`, async () => {
    const pieces = Array.from({ length: 40 }, (_, index) => Buffer.alloc(100_000, 65 + index));
    const all = Buffer.concat(pieces);
    const got = Promise.withResolvers<Buffer>();
    const slow = (peer: Socket): void => {
      const chunks: Buffer[] = [];
      peer.on('data', (bytes: Buffer) => chunks.push(bytes));
      peer.on('end', () => got.resolve(Buffer.concat(chunks)));
      peer.pause();
      setImmediate(() => peer.resume());
    };
    await withServer(open, slow, async (socket, heard) => {
      const drained = new Promise<void>((resolve) => (heard.drain = resolve));
      let mustWait = false;
      for (const piece of pieces) mustWait = !socket.write(piece) || mustWait;
      assert.equal(mustWait, true);
      await drained;
      socket.end();
      assert.ok((await got.promise).equals(all));
    });
  });

  test(`a socket of ${name} gives nothing while it is paused`, async () => {
    const said = Promise.withResolvers<undefined>();
    const talk = (peer: Socket): void =>
      void peer.on('data', (bytes) => peer.write(bytes, () => said.resolve(undefined)));
    await withServer(open, talk, async (socket, heard) => {
      socket.pause();
      socket.write('echo');
      await said.promise;
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(heard.chunks, []);
      socket.resume();
      for (;;) {
        if (heard.text === 'echo') break;
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
  });

  test(`a socket of ${name} that is destroyed is closed and takes nothing`, async () => {
    const gone = Promise.withResolvers<undefined>();
    const watch = (peer: Socket): void => {
      peer.on('error', () => undefined);
      peer.on('close', () => gone.resolve(undefined));
      peer.on('end', () => peer.end());
      peer.resume();
    };
    await withServer(open, watch, async (socket, heard) => {
      socket.destroy();
      socket.destroy();
      assert.equal(socket.isEnded, true);
      await heard.closed.promise;
      assert.equal(socket.write('x'), false);
      await gone.promise;
    });
  });
}

test('openRuntimeSocket() leaves what it cannot do to node:net', async () => {
  assert.equal(await openRuntimeSocket('/nonexistent/socket'), undefined);
});

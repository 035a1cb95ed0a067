/** The server at the monitors' socket: frames in, frames out, and who breaks the protocol. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { message } from '../../../test/names/messages.ts';
import { encodeFrame, type Frame, FRAME_KIND, FrameDecoder } from '../../kernel/frame.ts';
import { parseAddress } from '../../spec/cidr.ts';
import { NameDirectory } from './directory.ts';
import { Forwarder } from './forward.ts';
import { NameServer } from './server.ts';

/** A name server in a directory of its own; `web` is 10.0.0.2 for c1. */
class Fixture implements AsyncDisposable {
  readonly path: string;
  readonly server: NameServer;
  readonly #dir: string;
  readonly #clock: { nowMs: number };

  private constructor(dir: string, server: NameServer, clock: { nowMs: number }) {
    this.#dir = dir;
    this.server = server;
    this.#clock = clock;
    this.path = join(dir, 'names.sock');
  }

  static async create(prefix = 'carve-names-'): Promise<Fixture> {
    const dir = await mkdtemp(join(tmpdir(), prefix));
    const clock = { nowMs: 1000 };
    const directory = new NameDirectory();
    const networks = [{ networkId: 'n', isInternal: true }];
    directory.setClient('c1', { networks, servers: [] });
    directory.join({
      networkId: 'n',
      networkName: 'front',
      containerId: 'f'.repeat(64),
      addresses: [parseAddress('10.0.0.2')],
      names: ['web'],
    });
    const nowMs = (): number => clock.nowMs;
    const server = await NameServer.listen({
      directory,
      directoryPath: dir,
      nowMs,
      forwarder: new Forwarder(nowMs),
      hostUpstreams: () => [],
    });
    return new Fixture(dir, server, clock);
  }

  /** A second is over. */
  tick(): void {
    this.#clock.nowMs += 1000;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
    await rm(this.#dir, { recursive: true, force: true });
  }
}

const hello = (text: string): Buffer => encodeFrame(FRAME_KIND.hello, 0, [Buffer.from(text)]);
const query = (id: number, bytes: Uint8Array): Buffer => encodeFrame(FRAME_KIND.query, id, [bytes]);

/** `count` frames from the server. */
async function frames(socket: Socket, count: number): Promise<readonly Frame[]> {
  const decoder = new FrameDecoder(70_000);
  const got: Frame[] = [];
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    if (Buffer.isBuffer(chunk))
      for (const frame of decoder.push(chunk))
        got.push({ ...frame, payload: Buffer.from(frame.payload) });
    if (got.length >= count) break;
  }
  return got;
}

test('every query has one answer with its token, also one that has no answer', async () => {
  await using fixture = await Fixture.create();
  const socket = connect(fixture.path);
  socket.write(hello('c1'));
  socket.write(query(7, message({ name: 'web' })));
  socket.write(query(8, message({ flags: 0x8100 })));
  socket.write(query(2 ** 48 + 3, message({ name: 'else.where' })));
  const got = await frames(socket, 3);
  socket.destroy();
  const byId = new Map(got.map((frame) => [frame.id, Buffer.from(frame.payload)]));
  assert.deepEqual(byId.get(7)?.subarray(-4), Buffer.of(10, 0, 0, 2));
  assert.equal(byId.get(8)?.length, 0);
  assert.equal((byId.get(2 ** 48 + 3)?.[3] ?? 0) & 0xf, 2);
  assert.ok(got.every(({ kind }) => kind === FRAME_KIND.answer));
});

test('who asks is what the connection said first', async () => {
  await using fixture = await Fixture.create();
  const socket = connect(fixture.path);
  socket.write(Buffer.concat([hello('c2'), query(1, message({ name: 'web' }))]));
  const [answer] = await frames(socket, 1);
  socket.destroy();
  assert.equal((answer?.payload[3] ?? 0) & 0xf, 2, 'nobody knows c2');
});

test('a connection that breaks the protocol is ended, others go on', async () => {
  await using fixture = await Fixture.create();
  const rows: readonly (readonly [string, Uint8Array])[] = [
    ['a query before HELLO', query(1, message())],
    ['an empty HELLO', hello('')],
    ['HELLO twice', Buffer.concat([hello('c1'), hello('c1')])],
    ['an answer', Buffer.concat([hello('c1'), encodeFrame(FRAME_KIND.answer, 1)])],
    ['a query that is too long', Buffer.concat([hello('c1'), query(1, Buffer.alloc(4097))])],
    ['garbage', Buffer.alloc(64, 0xff)],
  ];
  const good = connect(fixture.path);
  good.write(hello('c1'));
  for (const [what, bytes] of rows) {
    const socket = connect(fixture.path);
    socket.on('error', () => undefined).resume();
    const closed = once(socket, 'close');
    socket.write(bytes);
    await closed;
    assert.ok(socket.destroyed, what);
  }
  good.write(query(1, message({ name: 'web' })));
  assert.equal((await frames(good, 1)).length, 1);
  good.destroy();
});

test('N10: queries beyond what the engine has time for have no answer, and the next moment they have', async () => {
  await using fixture = await Fixture.create();
  const socket = connect(fixture.path);
  socket.write(hello('c1'));
  const one = message({ name: 'web' });
  socket.write(Buffer.concat(Array.from({ length: 3000 }, (_, id) => query(id, one))));
  const got = await frames(socket, 3000);
  assert.equal(got.filter(({ payload }) => payload.length > 0).length, 2000);
  const other = connect(fixture.path);
  other.write(Buffer.concat([hello('c1'), query(1, one)]));
  assert.ok(
    (await frames(other, 1)).every(({ payload }) => payload.length > 0),
    'another is served',
  );
  other.destroy();
  fixture.tick();
  socket.write(query(1, one));
  assert.ok((await frames(socket, 1)).every(({ payload }) => payload.length > 0));
  socket.destroy();
});

test('a directory whose path is longer than a socket address works, and no descriptor stays', async () => {
  const descriptors = (): number => readdirSync('/proc/self/fd').length;
  const before = descriptors();
  {
    await using fixture = await Fixture.create(`carve-names-${'x'.repeat(120)}-`);
    assert.equal((await stat(fixture.path)).mode & 0o777, 0o600);
  }
  assert.ok(descriptors() <= before + 1);
});

test('the socket is root’s alone, and closing ends every connection', async () => {
  await using fixture = await Fixture.create();
  assert.equal((await stat(fixture.path)).mode & 0o777, 0o600);
  const socket = connect(fixture.path);
  socket.on('error', () => undefined).resume();
  await once(socket, 'connect');
  const closed = once(socket, 'close');
  await fixture.server.close();
  await closed;
});

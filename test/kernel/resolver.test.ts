/** The resolver op and the monitor's relay on the real kernel: a program's queries, a fake name server's answers. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLONE } from '../../src/kernel/plan/flags.ts';
import { isAlive, readUntil } from './monitor-fixture.ts';
import { PlanFixture } from './plan-fixture.ts';
import { FakeNames, type Heard, resolverOps } from './resolver-fixture.ts';

/** Tokens from here on are of queries that came over TCP. */
const TCP_TOKEN = 2 ** 48;

/** The query as its answer: header bit set, no records. */
function echo({ frame, reply }: Heard): void {
  const answer = Buffer.from(frame.payload);
  answer[2] = (answer[2] ?? 0) | 0x80;
  reply(answer);
}

/** Answers `A 192.0.2.7` to whatever is asked; the question has no additional records. */
function answerAddress({ frame, reply }: Heard): void {
  const record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7];
  const answer = Buffer.concat([frame.payload, Buffer.from(record)]);
  answer[2] = (answer[2] ?? 0) | 0x80;
  answer[7] = 1;
  reply(answer);
}

/** A program in the namespace that may use the runtime's sockets; `udp`, `tcp` and `query` are given. */
function program(script: string): readonly string[] {
  const prelude = `
    const dgram = require('node:dgram'), net = require('node:net');
    const query = (bytes, fill = 1) => Buffer.alloc(bytes, fill);
    const say = (text) => process.stdout.write(text + '\\n');
    const framed = (message) => Buffer.concat([Buffer.from([message.length >> 8, message.length & 255]), message]);
    const udp = () => { const s = dgram.createSocket('udp4'); return new Promise((done) => s.bind(0, '127.0.0.1', () => done(s))); };
    const tcp = () => new Promise((done) => { const s = net.connect(53, '127.0.0.11', () => done(s)); });
    const next = (s, event) => new Promise((done) => s.once(event, done));
    const send = (s, message) => s.send(message, 53, '127.0.0.11');
    const run = async () => { ${script} };
    run().then(() => process.exit(0), (error) => { say(String(error)); process.exit(1); });
  `;
  return [process.execPath, '-e', prelude];
}

test('a name is asked and answered over UDP, with and without redirection', async () => {
  await using fixture = await PlanFixture.create();
  const labels: string[] = [];
  await using _names = await FakeNames.listen(fixture.dir, (query) => {
    labels.push(query.label);
    answerAddress(query);
  });
  for (const withoutRedirection of [false, true]) {
    const argv = ['/bin/busybox', 'nslookup', '-type=a', 'web', '127.0.0.11'];
    const ended = await fixture.run(resolverOps(fixture.dir, argv, withoutRedirection));
    assert.equal(ended.code, 0, ended.output);
    assert.match(ended.output, /Name:\s+web\nAddress: 192\.0\.2\.7/);
  }
  assert.deepEqual(new Set(labels), new Set(['c1']));
});

test('a resolver in a user namespace of its own works the same', async () => {
  await using fixture = await PlanFixture.create();
  await using _names = await FakeNames.listen(fixture.dir, answerAddress);
  const argv = ['/bin/busybox', 'nslookup', '-type=a', 'web', '127.0.0.11'];
  const ops = resolverOps(fixture.dir, argv).map((op) =>
    op.op === 'clone'
      ? { ...op, flags: op.flags | CLONE.CLONE_NEWUSER, uidMap: '0 0 1000\n', gidMap: '0 0 1000\n' }
      : op,
  );
  const ended = await fixture.run(ops);
  assert.equal(ended.code, 0, ended.output);
  assert.match(ended.output, /Address: 192\.0\.2\.7/);
});

test('a name server in the container has port 53 of every address, and the resolver still answers', async () => {
  await using fixture = await PlanFixture.create();
  await using _names = await FakeNames.listen(fixture.dir, echo);
  const ended = await fixture.run(
    resolverOps(
      fixture.dir,
      program(`
        const own = dgram.createSocket('udp4');
        own.bind(53, '0.0.0.0');
        await next(own, 'listening');
        own.on('message', (_, from) => own.send('own', from.port, from.address));
        const listener = net.createServer((socket) => socket.end('own')).listen(53, '0.0.0.0');
        await next(listener, 'listening');
        const client = await udp();
        client.send(query(12), 53, '127.0.0.1');
        say(String(await next(client, 'message')));
        send(client, query(20));
        say(String((await next(client, 'message')).length));
      `),
    ),
  );
  assert.equal(ended.output, 'own\n20\n');
});

test('TCP: a query in pieces, several on one connection, a half-closed one, an answer of 65535 bytes', async () => {
  await using fixture = await PlanFixture.create();
  const tokens: number[] = [];
  await using _names = await FakeNames.listen(fixture.dir, (query) => {
    tokens.push(query.frame.id);
    query.reply(query.frame.payload.length === 30 ? Buffer.alloc(65535, 3) : query.frame.payload);
  });
  const ended = await fixture.run(
    resolverOps(
      fixture.dir,
      program(`
        const read = async (s, bytes) => {
          let all = Buffer.alloc(0);
          while (all.length < bytes) all = Buffer.concat([all, await next(s, 'data')]);
          return all;
        };
        const one = await tcp();
        one.setNoDelay(true);
        for (const byte of framed(query(12))) {
          one.write(Buffer.from([byte]));
          await new Promise((done) => setImmediate(done));
        }
        say('pieces ' + (await read(one, 14)).length);
        one.write(Buffer.concat([framed(query(13)), framed(query(14)), framed(query(4096))]));
        say('several ' + (await read(one, 15 + 16 + 4098)).length);
        const half = await tcp();
        half.end(framed(query(15)));
        say('half ' + (await read(half, 17)).length);
        await next(half, 'end');
        const large = await tcp();
        large.write(framed(query(30)));
        say('large ' + (await read(large, 65537)).length);
        const broken = await tcp();
        broken.on('error', () => undefined);
        broken.write(Buffer.from([0xff, 0xff, 1, 2, 3]));
        await next(broken, 'close');
        const short = await tcp();
        short.write(Buffer.from([0, 5, 1, 2, 3, 4, 5]));
        short.on('error', () => undefined);
        await next(short, 'close');
        say('refused');
      `),
    ),
  );
  assert.equal(
    ended.output,
    'pieces 14\nseveral 4129\nhalf 17\nlarge 65537\nrefused\n',
    ended.output,
  );
  assert.ok(tokens.every((token) => token >= TCP_TOKEN));
});

test('more connections than there is room for: the silent ones go, new ones are served', async () => {
  await using fixture = await PlanFixture.create();
  await using _names = await FakeNames.listen(fixture.dir, echo);
  const ended = await fixture.run(
    resolverOps(
      fixture.dir,
      program(`
        let closed = 0;
        for (let i = 0; i < 100; i++) {
          const s = await tcp();
          s.on('error', () => undefined).on('close', () => closed++);
          s.write(framed(query(12)));
          await next(s, 'data');
        }
        say(String(closed >= 60));
      `),
    ),
  );
  assert.equal(ended.output, 'true\n');
});

test('a query that is too long or too short is not passed on', async () => {
  await using fixture = await PlanFixture.create();
  const lengths: number[] = [];
  await using _names = await FakeNames.listen(fixture.dir, (query) => {
    lengths.push(query.frame.payload.length);
    echo(query);
  });
  const ended = await fixture.run(
    resolverOps(
      fixture.dir,
      program(`
        const s = await udp();
        for (const bytes of [0, 1, 11, 4097, 60000, 4096]) send(s, query(bytes));
        await next(s, 'message');
      `),
    ),
  );
  assert.equal(ended.code, 0, ended.output);
  assert.deepEqual(lengths, [4096]);
});

test('unanswered queries are bounded; answers make room for others', async () => {
  await using fixture = await PlanFixture.create();
  const heard: Heard[] = [];
  const full = Promise.withResolvers<void>();
  await using _names = await FakeNames.listen(fixture.dir, (query) => {
    heard.push(query);
    if (heard.length === 512) full.resolve();
  });
  const flood = program(`
    const s = await udp();
    let answers = 0;
    s.on('message', () => { answers++; });
    const timer = setInterval(() => { for (let i = 0; i < 50; i++) send(s, query(64)); if (answers >= 700) { clearInterval(timer); say('enough'); } }, 5);
    await new Promise(() => undefined);
  `);
  const process = await fixture.start(resolverOps(fixture.dir, flood));
  await full.promise;
  // What the monitor would pass on too much arrives before the answer to what it asks next.
  await new Promise((done) => setTimeout(done, 300));
  assert.equal(heard.length, 512);
  const pump = setInterval(() => heard.splice(0).forEach(echo), 5);
  await readUntil(process.stream, 'enough').finally(() => clearInterval(pump));
});

test('answers that nobody waits for harm nothing', async () => {
  await using fixture = await PlanFixture.create();
  let hasLied = false;
  await using names = await FakeNames.listen(fixture.dir, (query) => {
    if (!hasLied) {
      hasLied = true;
      for (const id of [0, 1, TCP_TOKEN, TCP_TOKEN + (31 << 16) + 7, TCP_TOKEN + 65535 * 65536]) {
        const lie = Buffer.alloc(16 + 40);
        lie.writeUInt32LE(12 + 40, 0);
        lie.writeUInt16LE(0xb1, 4);
        lie.writeBigUInt64LE(BigInt(id), 8);
        names.sockets[0]?.write(lie);
      }
    }
    echo(query);
  });
  const ended = await fixture.run(
    resolverOps(
      fixture.dir,
      program(`
        const s = await udp();
        send(s, query(20));
        say(String((await next(s, 'message')).length));
        const t = await tcp();
        t.write(framed(query(20)));
        say(String((await next(t, 'data')).length));
      `),
    ),
  );
  assert.equal(ended.output, '20\n22\n');
});

test('a name server that breaks the protocol is left, and found again; what it broke at is asked once more, not for ever', async () => {
  await using fixture = await PlanFixture.create();
  let count = 0;
  await using names = await FakeNames.listen(fixture.dir, (query) => {
    count += 1;
    if (query.frame.payload.length === 21) echo(query);
    else for (const socket of names.sockets) socket.write(Buffer.alloc(64, 0xff));
  });
  const ended = await fixture.run(
    resolverOps(
      fixture.dir,
      program(`
        const first = await tcp();
        first.on('error', () => undefined);
        first.write(framed(query(20)));
        await next(first, 'close');
        const second = await tcp();
        second.write(framed(query(21)));
        say(String((await next(second, 'data')).length));
      `),
    ),
  );
  assert.equal(ended.output, '23\n');
  assert.equal(count, 3);
});

test('what a name server did not answer is asked of the next: each asker has its own answer, and one of it', async () => {
  await using fixture = await PlanFixture.create();
  const script = `
    const heard = [];
    const hear = (s, name) => s.on('message', (m) => heard.push(name + m[0] + '.' + m.length));
    const [a, b] = [await udp(), await udp()];
    hear(a, 'a'); hear(b, 'b');
    // One socket asks for two things at once, as the C library does, and another the same.
    for (const id of [1, 2]) { send(a, query(20 + id, id)); send(b, query(30 + id, id)); }
    const [t, half] = [await tcp(), await tcp()];
    const read = (s, name) => {
      let all = Buffer.alloc(0);
      s.on('data', (chunk) => {
        all = Buffer.concat([all, chunk]);
        while (all.length >= 2 && all.length >= 2 + all.readUInt16BE(0)) {
          const end = 2 + all.readUInt16BE(0);
          heard.push(name + all[2] + '.' + (end - 2));
          all = all.subarray(end);
        }
      });
    };
    read(t, 't'); read(half, 'h');
    t.write(Buffer.concat([framed(query(41, 1)), framed(query(42, 2)), framed(query(43, 3))]));
    half.end(framed(query(51, 1)));
    while (heard.length < 8) await new Promise((done) => setTimeout(done, 5));
    // An answer too much would be here before this one.
    send(a, query(22, 9));
    while (!heard.includes('a9.22')) await new Promise((done) => setTimeout(done, 5));
    say(heard.toSorted().join(' '));
  `;
  const process = await fixture.start(resolverOps(fixture.dir, program(script)));
  const all = Promise.withResolvers<void>();
  const asked: Heard[] = [];
  const first = await FakeNames.listen(fixture.dir, (query) => {
    asked.push(query);
    if (asked.length < 8) return;
    // Some have their answer: it is the others that are asked again.
    for (const each of asked) if ([21, 42].includes(each.frame.payload.length)) echo(each);
    setTimeout(() => all.resolve(), 50);
  });
  await all.promise;
  await first[Symbol.asyncDispose]();
  const again: number[] = [];
  await using _second = await FakeNames.listen(fixture.dir, (query) => {
    again.push(query.frame.payload.length);
    echo(query);
  });
  const said = await readUntil(process.stream, 'a9.22');
  assert.match(said, /a1\.21 a2\.22 a9\.22 b1\.31 b2\.32 h1\.51 t1\.41 t2\.42 t3\.43\n/);
  assert.deepEqual(
    again.toSorted((a, b) => a - b),
    [22, 22, 31, 32, 41, 43, 51],
  );
  assert.equal((await process.exited()).code, 0);
});

test('what is kept is bounded: a connection whose query is not among it ends at once', async () => {
  await using fixture = await PlanFixture.create();
  const script = `
    const s = await udp();
    for (let id = 1; id <= 20; id++) { send(s, query(4000, id)); await new Promise((done) => setTimeout(done, 2)); }
    const t = await tcp();
    t.on('error', () => undefined);
    t.write(framed(query(4000, 99)));
    await next(t, 'close');
    say('ended');
    let answers = 0;
    await new Promise((done) => s.on('message', () => { answers += 1; if (answers === 16) done(); }));
  `;
  const process = await fixture.start(resolverOps(fixture.dir, program(script)));
  const full = Promise.withResolvers<void>();
  let count = 0;
  const first = await FakeNames.listen(fixture.dir, () => {
    count += 1;
    if (count === 21) full.resolve();
  });
  await full.promise;
  await first[Symbol.asyncDispose]();
  await readUntil(process.stream, 'ended');
  const again: number[] = [];
  const kept = Promise.withResolvers<void>();
  await using _second = await FakeNames.listen(fixture.dir, ({ frame, reply }) => {
    again.push(frame.payload[0] ?? 0);
    reply(frame.payload);
    if (again.length === 16) kept.resolve();
  });
  await kept.promise;
  assert.deepEqual(
    again,
    Array.from({ length: 16 }, (_, index) => index + 1),
  );
  assert.equal((await process.exited()).code, 0);
});

test('a query while nobody answers waits, and is answered by whoever comes', async () => {
  await using fixture = await PlanFixture.create();
  const script = `
    const s = await udp();
    send(s, query(20));
    say('asked');
    await next(s, 'message');
    say('answered');
    // Asked of one that dies, answered by the next.
    send(s, query(21));
    if ((await next(s, 'message')).length === 21) say('done');
  `;
  const process = await fixture.start(resolverOps(fixture.dir, program(script)));
  await readUntil(process.stream, 'asked');
  const second = Promise.withResolvers<void>();
  const first = await FakeNames.listen(fixture.dir, (query) => {
    if (query.frame.payload.length === 20) echo(query);
    else second.resolve();
  });
  await readUntil(process.stream, 'answered');
  await second.promise;
  await first[Symbol.asyncDispose]();
  await using _second = await FakeNames.listen(fixture.dir, echo);
  await readUntil(process.stream, 'done');
  assert.equal((await process.exited()).code, 0);
});

test('the connection to the name server ends with the process', async () => {
  await using fixture = await PlanFixture.create();
  await using names = await FakeNames.listen(fixture.dir, echo);
  const script =
    "const s = await udp(); send(s, query(20)); await next(s, 'message'); say('asked'); await new Promise((done) => setTimeout(done, 60000));";
  const process = await fixture.start(resolverOps(fixture.dir, program(script)));
  await readUntil(process.stream, 'asked');
  assert.equal(names.connectionCount, 1);
  assert.ok(isAlive(process.pid));
  const [gone] = names.sockets.map((socket) => new Promise((done) => socket.once('close', done)));
  globalThis.process.kill(process.pid, 'SIGKILL');
  await gone;
  await process.exited();
});

test('an address that is not there fails with its call', async () => {
  await using fixture = await PlanFixture.create();
  const ops = resolverOps(fixture.dir, ['/bin/busybox', 'true']);
  const elsewhere = ops.map((op) => (op.op === 'resolver' ? { ...op, address: 0x0a000001 } : op));
  assert.match(await fixture.startFailure(elsewhere), / EADDRNOTAVAIL bind/);
});

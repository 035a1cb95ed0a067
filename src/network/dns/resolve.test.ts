/** Asking others: dead, slow, lying and huge servers, their bounds, and who may ask at all. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeUpstream, type Question } from '../../../test/names/fake-upstream.ts';
import { answerTo, ipBytes, message, opt, record } from '../../../test/names/messages.ts';
import { formatAddress, parseAddress, parseNetwork } from '../../spec/cidr.ts';
import { type ClientSettings, NameDirectory } from './directory.ts';
import { Forwarder, type ForwardTimes } from './forward.ts';
import { NameResolver, type ResolverParts } from './resolve.ts';
import type { Upstream } from './upstream.ts';

const nowMs = (): number => performance.now();
const OUTSIDE: ClientSettings = { networks: [{ networkId: 'n1', isInternal: false }], servers: [] };
/** Nobody listens there. */
const DEAD: Upstream = { address: '127.0.0.1', port: 1 };
/** For servers that answer, however busy the machine is. */
const PATIENT: ForwardTimes = { totalMs: 20_000, staggerMs: 5000 };
/** For servers that do not. */
const QUICK: ForwardTimes = { totalMs: 400, staggerMs: 60 };

interface Setting extends Partial<ResolverParts> {
  readonly client?: ClientSettings;
  readonly times?: ForwardTimes;
}

function resolverFor(upstreams: readonly Upstream[], setting: Setting = {}): NameResolver {
  const directory = setting.directory ?? new NameDirectory();
  const { client = OUTSIDE, times = PATIENT, ...parts } = setting;
  for (const id of ['c1', 'c2', 'c3']) directory.setClient(id, client);
  return new NameResolver({
    directory,
    forwarder: new Forwarder(nowMs, times),
    hostUpstreams: () => upstreams,
    ...parts,
  });
}

/** The answer's code, and its addresses' last number. */
async function ask(
  resolver: NameResolver,
  bytes: Buffer = message({ name: 'example.org' }),
  rest: { readonly containerId?: string; readonly isTcp?: boolean } = {},
): Promise<{ code: number; records: number; bytes: Buffer }> {
  const answer = await resolver.resolve({
    containerId: 'c1',
    isTcp: false,
    message: bytes,
    ...rest,
  });
  assert.ok(answer !== undefined);
  const got = Buffer.from(answer);
  assert.equal(got.readUInt16BE(0), bytes.readUInt16BE(0), 'the asker’s id');
  return { code: got.readUInt16BE(2) & 0xf, records: got.readUInt16BE(6), bytes: got };
}

const ADDRESS = record(1, ipBytes('192.0.2.1'));
const answer = ({ message: query, say }: Question): void => say(answerTo(query, [ADDRESS]));
const silent = (): void => undefined;

test('a name that is not ours is asked of the host’s server, with an id and a port of its own each time', async () => {
  await using server = await FakeUpstream.listen(answer);
  const resolver = resolverFor([server.upstream]);
  const count = 20;
  for (let at = 0; at < count; at += 1) {
    assert.deepEqual((await ask(resolver, message({ name: `n${at}.example` }))).records, 1);
  }
  const ids = new Set(server.questions.map(({ message: query }) => query.readUInt16BE(0)));
  const ports = new Set(server.questions.map(({ port }) => port));
  assert.equal(server.questions.length, count);
  assert.ok(ids.size > count - 3, 'ids are random');
  assert.ok(ports.size > count - 3, 'ports are random');
});

test('names of the asker’s networks are answered though every server is dead', async () => {
  const directory = new NameDirectory();
  directory.join({
    networkId: 'n1',
    networkName: 'front',
    containerId: 'x'.repeat(64),
    addresses: [parseAddress('10.0.0.2')],
    names: ['web'],
  });
  const resolver = resolverFor([DEAD], { directory });
  assert.deepEqual((await ask(resolver, message({ name: 'web' }))).records, 1);
  assert.equal((await ask(resolver)).code, 2);
});

test('a server that no route leads to is passed over at once, by UDP and by TCP', async () => {
  await using good = await FakeUpstream.listen(answer);
  // The limited broadcast address: the kernel connects no socket of ours to it.
  const nowhere = { address: '255.255.255.255', port: 53 };
  for (const isTcp of [false, true]) {
    const resolver = resolverFor([nowhere, good.upstream]);
    assert.equal((await ask(resolver, message({ name: 'example.org' }), { isTcp })).records, 1);
  }
});

test('a dead server is passed over at once, a silent one after a moment, and is asked last from then on', async () => {
  await using quiet = await FakeUpstream.listen(silent);
  await using good = await FakeUpstream.listen(answer);
  const resolver = resolverFor([DEAD, quiet.upstream, good.upstream], {
    times: { totalMs: 20_000, staggerMs: 1000 },
  });
  assert.equal((await ask(resolver)).records, 1);
  assert.equal(quiet.questions.length, 1);
  assert.equal((await ask(resolver)).records, 1);
  assert.equal(quiet.questions.length, 1, 'the silent one is asked last');
});

test('one server that loses a datagram is asked again; never more than three times', async () => {
  let count = 0;
  await using server = await FakeUpstream.listen((question) => {
    count += 1;
    if (count === 3) answer(question);
  });
  const eager = { times: { totalMs: 20_000, staggerMs: 60 } };
  assert.equal((await ask(resolverFor([server.upstream], eager))).records, 1);
  await using quiet = await FakeUpstream.listen(silent);
  assert.equal((await ask(resolverFor([quiet.upstream], { times: QUICK }))).code, 2);
  assert.ok(quiet.questions.length <= 3);
});

test('SERVFAIL of one server is not the answer while another has one; of all it is', async () => {
  const failing = ({ message: query, say }: Question): void =>
    say(answerTo(query, [], { rcode: 2 }));
  await using bad = await FakeUpstream.listen(failing);
  await using refusing = await FakeUpstream.listen(({ message: query, say }) =>
    say(answerTo(query, [], { rcode: 5 })),
  );
  await using good = await FakeUpstream.listen(answer);
  assert.equal((await ask(resolverFor([bad.upstream, good.upstream]))).code, 0);
  assert.equal((await ask(resolverFor([bad.upstream, refusing.upstream]))).code % 3, 2);
  await using none = await FakeUpstream.listen(({ message: query, say }) =>
    say(answerTo(query, [], { rcode: 3 })),
  );
  assert.equal(
    (await ask(resolverFor([none.upstream, good.upstream]))).code,
    3,
    'NXDOMAIN is an answer',
  );
});

test('forged and broken answers are as if they never came', async () => {
  await using server = await FakeUpstream.listen(({ message: query, say }) => {
    const evil = record(1, ipBytes('203.0.113.66'));
    const wrongId = Buffer.from(answerTo(query, [evil]));
    wrongId.writeUInt16BE((query.readUInt16BE(0) + 1) & 0xffff, 0);
    say(wrongId);
    say(Buffer.alloc(0));
    say(Buffer.alloc(3000, 0xff));
    say(query);
    say(answerTo(query, [evil]).subarray(0, -1));
    say(answerTo(message({ id: query.readUInt16BE(0), name: 'other.example' }), [evil]));
    say(answerTo(query, [ADDRESS]));
  });
  const { bytes } = await ask(resolverFor([server.upstream]));
  assert.deepEqual(bytes.subarray(-4), ipBytes('192.0.2.1'));
});

test('an answer from another port than the one asked is dropped by the kernel', async () => {
  await using liar = await FakeUpstream.listen(silent);
  const bound = Promise.withResolvers<Question>();
  await using server = await FakeUpstream.listen((question) => bound.resolve(question));
  const asking = ask(resolverFor([server.upstream]));
  const question = await bound.promise;
  // `liar` has a socket of its own: its datagram has the right id and another source.
  liar.sendTo(question.port, answerTo(question.message, [record(1, ipBytes('203.0.113.66'))]));
  question.say(answerTo(question.message, [ADDRESS]));
  assert.deepEqual((await asking).bytes.subarray(-4), ipBytes('192.0.2.1'));
});

test('a late answer is nobody’s', async () => {
  const late: Question[] = [];
  await using server = await FakeUpstream.listen((question) => late.push(question));
  const resolver = resolverFor([server.upstream], { times: { totalMs: 50, staggerMs: 20 } });
  assert.equal((await ask(resolver)).code, 2);
  late.forEach(answer);
  assert.equal((await ask(resolver)).code, 2, 'and harms nothing');
});

test('truncated over UDP is asked again over TCP; what TCP does not give is passed on truncated', async () => {
  const many = Array.from({ length: 20 }, () => ADDRESS);
  await using server = await FakeUpstream.listen(({ isTcp, message: query, say }) =>
    say(isTcp ? answerTo(query, many) : answerTo(query, [], { flags: 0x0200 })),
  );
  assert.equal((await ask(resolverFor([server.upstream]))).records, 20);
  await using deaf = await FakeUpstream.listen(({ isTcp, message: query, say, hangUp }) => {
    if (isTcp) hangUp();
    else say(answerTo(query, [], { flags: 0x0200 }));
  });
  const { bytes } = await ask(resolverFor([deaf.upstream]));
  assert.equal(bytes.readUInt16BE(2) & 0x0200, 0x0200);
});

test('who came by TCP is served by TCP, with up to 64 KiB', async () => {
  await using server = await FakeUpstream.listen(({ isTcp, message: query, say }) => {
    assert.equal(isTcp, true);
    say(
      answerTo(
        query,
        Array.from({ length: 4000 }, () => ADDRESS),
      ),
    );
  });
  const resolver = resolverFor([server.upstream]);
  assert.equal((await ask(resolver, message({ name: 'big' }), { isTcp: true })).records, 4000);
});

test('a huge answer is cut for who came by UDP', async () => {
  await using server = await FakeUpstream.listen(({ message: query, say }) =>
    say(
      answerTo(
        query,
        Array.from({ length: 300 }, () => ADDRESS),
      ),
    ),
  );
  const { bytes, records } = await ask(resolverFor([server.upstream]));
  assert.ok(bytes.length <= 512 && records > 20);
  assert.equal(bytes.readUInt16BE(2) & 0x0200, 0x0200);
});

test('a TCP server that sends something else, or nothing, is failed', async () => {
  await using liar = await FakeUpstream.listen(({ say }) => say(Buffer.alloc(40, 1)));
  await using quiet = await FakeUpstream.listen(silent);
  for (const { upstream } of [liar, quiet])
    assert.equal(
      (await ask(resolverFor([upstream], { times: QUICK }), message(), { isTcp: true })).code,
      2,
    );
});

test('N9: for a container on internal networks only, no server sees a packet', async () => {
  await using server = await FakeUpstream.listen(answer);
  const internal: ClientSettings = {
    networks: [{ networkId: 'n1', isInternal: true }],
    servers: [],
  };
  const own = { ...internal, servers: ['127.0.0.1'] };
  const nowhere: ClientSettings = { networks: [], servers: ['127.0.0.1'] };
  for (const client of [internal, own, nowhere]) {
    const resolver = resolverFor([server.upstream], {
      client,
      ownUpstreams: () => [server.upstream],
    });
    for (const isTcp of [false, true])
      assert.equal((await ask(resolver, message({ name: 'exfil.example' }), { isTcp })).code, 2);
  }
  assert.equal(server.questions.length, 0);
});

test('on an internal network a server that is on it may be asked', async () => {
  await using server = await FakeUpstream.listen(answer);
  const client: ClientSettings = {
    networks: [{ networkId: 'n1', isInternal: true, subnets: [parseNetwork('127.0.0.0/8')] }],
    servers: ['127.0.0.1'],
  };
  const resolver = resolverFor([], { client, ownUpstreams: () => [server.upstream] });
  assert.equal((await ask(resolver)).records, 1);
});

test('a container’s own servers are asked in place of the host’s; itself is none', async () => {
  await using host = await FakeUpstream.listen(answer);
  const client: ClientSettings = { ...OUTSIDE, servers: ['127.0.0.11'] };
  assert.equal((await ask(resolverFor([host.upstream], { client }))).code, 2);
  assert.equal(host.questions.length, 0);
});

test('N10: one question is asked once, however often a container asks it', async () => {
  const waiting: Question[] = [];
  const first = Promise.withResolvers<undefined>();
  await using server = await FakeUpstream.listen((question) => {
    waiting.push(question);
    first.resolve(undefined);
  });
  const resolver = resolverFor([server.upstream], { times: { totalMs: 2000, staggerMs: 1500 } });
  const asks = ['example.org', 'EXAMPLE.org', 'example.ORG'].map((name, id) =>
    ask(resolver, message({ name, id })),
  );
  await first.promise;
  waiting.forEach(answer);
  const answers = await Promise.all(asks);
  assert.equal(waiting.length, 1);
  assert.equal(answers[1]?.bytes.subarray(13, 20).toString(), 'EXAMPLE', 'in each asker’s letters');
});

test('N10: a server that asks us in a circle ends, without a storm', async () => {
  const resolvers: NameResolver[] = [];
  await using circle = await FakeUpstream.listen(({ message: query, isTcp, say }) => {
    void resolvers[0]
      ?.resolve({ containerId: 'c2', isTcp, message: query })
      .then((bytes) => bytes !== undefined && say(bytes));
  });
  const resolver = resolverFor([circle.upstream], { times: QUICK });
  resolvers.push(resolver);
  assert.equal((await ask(resolver)).code, 2);
  assert.ok(circle.questions.length <= 6, `${circle.questions.length} questions`);
});

test('N10: questions in flight are bounded for each container, and one does not starve others', async () => {
  await using quiet = await FakeUpstream.listen(silent);
  await using good = await FakeUpstream.listen(answer);
  let upstream = quiet.upstream;
  const resolver = resolverFor([], {
    hostUpstreams: () => [upstream],
    limits: { totalCount: 8, eachCount: 6 },
  });
  const flood = Array.from({ length: 50 }, (_, at) =>
    ask(resolver, message({ name: `n${at}.flood` })),
  );
  const greedy = Array.from({ length: 6 }, (_, at) =>
    ask(resolver, message({ name: `m${at}.flood` }), { containerId: 'c2' }),
  );
  upstream = good.upstream;
  const third = ask(resolver, message({ name: 'fair' }), { containerId: 'c3' });
  assert.equal((await third).records, 1);
  resolver.close();
  const codes = [...(await Promise.all(flood)), ...(await Promise.all(greedy))].map(
    ({ code }) => code,
  );
  assert.deepEqual(new Set(codes), new Set([2]));
  assert.ok(quiet.questions.length <= 3 * 9, `${quiet.questions.length} questions`);
});

test('addresses are told to the hook before they are told to the container', async () => {
  await using server = await FakeUpstream.listen(answer);
  const told: string[] = [];
  const gate = Promise.withResolvers<undefined>();
  const resolver = resolverFor([server.upstream], {
    hooks: {
      onAnswer: async (containerId, name, addresses) => {
        const list = addresses.map(
          ({ address, ttlSeconds }) => `${formatAddress(address)} ${ttlSeconds}`,
        );
        told.push(`${containerId} ${name} ${list.join()}`);
        await gate.promise;
      },
    },
  });
  let isAnswered = false;
  const asking = ask(resolver, message({ name: 'Example.ORG' })).finally(() => {
    isAnswered = true;
  });
  while (told.length === 0) await new Promise((turn) => setImmediate(turn));
  assert.equal(isAnswered, false);
  gate.resolve(undefined);
  assert.equal((await asking).records, 1);
  assert.deepEqual(told, ['c1 example.org 192.0.2.1 60']);
});

test('when the hook fails the addresses are not told; a forbidden name is not asked', async () => {
  await using server = await FakeUpstream.listen(answer);
  const onAnswer = async (): Promise<void> => await Promise.reject(new Error('no'));
  assert.equal((await ask(resolverFor([server.upstream], { hooks: { onAnswer } }))).code, 2);
  const before = server.questions.length;
  const mayResolve = (_: string, name: string): boolean => name !== 'bad.example';
  const resolver = resolverFor([server.upstream], { hooks: { mayResolve } });
  assert.equal((await ask(resolver, message({ name: 'BAD.example' }))).code, 5);
  assert.equal(server.questions.length, before);
  assert.equal((await ask(resolver, message({ name: 'good.example' }))).code, 0);
});

test('EDNS is passed on; another version of it is refused', async () => {
  await using server = await FakeUpstream.listen(answer);
  const resolver = resolverFor([server.upstream]);
  const options = Buffer.from('000a000401020304', 'hex');
  await ask(resolver, message({ additionalCount: 1, rest: opt(1232, options) }));
  assert.deepEqual(server.questions[0]?.message.subarray(-8), options);
  const version1 = opt(1232, Buffer.alloc(0), 1);
  const other = await ask(resolver, message({ additionalCount: 1, rest: version1 }));
  assert.equal(other.bytes.at(-6), 1, 'BADVERS');
  assert.equal(server.questions.length, 1);
});

test('who is not known is told nothing; a closed resolver asks nobody', async () => {
  await using server = await FakeUpstream.listen(silent);
  const resolver = resolverFor([server.upstream], {
    times: { totalMs: 60_000, staggerMs: 60_000 },
  });
  assert.equal((await ask(resolver, message(), { containerId: 'nobody' })).code, 2);
  const asking = ask(resolver);
  resolver.close();
  assert.equal((await asking).code, 2);
  assert.equal((await ask(resolver)).code, 2);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock, settle } from '../../../test/fakes/clock.ts';
import type { EngineEvent } from '../../spec/docker/system.ts';
import { parseMoment } from '../filters.ts';
import { EventBus, FOLLOWER_MAX, RING_SIZE } from './bus.ts';
import { compileEventFilter } from './filter.ts';

const fact = (action: string, id = 'x'): Parameters<EventBus['publish']>[0] => ({
  type: 'container',
  action,
  id,
  attributes: { name: 'web', image: 'nginx:1', role: 'a' },
});
const all = (): boolean => true;

async function collect(stream: AsyncIterable<EngineEvent>): Promise<string[]> {
  const actions: string[] = [];
  for await (const event of stream) actions.push(event.Action);
  return actions;
}

test('a follower sees what comes, the past only when asked', async () => {
  const bus = new EventBus(new ManualClock());
  bus.publish(fact('old'));
  const abort = new AbortController();
  const now = collect(bus.follow({ accept: all, signal: abort.signal }));
  const past = collect(bus.follow({ accept: all, sinceNs: 0n, signal: abort.signal }));
  await settle();
  bus.publish(fact('new'));
  await settle();
  assert.equal(bus.followerCount, 2);
  abort.abort();
  assert.deepEqual([await now, await past], [['new'], ['old', 'new']]);
  assert.equal(bus.followerCount, 0);
});

test('until ends the stream: at once in the past, by the clock in the future', async () => {
  const clock = new ManualClock();
  const bus = new EventBus(clock);
  bus.publish(fact('one'));
  const now = clock.nowNs();
  bus.publish(fact('two'));
  assert.deepEqual(await collect(bus.follow({ accept: all, untilNs: now })), ['one']);
  const future = collect(bus.follow({ accept: all, untilNs: clock.nowNs() + 5_000_000_000n }));
  await settle();
  bus.publish(fact('three'));
  await clock.advance(5000);
  assert.deepEqual(await future, ['one', 'two', 'three']);
});

test('the ring keeps the last ones', async () => {
  const clock = new ManualClock();
  const bus = new EventBus(clock);
  for (let count = 0; count < RING_SIZE + 10; count++) bus.publish(fact(String(count)));
  const kept = await collect(bus.follow({ accept: all, untilNs: clock.nowNs() }));
  assert.deepEqual([kept.length, kept[0]], [RING_SIZE, '10']);
});

test('a follower that does not read is cut off, not buffered for', async () => {
  const bus = new EventBus(new ManualClock());
  const stream = bus.follow({ accept: all })[Symbol.asyncIterator]();
  const first = stream.next();
  await settle();
  bus.publish(fact('first'));
  await first;
  for (let count = 0; count <= FOLLOWER_MAX; count++) bus.publish(fact(String(count)));
  await assert.rejects(stream.next(), { kind: 'exhausted' });
  assert.equal(bus.followerCount, 0);
});

test('filters', () => {
  const event = (change: Partial<EngineEvent>): EngineEvent => ({
    Type: 'container',
    Action: 'start',
    Actor: { ID: 'abcdef', Attributes: { name: 'web', image: 'nginx:1', role: 'a' } },
    scope: 'local',
    time: 0,
    timeNano: 0n,
    ...change,
  });
  const rows: readonly [Record<string, readonly string[]>, Partial<EngineEvent>, boolean][] = [
    [{}, {}, true],
    [{ type: ['container'] }, {}, true],
    [{ type: ['image', 'container'] }, {}, true],
    [{ type: ['image'] }, {}, false],
    [{ event: ['start'] }, {}, true],
    [{ event: ['health_status'] }, { Action: 'health_status: healthy' }, true],
    [{ event: ['health_status: unhealthy'] }, { Action: 'health_status: healthy' }, false],
    [{ container: ['abc'] }, {}, true],
    [{ container: ['/web'] }, {}, true],
    [{ container: ['other'] }, {}, false],
    [{ container: ['web'] }, { Type: 'network' }, false],
    [{ image: ['nginx'] }, {}, true],
    [{ image: ['nginx:2'] }, {}, false],
    [{ label: ['role=a'] }, {}, true],
    [{ label: ['role=b'] }, {}, false],
    [{ scope: ['swarm'] }, {}, false],
    [{ type: ['container'], event: ['stop'] }, {}, false],
  ];
  for (const [filters, change, expected] of rows) {
    assert.equal(
      compileEventFilter(filters)(event(change)),
      expected,
      JSON.stringify([filters, change.Action]),
    );
  }
  assert.throws(() => compileEventFilter({ nope: ['x'] }), {
    kind: 'invalid',
    message: "invalid filter 'nope'",
  });
});

test('moments: seconds, dates and durations back', () => {
  const nowNs = 1_700_000_000_000_000_000n;
  const rows: readonly [string, bigint][] = [
    ['1700000000', nowNs],
    ['1700000000.5', nowNs + 500_000_000n],
    ['10m', nowNs - 600_000_000_000n],
    ['1h30m', nowNs - 5_400_000_000_000n],
    ['2023-11-14T22:13:20Z', nowNs],
    ['2023-11-14T22:13', nowNs - 20_000_000_000n],
    ['2023-11-14', nowNs - 80_000_000_000_000n],
  ];
  for (const [text, expected] of rows) assert.equal(parseMoment(text, nowNs), expected, text);
  for (const bad of ['', 'x', '10', '1m2'].filter((text) => text !== '10'))
    assert.throws(
      () => parseMoment(bad, nowNs),
      { kind: 'invalid', message: /^failed to parse value as time or duration: "/ },
      bad,
    );
});

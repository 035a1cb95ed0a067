/** UDP flows that were there before a port was published, or after its container is gone. */

import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { test } from 'node:test';
import { openChisel } from '../../src/kernel/chisel.ts';
import {
  decodeFlows,
  type FlowFilter,
  listFlows,
  type TrackedFlow,
} from '../../src/kernel/netlink/conntrack.ts';
import { encodeMessage } from '../../src/kernel/netlink/message.ts';
import { NETLINK_NETFILTER } from '../../src/kernel/nft/message.ts';
import { formatAddress, parseAddress } from '../../src/spec/cidr.ts';
import type { HostConfig } from '../../src/spec/docker/container.ts';
import { CHISEL_PATH, type EngineFixture, openFixture } from './engine-fixture.ts';
import { HOST_ADDRESS, HOST_ADDRESS6, Lan, LAN_ADDRESS, onHost } from './lan.ts';
import { Spoken } from './spoken.ts';

const ASKER = join(import.meta.dirname, 'asker.ts');
const UDP = 17;

/** One flow that somebody keeps using. */
class Asker {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  private constructor(process: ChildProcessByStdio<Writable, Readable, null>) {
    this.#process = process;
    this.#lines = createInterface({ input: process.stdout })[Symbol.asyncIterator]();
  }

  /** `by`: a program that starts it elsewhere. */
  static async open(
    own: number,
    address: string,
    { port = 9000, by = [] }: { readonly port?: number; readonly by?: readonly string[] } = {},
  ): Promise<Asker> {
    const [program = '', ...words] = [...by, process.execPath, ASKER, own, address, port].map(
      String,
    );
    const asker = new Asker(spawn(program, words, { stdio: ['pipe', 'pipe', 'inherit'] }));
    assert.deepEqual(await asker.#lines.next(), { done: false, value: 'ready' });
    return asker;
  }

  async ask(): Promise<string> {
    this.#process.stdin.write('word\n');
    const line = await this.#lines.next();
    return line.done === true ? 'it is gone' : line.value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const isOver = once(this.#process, 'exit');
    this.#process.stdin.end();
    await isOver;
  }
}

const publish = (HostPort: string): HostConfig => ({
  PortBindings: { '80/udp': [{ HostIp: '', HostPort }] },
});

/** What the kernel tracks now. */
async function flows(filter: FlowFilter): Promise<readonly TrackedFlow[]> {
  const chisel = await openChisel({ path: CHISEL_PATH });
  try {
    const reply = await chisel.apply([
      { op: 'netlink-open', slot: 0, protocol: NETLINK_NETFILTER },
      {
        op: 'netlink-query',
        slot: 0,
        message: encodeMessage(listFlows(filter), 1),
        maxBytes: 65_536,
      },
    ]);
    assert.equal(new DataView(reply.buffer, reply.byteOffset).getUint32(0, true), 0);
    return decodeFlows(reply.subarray(8));
  } finally {
    await chisel.close();
  }
}

/** Those that a container's port 80 answers. */
async function flowsTo(address: string): Promise<readonly TrackedFlow[]> {
  const target = parseAddress(address);
  const { family } = target;
  const all = await flows({ family, protocol: UDP, end: 'answering', port: 80 });
  return all.filter(({ reply }) => formatAddress(reply.source) === formatAddress(target));
}

/** Flows are tracked from the first container on a bridge on. */
async function track(fixture: EngineFixture): Promise<void> {
  onHost('ip link set lo up');
  const id = await fixture.create({ Cmd: ['sleep', '1000'] }, { NetworkMode: 'bridge' });
  await fixture.engine.containers.start(id);
}

const addressOf = async (fixture: EngineFixture, { id }: Spoken): Promise<string> =>
  (await fixture.engine.containers.inspect(id)).NetworkSettings.Networks['bridge']?.IPAddress ?? '';

test('a UDP flow from before the port was published comes to its container, and goes on to the next one', async () => {
  await using fixture = await openFixture();
  await using lan = await Lan.open();
  await track(fixture);
  await using far = await Asker.open(5000, HOST_ADDRESS, { by: lan.entering() });
  await using near = await Asker.open(5001, HOST_ADDRESS);
  await using loopback = await Asker.open(5002, '127.0.0.1');
  const all = [far, near, loopback];
  for (const each of all) assert.match(await each.ask(), /^(?:refused|silence)$/);
  // Its own flows to the same port elsewhere are none of the port's.
  await using own = await Asker.open(5003, LAN_ADDRESS);
  await own.ask();
  const byPort = { family: 'ipv4', protocol: UDP, end: 'asked', port: 9000 } as const;
  const isOwn = ({ original }: TrackedFlow): boolean => original.sourcePort === 5003;
  const [before] = (await flows(byPort)).filter(isOwn);
  const answers = async (): Promise<string[]> => {
    const told: string[] = [];
    for (const each of all) told.push(await each.ask());
    return told;
  };
  const seen = [`${LAN_ADDRESS} word`, `${HOST_ADDRESS} word`, '172.17.0.1 word'];
  await using first = await Spoken.start(fixture, 'first', publish('9000'));
  assert.deepEqual(await answers(), seen);
  const gone = await addressOf(fixture, first);
  assert.equal((await flowsTo(gone)).length, 3);
  await fixture.engine.containers.remove(first.id, { force: true });
  await first[Symbol.asyncDispose]();
  await using holder = await Spoken.start(fixture, 'holder', {});
  await using second = await Spoken.start(fixture, 'second', publish('9000'));
  assert.deepEqual(await answers(), seen);
  assert.notEqual(await addressOf(fixture, second), gone);
  assert.ok(holder.pid > 0);
  const [after] = (await flows(byPort)).filter(isOwn);
  assert.ok(before !== undefined);
  assert.deepEqual(after?.key, before.key, 'the same flow, not one like it');
});

test('nothing is sent on to a container that stopped, or that left its network', async () => {
  await using fixture = await openFixture();
  await using lan = await Lan.open();
  await track(fixture);
  const { networks, containers } = fixture.engine;
  await networks.create({ Name: 'dual' });
  await using one = await Spoken.start(fixture, 'one', publish('9000'));
  await using two = await Spoken.start(fixture, 'two', { NetworkMode: 'dual', ...publish('9001') });
  await using four = await Asker.open(5000, HOST_ADDRESS, { by: lan.entering() });
  await using six = await Asker.open(5001, HOST_ADDRESS6, { port: 9001, by: lan.entering() });
  assert.equal(await four.ask(), `${LAN_ADDRESS} word`);
  assert.equal(await six.ask(), '2001:db8::2 word');
  const settings = (await containers.inspect(two.id)).NetworkSettings.Networks['dual'];
  const address = settings?.GlobalIPv6Address ?? '';
  assert.equal((await flowsTo(address)).length, 1);
  await networks.disconnect('dual', { container: two.id, force: false });
  assert.deepEqual(await flowsTo(address), []);
  assert.match(await six.ask(), /^(?:refused|silence)$/);
  const stopped = await addressOf(fixture, one);
  await containers.stop(one.id, { timeoutSeconds: 0 });
  // The port is free for others as soon as nothing leads to the old address.
  const next = await fixture.create(
    { Cmd: ['sleep', '1000'] },
    { NetworkMode: 'bridge', ...publish('9000') },
  );
  await containers.start(next);
  const left = await flowsTo(stopped);
  assert.deepEqual(
    left.filter(({ original }) => original.sourcePort === 5000),
    [],
  );
});

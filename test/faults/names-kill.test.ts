/** The daemon killed while names are looked up: whoever asked has an answer from the next one, without asking again. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { text } from 'node:stream/consumers';
import { FakeUpstream, type Question } from '../names/fake-upstream.ts';
import { answerTo, ipBytes, readMessage, record } from '../names/messages.ts';
import { DaemonFixture, until } from './daemon-fixture.ts';

const ASKER = join(import.meta.dirname, 'name-asker.ts');
const DATAGRAMS = 64;
const CONNECTIONS = 8;
/** A server of the host's, which the container is given by `--dns`. */
const UPSTREAM = { address: '127.0.0.53', port: 53 };

const askerOf = (name: string): number => Number(/^n(\d+)\./.exec(name)?.[1]);

/** Every name has an address of its own. */
function answer({ message, say }: Question): void {
  const { name, end } = readMessage(message);
  const number = askerOf(name);
  const address = ipBytes(`10.9.${number >> 8}.${number & 255}`);
  say(answerTo(message.subarray(0, end), [record(1, address)]));
}

/** Lines of the asker, each once, in order. */
const EXPECTED: readonly string[] = [
  ...Array.from({ length: DATAGRAMS }, (_, index) => line('udp', index >> 1, index)),
  ...Array.from({ length: CONNECTIONS }, (_, index) => line('tcp', 5000 + index, 5000 + index)),
].toSorted();

function line(kind: string, asker: number, index: number): string {
  const address = `10.9.${index >> 8}.${index & 255}`;
  return `${kind} ${asker} n${index}.example.test ${1000 + index} ${address}`;
}

test('a daemon killed with many lookups on their way: each is answered by the next, to who asked', async () => {
  let isHeld = true;
  const asked = new Set<string>();
  await using _upstream = await FakeUpstream.listen((question) => {
    asked.add(readMessage(question.message).name);
    if (!isHeld) answer(question);
  }, UPSTREAM);
  const leaks = await DaemonFixture.using(async (engine) => {
    assert.equal((await engine.carve('network', 'create', 'n')).code, 0);
    const HostConfig = { NetworkMode: 'n', Dns: [UPSTREAM.address] };
    const id = await engine.create('one', ['sleep', '1000'], { HostConfig });
    await engine.startContainer(id);
    const { Pid } = await engine.state(id);
    // Once while they are on their way, once while nobody is there to ask.
    for (const isDownFirst of [false, true]) {
      asked.clear();
      isHeld = !isDownFirst;
      if (isDownFirst) await engine.end('SIGKILL');
      const words = ['-t', String(Pid), '-n', process.execPath, ASKER];
      const asker = spawn('nsenter', [...words, String(DATAGRAMS), String(CONNECTIONS)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const said = text(asker.stdout);
      const ended = once(asker, 'exit');
      if (!isDownFirst) {
        await until('all are on their way', () => asked.size === DATAGRAMS + CONNECTIONS);
        await engine.end('SIGKILL');
        isHeld = false;
      }
      await engine.start();
      // Who has no answer waits for ever: it does not ask again.
      assert.deepEqual(await ended, [0, null]);
      assert.deepEqual((await said).trim().split('\n').toSorted(), EXPECTED);
    }
    const { stdout } = await engine.carve(
      'exec',
      'one',
      'busybox',
      'nslookup',
      '-type=a',
      'n7.example.test',
    );
    assert.match(stdout, /10\.9\.0\.7/);
  });
  assert.deepEqual(leaks, []);
});

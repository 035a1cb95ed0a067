/** Names end to end: a program in a container, its monitor, the name server, servers of the host. */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { FakeUpstream } from '../names/fake-upstream.ts';
import { answerTo, ipBytes, record } from '../names/messages.ts';
import { readUntil } from './monitor-fixture.ts';
import { PlanFixture } from './plan-fixture.ts';
import { resolverOps } from './resolver-fixture.ts';

const SERVE_NAMES = join(import.meta.dirname, 'serve-names.ts');

/** A name server that dies with the test. */
class Names implements AsyncDisposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(
    directory: string,
    rest: { readonly address?: string; readonly port?: number; readonly reach?: string } = {},
  ): Promise<Names> {
    const { address = '10.0.0.2', port = 1, reach = 'outside' } = rest;
    const argv = [SERVE_NAMES, directory, address, String(port), reach];
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
    const names = new Names(child);
    const ready = once(child.stdout, 'data');
    await Promise.race([ready, once(child, 'exit').then(() => assert.fail('it ended'))]);
    return names;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

const lookUp = (name: string): string => `/bin/busybox nslookup -type=a ${name} 127.0.0.11`;
const shell = (script: string): readonly string[] => ['/bin/busybox', 'sh', '-c', script];

/** The host's server: every name has this address. */
async function hostServer(): Promise<FakeUpstream> {
  return await FakeUpstream.listen(({ message, say }) =>
    say(answerTo(message, [record(1, ipBytes('192.0.2.44'))])),
  );
}

test('a container finds others by name, and the world by the host’s servers', async () => {
  await using fixture = await PlanFixture.create();
  await using host = await hostServer();
  await using _names = await Names.start(fixture.dir, { port: host.upstream.port });
  const script = `${lookUp('WEB')} && ${lookUp('web.front')} && ${lookUp('example.test')}`;
  const ended = await fixture.run(resolverOps(fixture.dir, shell(script)));
  assert.equal(ended.code, 0, ended.output);
  assert.match(ended.output, /WEB\nAddress: 10\.0\.0\.2/);
  assert.match(ended.output, /web\.front\nAddress: 10\.0\.0\.2/);
  assert.match(ended.output, /example\.test\nAddress: 192\.0\.2\.44/);
  assert.equal(host.questions.length, 1);
});

test('N9: a container on an internal network finds others; nothing it asks leaves the host', async () => {
  await using fixture = await PlanFixture.create();
  await using host = await hostServer();
  await using _names = await Names.start(fixture.dir, {
    port: host.upstream.port,
    reach: 'internal',
  });
  const script = `${lookUp('web')} && ${lookUp('secret-data.example.test')}`;
  const ended = await fixture.run(resolverOps(fixture.dir, shell(script)));
  assert.equal(ended.code, 1, ended.output);
  assert.match(ended.output, /web\nAddress: 10\.0\.0\.2/);
  assert.match(ended.output, /SERVFAIL/);
  assert.equal(host.questions.length, 0);
});

test('names survive a name server that is killed: what is asked meanwhile is answered by the next', async () => {
  await using fixture = await PlanFixture.create();
  const go = fixture.path('go');
  const script = `${lookUp('web')}; echo one; while [ ! -e ${go} ]; do /bin/busybox sleep 0.05; done; ${lookUp('web')}; echo two`;
  await using first = await Names.start(fixture.dir);
  const process = await fixture.start(resolverOps(fixture.dir, shell(script)));
  assert.match(await readUntil(process.stream, 'one\n'), /Address: 10\.0\.0\.2/);
  await first[Symbol.asyncDispose]();
  await writeFile(go, '');
  await using _second = await Names.start(fixture.dir, { address: '10.0.0.9' });
  assert.match(await readUntil(process.stream, 'two\n'), /Address: 10\.0\.0\.9/);
  assert.equal((await process.exited()).code, 0);
});

/**
 * What networks and volumes are for: nginx, PostgreSQL, Redis and a program in
 * Python, from Debian's packages, brought up by docker-compose on one host. They
 * find each other by name, are reached by one published port, live through the
 * death of the daemon, and keep their data when all of them are made anew.
 */

import assert from 'node:assert/strict';
import { chmodSync, cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { OUTSIDE_NETWORK } from '../../scripts/isolate.ts';
import { runChild } from '../../scripts/child.ts';
import { CARVE, DaemonFixture, until } from '../faults/daemon-fixture.ts';
import { dockerPath, type Outcome, run } from './target.ts';

const isRoot = process.getuid?.() === 0;
const PORT = 18_080;
const PACKAGES = [
  'nginx-light',
  'postgresql',
  'redis-server',
  'python3-psycopg2',
  'python3-redis',
] as const;
/** Milliseconds for downloading and installing them. */
const BOOTSTRAP_MS = 400_000;

/** What a visitor is shown. */
interface Seen {
  readonly notes: readonly string[];
  readonly visits: number;
  /** Numbers that the database, the cache and nginx gave to the connections that they are asked by. */
  readonly connections: readonly unknown[];
  /** Address that nginx was asked from. */
  readonly visitor: string;
}

describe('four applications on one host', { skip: !isRoot }, () => {
  let engine: DaemonFixture;
  before(async () => {
    engine = await DaemonFixture.open();
    cpSync(join(import.meta.dirname, 'applications'), engine.folder, { recursive: true });
    chmodSync(engine.folder, 0o755);
  });
  after(() => engine[Symbol.asyncDispose]());

  const env = (): Readonly<Record<string, string>> => ({
    DOCKER_HOST: `unix://${engine.socket}`,
    DOCKER_CONFIG: engine.folder,
    HOME: engine.folder,
    COMPOSE_PROJECT_NAME: 'four',
    PORT: String(PORT),
  });

  async function succeeds(argv: readonly string[]): Promise<Outcome> {
    const outcome = await run(argv, { env: env(), cwd: engine.folder });
    assert.equal(outcome.code, 0, `${argv.join(' ')}: ${outcome.stdout}${outcome.stderr}`);
    return outcome;
  }
  const compose = (...args: string[]): Promise<Outcome> => succeeds(['docker-compose', ...args]);
  const docker = (...args: string[]): Promise<Outcome> => succeeds([dockerPath(), ...args]);

  test('their image is made from Debian packages', { timeout: BOOTSTRAP_MS }, async () => {
    // What downloads has the machine's network; carve, and all else of this test, has not. Its
    // files lie in memory: dpkg waits for the disk at every step.
    const outside = process.env[OUTSIDE_NETWORK];
    const path = process.env['PATH'] ?? '';
    const programs = join(engine.folder, 'programs');
    const memory = join(engine.folder, 'memory');
    for (const folder of [programs, memory]) mkdirSync(folder, { mode: 0o755 });
    const enter = outside === undefined ? 'env' : `nsenter --net=${outside} env`;
    const set = `PATH="${path}" TMPDIR="${memory}"`;
    const inside = `mount -t tmpfs tmpfs "${memory}" && exec ${enter} ${set} mmdebstrap "$@"`;
    const script = `#!/bin/sh\nexec unshare --mount sh -c '${inside}' sh "$@"\n`;
    writeFileSync(join(programs, 'mmdebstrap'), script, { mode: 0o755 });
    const words = ['image', 'bootstrap', '--include', PACKAGES.join(','), '-t', 'applications'];
    const { code, output } = await runChild(
      [...CARVE, '--host', `unix://${engine.socket}`, ...words, 'debian'],
      { env: { PATH: `${programs}:${path}` }, timeoutMs: BOOTSTRAP_MS },
    );
    assert.equal(code, 0, output);
  });

  test('they are brought up, find each other, and are reached by one port', async () => {
    await compose('up', '-d');
    await until('the port answers', () => isServed());
    await visit((one) => one.post('first'));
    const { notes, visits, visitor } = await visit((one) => one.get());
    assert.deepEqual(notes, ['first']);
    assert.equal(visits, 1);
    // Who asks from this machine is seen as the network's gateway, which this machine is.
    const format = '{{range .IPAM.Config}}{{.Gateway}} {{end}}';
    const inspect = await docker('network', 'inspect', 'four_default', '--format', format);
    const gateway = inspect.stdout;
    assert.ok(gateway.split(' ').includes(visitor), `${visitor} of ${gateway}`);
    for (const [from, names] of [
      ['web', 'app db cache'],
      ['app', 'web db cache'],
      ['db', 'web app cache'],
      ['cache', 'web app db'],
    ] as const) {
      const { stdout } = await compose('exec', '-T', from, 'getent', 'ahosts', ...names.split(' '));
      for (const name of names.split(' '))
        assert.match(stdout, new RegExp(`STREAM +${name}$`, 'm'));
    }
  });

  test('a daemon that is killed and comes back is not noticed', async () => {
    await visit(async (one) => {
      const first = await one.get();
      await engine.end('SIGKILL');
      const meanwhile = await one.get();
      await one.post('nobody watched');
      await engine.start();
      const afterwards = await one.get();
      assert.deepEqual(meanwhile.connections, first.connections);
      assert.deepEqual(afterwards.connections, first.connections);
      assert.equal(afterwards.visits, first.visits + 2);
    });
    const { stdout } = await compose('exec', '-T', 'web', 'getent', 'hosts', 'app');
    assert.match(stdout, / app$/m);
  });

  test('made anew on the same volumes they have what they had', async () => {
    const { visits: visitsBefore } = await visit((one) => one.get());
    const containers = (await docker('ps', '-aq', '--no-trunc')).stdout;
    await compose('down');
    assert.equal((await docker('ps', '-aq')).stdout, '');
    const names = (await docker('network', 'ls', '--format', '{{.Name}}')).stdout.split('\n');
    assert.ok(!names.includes('four_default'), names.join(' '));
    await compose('up', '-d');
    await until('the port answers', () => isServed());
    for (const id of (await docker('ps', '-aq', '--no-trunc')).stdout.trim().split('\n'))
      assert.ok(!containers.includes(id));
    const { notes, visits } = await visit((one) => one.get());
    assert.deepEqual(notes, ['first', 'nobody watched']);
    assert.equal(visits, visitsBefore + 1);
    const log = await compose('exec', '-T', 'web', 'cat', '/var/log/nginx/requests');
    assert.match(log.stdout, /"POST \/ HTTP\/1.1" 200[^]*"GET \/ HTTP\/1.1" 200/);
  });

  test('nothing of them stays when they are taken down with their volumes', async () => {
    await compose('down', '--volumes');
    assert.equal((await docker('volume', 'ls', '-q')).stdout, '');
    assert.equal((await docker('ps', '-aq')).stdout, '');
  });
});

/** One connection to the port, and what is asked on it. */
class Visit {
  readonly #socket: Socket;
  #held = '';
  #wake = Promise.withResolvers<void>();

  private constructor(socket: Socket) {
    this.#socket = socket;
    const wake = (): void => this.#wake.resolve();
    socket.setEncoding('utf8').on('data', (text: string) => {
      this.#held += text;
      wake();
    });
    socket.on('error', wake).on('close', wake);
  }

  /** Rejects when nobody takes the connection. */
  static async begin(): Promise<Visit> {
    const socket = connect(PORT, '127.0.0.1');
    await once(socket, 'connect');
    return new Visit(socket);
  }

  async get(): Promise<Seen> {
    return JSON.parse(await this.#ask('GET', '')) as Seen;
  }

  async post(note: string): Promise<void> {
    await this.#ask('POST', note);
  }

  end(): void {
    this.#socket.destroy();
  }

  /** The body of a 200. */
  async #ask(method: string, body: string): Promise<string> {
    const head = `${method} / HTTP/1.1\r\nHost: four\r\nContent-Length: ${body.length}\r\n\r\n`;
    this.#socket.write(head + body);
    for (;;) {
      const answer = /^HTTP\/1\.1 (\d+) [^]*?\r\ncontent-length: (\d+)\r\n[^]*?\r\n\r\n/i.exec(
        this.#held,
      );
      const end = (answer?.[0].length ?? 0) + Number(answer?.[2]);
      if (answer !== null && this.#held.length >= end) {
        const text = this.#held.slice(answer[0].length, end);
        this.#held = this.#held.slice(end);
        assert.equal(answer[1], '200', text);
        return text;
      }
      assert.ok(!this.#socket.destroyed, `the connection ended: ${this.#held}`);
      await this.#wake.promise;
      this.#wake = Promise.withResolvers<void>();
    }
  }
}

/** What `body` says of one visit. */
async function visit<T>(body: (visit: Visit) => Promise<T>): Promise<T> {
  const begun = await Visit.begin();
  try {
    return await body(begun);
  } finally {
    begun.end();
  }
}

/** Somebody takes a connection there. */
async function isServed(): Promise<boolean> {
  return await visit(() => Promise.resolve(true)).catch(() => false);
}

/** Logins, credential helpers, proxies and client certificates, against real registries on loopback. Needs root. */

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { encodeTar } from '../../src/layers/tar-write.ts';
import { REFRESH_TOKEN, RegistryFixture, type RegistryMode, USER } from './registry-fixture.ts';
import { dockerPath, type Outcome, run, runtimes, Target } from './target.ts';

const entry = fileURLToPath(new URL('../cli/carve-entry.ts', import.meta.url));

interface Config {
  readonly auths?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly [key: string]: unknown;
}

/** A credential helper that keeps everything in a file and notes each call. */
function writeHelper(folder: string, name: string, script: string): void {
  const path = join(folder, `docker-credential-${name}`);
  writeFileSync(path, `#!/bin/sh\ncd "$(dirname "$0")"\necho "$1" >> calls\n${script}\n`);
  chmodSync(path, 0o755);
}

const STORE = `case "$1" in
store) cat > kept;;
get) read -r key; [ -f kept ] && cat kept || { echo "credentials not found in native keychain"; exit 1; };;
erase) cat > /dev/null; rm -f kept;;
esac`;

describe('logins', () => {
  let target: Target;
  let directory: string;
  let image: string;
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'carve-login-'));
    image = join(directory, 'image.tar');
    writeFileSync(image, encodeTar([{ type: 'file', path: 'x', content: Buffer.from('x') }]));
    target = await Target.start('bun', 'serve-whole.ts');
  });
  after(async () => {
    await target[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  async function openRegistry(t: TestContext, mode: RegistryMode): Promise<RegistryFixture> {
    const registry = await RegistryFixture.start(mode);
    t.after(async () => registry.stop());
    return registry;
  }

  /** One user: a configuration folder, helpers on the path. */
  function user(name: string): {
    readonly folder: string;
    readonly carve: (args: readonly string[], input?: string) => Promise<Outcome>;
    readonly docker: (args: readonly string[], input?: string) => Promise<Outcome>;
    readonly config: () => Config;
  } {
    const folder = join(directory, name);
    mkdirSync(folder);
    const env = { DOCKER_CONFIG: folder, PATH: `${folder}:${process.env['PATH'] ?? ''}` };
    const withInput = (input: string | undefined) => (input === undefined ? {} : { input });
    return {
      folder,
      carve: (args, input) =>
        // The mode of what is written must not hang on the umask.
        run(['sh', '-c', 'umask 000; exec "$@"', 'sh', runtimes.bun, entry, ...args], {
          env: { ...env, CARVE_HOST: `unix://${target.socket}` },
          ...withInput(input),
        }),
      docker: (args, input) =>
        run([dockerPath(), ...args], { env: { ...target.env, ...env }, ...withInput(input) }),
      config: () => JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as Config,
    };
  }

  async function output(work: Promise<Outcome>): Promise<string> {
    const outcome = await work;
    assert.equal(outcome.code, 0, JSON.stringify(outcome));
    return outcome.stdout;
  }

  const words = (host: string): readonly string[] =>
    `login -u ${USER.username} --password-stdin ${host}`.split(' ');

  test('a login is kept for carve and docker alike, by its owner alone, and forgotten', async (t) => {
    const { host } = await openRegistry(t, 'password');
    const { carve, docker, config, folder } = user('file');
    const path = join(folder, 'config.json');
    writeFileSync(path, '{"HttpHeaders":{"X":"y"},"auths":{"other.example":{"auth":"b3RoZXI="}}}');
    const before_ = readFileSync(path, 'utf8');
    const wrong = await carve(words(host), 'wrong');
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /refused the credentials|password is wrong/);
    assert.equal(readFileSync(path, 'utf8'), before_, 'a login that failed changes nothing');
    assert.match(await output(carve(words(host), `${USER.password}\n`)), /^Login Succeeded$/m);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const pair = Buffer.from(`${USER.username}:${USER.password}`).toString('base64');
    assert.deepEqual(config(), {
      HttpHeaders: { X: 'y' },
      auths: { 'other.example': { auth: 'b3RoZXI=' }, [host]: { auth: pair } },
    });
    const name = `${host}/app:1`;
    await output(carve(['import', image, name]));
    await output(carve(['push', '-q', name]));
    await output(docker(['pull', '-q', name]));
    await output(carve(['manifest', 'inspect', name]));
    assert.equal(await output(carve(['logout', host])), `Removing login credentials for ${host}\n`);
    assert.deepEqual(Object.keys(config().auths ?? {}), ['other.example']);
    assert.equal((await carve(['pull', name])).code, 1);
    assert.equal(await output(carve(['logout', host])), `Not logged in to ${host}\n`);
    await output(docker(words(host), USER.password));
    await output(carve(['pull', '-q', name]));
    await output(carve(['rmi', name]));
  });

  test('a token server’s lasting token is kept instead of the password, and is enough', async (t) => {
    const registry = await openRegistry(t, 'token');
    const { host } = registry;
    const { carve, docker, config } = user('token');
    await output(carve(words(host), USER.password));
    assert.deepEqual(config().auths?.[host], {
      auth: Buffer.from(`${USER.username}:`).toString('base64'),
      identitytoken: REFRESH_TOKEN,
    });
    const name = `${host}/app:1`;
    await output(carve(['import', image, name]));
    await output(carve(['push', '-q', name]));
    assert.ok(registry.tokenRequests.includes('POST '));
    await output(docker(['pull', '-q', name]));
    assert.ok(!JSON.stringify(config()).includes(Buffer.from(USER.password).toString('base64')));
    await output(carve(['rmi', name]));
  });

  test('a helper keeps the secret; one that fails ends the command before anything is asked', async (t) => {
    const registry = await openRegistry(t, 'password');
    const { host } = registry;
    const { carve, docker, config, folder } = user('helper');
    writeHelper(folder, 'kept', STORE);
    writeHelper(folder, 'broken', 'echo "the keyring is locked" >&2; exit 2');
    writeHelper(folder, 'babbling', 'echo "no json"');
    const path = join(folder, 'config.json');
    writeFileSync(path, JSON.stringify({ credHelpers: { [host]: 'kept' } }));
    await output(carve(words(host), USER.password));
    assert.deepEqual(config(), { credHelpers: { [host]: 'kept' }, auths: { [host]: {} } });
    const name = `${host}/app:1`;
    await output(carve(['import', image, name]));
    await output(carve(['push', '-q', name]));
    await output(docker(['pull', '-q', name]));
    await output(carve(['logout', host]));
    assert.deepEqual([config().auths, existsSync(join(folder, 'kept'))], [{}, false]);
    assert.match((await carve(['pull', name])).stderr, /pull access denied|wants a user name/);
    let count = 0;
    const front = http.createServer((_, response) => {
      count += 1;
      response.end();
    });
    await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
    t.after(() => front.close());
    const spied = `127.0.0.1:${(front.address() as AddressInfo).port}`;
    for (const [helper, sentence] of [
      ['broken', /The credential helper docker-credential-broken failed: the keyring is locked/],
      ['babbling', /Cannot use the credential helper babbling: its answer has no credentials/],
      ['absent', /Cannot start the credential helper docker-credential-absent: ENOENT/],
      ['../evil', /Cannot use the credential helper "\.\.\/evil": it is not the name of a program/],
    ] as const) {
      writeFileSync(path, JSON.stringify({ credsStore: helper }));
      for (const verb of ['pull', 'push']) {
        const { code, stderr } = await carve([verb, `${spied}/app:1`]);
        assert.equal(code, 1, helper);
        assert.match(stderr, sentence);
      }
    }
    assert.equal(count, 0, 'nothing went out without the credentials that were asked for');
    await output(carve(['rmi', name]));
  });

  test('a login killed at any moment leaves the old file or the new one, whole', async (t) => {
    const { host } = await openRegistry(t, 'password');
    const { carve, config, folder } = user('killed');
    await output(carve(words(host), USER.password));
    const path = join(folder, 'config.json');
    const kill = async (delayMs: number): Promise<void> => {
      const child = spawn(runtimes.bun, [entry, ...words(host)], {
        env: { ...process.env, DOCKER_CONFIG: folder, CARVE_HOST: `unix://${target.socket}` },
        stdio: ['pipe', 'ignore', 'ignore'],
      });
      child.stdin.on('error', () => undefined);
      child.stdin.end(USER.password);
      const timer = setTimeout(() => child.kill('SIGKILL'), delayMs);
      await new Promise((resolve) => child.once('close', resolve));
      clearTimeout(timer);
      assert.ok(config().auths?.[host]?.['auth'] !== undefined);
      assert.equal(statSync(path).mode & 0o777, 0o600);
    };
    for (let round = 0; round < 10; round++)
      await Promise.all([kill(60 + round * 17), kill(90 + round * 13)]);
    await output(carve(words(host), USER.password));
    assert.deepEqual(readdirSync(folder), ['config.json'], 'what the killed ones left is gone');
    assert.deepEqual(Object.keys(config().auths ?? {}), [host]);
  });

  test('a link stays a link; one to another user’s file is refused', async (t) => {
    const { host } = await openRegistry(t, 'password');
    const { carve, folder } = user('link');
    const [path, real] = [join(folder, 'config.json'), join(directory, 'real.json')];
    writeFileSync(real, '{}');
    symlinkSync(real, path);
    await output(carve(words(host), USER.password));
    assert.ok(lstatSync(path).isSymbolicLink());
    assert.match(readFileSync(real, 'utf8'), /"auths"/);
    const theirs = '{"theirs":true}';
    writeFileSync(real, theirs);
    execFileSync('chown', ['65534:65534', real]);
    const refused = await carve(words(host), USER.password);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /it is a link to a file of another user/);
    assert.equal(readFileSync(real, 'utf8'), theirs);
  });
});

/** An HTTP proxy that leads every name to one registry. */
class Proxy {
  readonly seen: string[] = [];
  readonly #server: http.Server;

  constructor(port: number, hasTunnels: boolean) {
    this.#server = http.createServer((request, response) => {
      this.#note('GET', request);
      const { pathname, search } = new URL(request.url ?? '/', 'http://none');
      const onward = http.request(
        { host: '127.0.0.1', port, method: request.method, path: pathname + search },
        (answer) => {
          response.writeHead(answer.statusCode ?? 500, answer.headers);
          answer.pipe(response);
        },
      );
      onward.on('error', () => response.destroy());
      request.pipe(onward);
    });
    this.#server.on('connect', (request: http.IncomingMessage, socket: net.Socket) => {
      this.#note('CONNECT', request);
      if (!hasTunnels) {
        socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
        return;
      }
      const onward = net.connect(port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        socket.pipe(onward).pipe(socket);
      });
      onward.on('error', () => socket.destroy());
      socket.on('error', () => onward.destroy());
    });
  }

  #note(verb: string, request: http.IncomingMessage): void {
    const login = request.headers['proxy-authorization'] ?? 'nobody';
    this.seen.push(`${verb} ${request.url ?? ''} ${login}`);
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

for (const [mode, what] of [
  ['plain', 'in plain HTTP'],
  ['tls', 'through a tunnel'],
] as const) {
  test(`a registry behind a proxy is reached ${what}, one that is exempt directly`, async (t) => {
    const registry = await RegistryFixture.start(mode);
    t.after(async () => registry.stop());
    const proxy = new Proxy(registry.port, mode === 'tls');
    const address = await proxy.listen();
    t.after(() => proxy.stop());
    const url = `http://me:pass%20word@${address}`;
    await using target = await Target.start('bun', 'serve-whole.ts', {
      HTTP_PROXY: url,
      HTTPS_PROXY: url,
      NO_PROXY: '.exempt.invalid,10.0.0.0/8',
    });
    const carve = (args: readonly string[]): Promise<Outcome> =>
      run([runtimes.bun, entry, ...args], {
        env: { CARVE_HOST: `unix://${target.socket}`, DOCKER_CONFIG: target.directory },
      });
    const looked = await carve(['manifest', 'inspect', '--insecure', 'registry.invalid/app:1']);
    assert.equal(looked.code, 1, 'the registry answers that it has no such image');
    assert.match(looked.stderr, /^no such manifest: registry\.invalid\/app:1$/m);
    const login = `Basic ${Buffer.from('me:pass word').toString('base64')}`;
    const expected =
      mode === 'tls'
        ? `CONNECT registry.invalid:443 ${login}`
        : `GET http://registry.invalid/v2/app/manifests/1 ${login}`;
    assert.ok(proxy.seen.includes(expected), proxy.seen.join('\n'));
    // Whatever the proxy asks for is for the proxy: no request below it has the login.
    proxy.seen.length = 0;
    const direct = await carve(['manifest', 'inspect', '--insecure', 'a.exempt.invalid/app:1']);
    assert.match(direct.stderr, /Cannot reach a\.exempt\.invalid/);
    const loopback = await carve(['manifest', 'inspect', '--insecure', `${registry.host}/app:1`]);
    assert.match(loopback.stderr, /no such manifest/);
    assert.deepEqual(proxy.seen, []);
  });
}

/** carve and a real dockerd on one host: each works, and neither opens what the other holds. */

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type DockerUnderTest, startDocker } from '../../bench/docker.ts';
import { DaemonFixture, isGone, until } from '../faults/daemon-fixture.ts';
import { HOST_ADDRESS, HOST_ADDRESS6, Lan, LAN_ADDRESS } from '../kernel/lan.ts';
import { dockerPath, run } from './target.ts';

const LAN_ADDRESS6 = '2001:db8::2';
/** Serves at port 80, and at 81, which is never published. */
const SERVE =
  'mkdir -p /www; echo $NAME > /www/index.html; busybox httpd -p 81 -h /www; exec busybox httpd -f -p 80 -h /www';
const serving = (name: string): readonly string[] => ['sh', '-c', SERVE.replace('$NAME', name)];

/** A host that has never passed a packet on: a network namespace, with what runs in it. */
class Host {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'carve-beside-'));
  readonly #holder: ReturnType<typeof spawn>;
  #docker: DockerUnderTest | undefined;

  private constructor(holder: ReturnType<typeof spawn>) {
    this.#holder = holder;
  }

  static async open(): Promise<Host> {
    const setUp = 'ip link set lo up; echo 0 > /proc/sys/net/ipv4/ip_forward';
    const holder = spawn('unshare', ['--net', 'sh', '-ec', `${setUp}; echo; exec cat`], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    return new Host(holder);
  }

  /** What stands before a command that runs on it. */
  get entering(): readonly string[] {
    return ['nsenter', '-t', String(this.#holder.pid), '-n'];
  }

  /** Output of a command on it. Errors: when it fails. */
  readonly run = (script: string): string => {
    const [program = '', ...words] = this.entering;
    return execFileSync(program, [...words, 'sh', '-ec', script], { encoding: 'utf8' });
  };

  async startDocker(): Promise<void> {
    const flags = ['--experimental', '--ip6tables', '--cgroup-parent=/carve-beside'];
    // Its mounts go with it.
    const enter = [...this.entering, 'unshare', '--mount', '--'];
    this.#docker = await startDocker(this.folder, { enter, flags });
    // It listens before its networks are made.
    await this.docker('network', 'ls');
  }

  async stopDocker(): Promise<void> {
    // The first process of a container hears no request to end, and Docker has patience.
    const ids = this.#docker === undefined ? '' : await this.docker('ps', '-aq');
    if (ids !== '') await this.docker('rm', '-f', ...ids.split('\n'));
    await this.#docker?.stop();
    this.#docker = undefined;
  }

  /** Output of the docker CLI. Errors: when it fails. */
  async docker(...words: readonly string[]): Promise<string> {
    const env = { DOCKER_HOST: `unix://${this.#docker?.socket}`, DOCKER_CONFIG: this.folder };
    const { code, stdout, stderr } = await run([dockerPath(), ...words], { env });
    assert.equal(code, 0, stderr);
    return stdout.trim();
  }

  /** Every rule and policy of iptables for packets that are passed on, without counts. */
  rules(): string {
    return this.run('iptables -S; ip6tables -S');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopDocker();
    this.#holder.stdin?.end();
    await once(this.#holder, 'close');
    rmSync(this.folder, { recursive: true, force: true });
    const groups = String.raw`find /sys/fs/cgroup -depth -type d -path '*/carve-beside*' -exec rmdir {} \;`;
    execFileSync('sh', ['-c', groups]);
  }
}

/** Times that a text is in another. */
const countOf = (text: string, word: RegExp): number => text.match(word)?.length ?? 0;
const JUMP = /^-A FORWARD -j CARVE-[0-9a-f]{12}$/gm;

/** What HTTP answers to somebody of carve's; empty: nothing within a second. */
async function fetchBy(carve: DaemonFixture, name: string, url: string): Promise<string> {
  const words = ['busybox', 'timeout', '1', 'busybox', 'wget', '-q', '-O', '-', url];
  return (await carve.carve('exec', name, ...words)).stdout.trim();
}

/** The same to somebody of Docker's. */
async function fetchByDocker(host: Host, name: string, url: string): Promise<string> {
  const fetch = `busybox timeout 1 busybox wget -q -O - ${url} || true`;
  return host.docker('exec', name, 'sh', '-c', fetch);
}

async function pings(carve: DaemonFixture, name: string, address: string): Promise<boolean> {
  const words = ['busybox', 'ping', '-c1', '-W1', address];
  return (await carve.carve('exec', name, ...words)).code === 0;
}

/** A network of carve's with a server that is published, and somebody beside it. */
async function populate(carve: DaemonFixture): Promise<void> {
  const must = async (...words: string[]): Promise<void> => {
    const { code, output } = await carve.carve(...words);
    assert.equal(code, 0, output);
  };
  await must('network', 'create', 'n');
  await must('run', '-d', '--network=n', '--name=web', '-p8080:80', 'bb', ...serving('web'));
  await must('run', '-d', '--network=n', '--name=other', 'bb', 'sleep', '1000');
  await until(
    'it serves',
    async () => (await fetchBy(carve, 'web', 'http://127.0.0.1/')) === 'web',
  );
}

async function addressOf(carve: DaemonFixture, name: string): Promise<string> {
  const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';
  return (await carve.carve('inspect', '-f', format, name)).stdout.trim();
}

test('Docker first: carve reaches and is reached, each holds what it held, and nothing of carve stays in iptables', async () => {
  await using host = await Host.open();
  await host.startDocker();
  let before: string;
  {
    await using carve = await DaemonFixture.open({ inside: host.entering });
    await using lan = await Lan.beside(host.run, '172.16.0.0/12');
    await host.docker('import', await carve.busyboxTar(), 'bb');
    await host.docker('run', '-d', '--name=theirs', '-p9090:80', 'bb', ...serving('theirs'));
    before = host.rules();
    assert.match(before, /^-P FORWARD DROP$/m);
    await populate(carve);
    const address = await addressOf(carve, 'web');
    const theirs = await host.docker('inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'theirs');

    const isWeb = (text: string): boolean => text.trim() === 'web';
    const isTheirs = (text: string): boolean => text.trim() === 'theirs';
    const ask = async (url: string): Promise<string> => fetchBy(carve, 'other', url);
    await until('a neighbour', async () => isWeb(await ask('http://web:81/')));
    await until('out', async () => pings(carve, 'other', LAN_ADDRESS));
    await until('out, by IPv6', async () => pings(carve, 'other', LAN_ADDRESS6));
    await until('a published port', () => isWeb(lan.get(HOST_ADDRESS, 8080)));
    await until('a published port, by IPv6', () => isWeb(lan.get(HOST_ADDRESS6, 8080)));
    await until("Docker's", () => isTheirs(lan.get(HOST_ADDRESS, 9090)));
    await until('each by the other', async () => {
      const fromDocker = await fetchByDocker(host, 'theirs', `http://${HOST_ADDRESS}:8080/`);
      return isWeb(fromDocker) && isTheirs(await ask(`http://${HOST_ADDRESS}:9090/`));
    });
    assert.equal(lan.get(address, 80), '', 'a port that is not published');
    assert.equal(await ask(`http://${theirs}:81/`), '', "to Docker's");
    for (const port of [80, 81]) {
      const url = `http://${address}:${port}/`;
      assert.equal(await fetchByDocker(host, 'theirs', url), '', "from Docker's");
    }

    const { json } = await carve.api('GET', '/info');
    const info = json as { FirewallBackend: { Info: string[][] }; Warnings: string[] | null };
    assert.equal(info.Warnings, null);
    assert.match(
      JSON.stringify(info.FirewallBackend.Info),
      /"chain CARVE-\w+ of ip and ip6 filter"/,
    );
    assert.equal(countOf(host.rules(), JUMP), 2, 'one of each family');
    assert.doesNotMatch(
      host.run('nft list ruleset'),
      /incompatible|xt (?:match|target) "(?!MASQ|con)/i,
    );
    host.run('iptables-save | iptables-restore --test; ip6tables-save | ip6tables-restore --test');
  }
  assert.equal(host.rules(), before);
});

test('N6, carve first: what comes later is met within moments, an administrator wins, and rules are there once', async () => {
  await using host = await Host.open();
  await using carve = await DaemonFixture.open({ inside: host.entering });
  await using lan = await Lan.beside(host.run);
  await populate(carve);
  const isOut = async (): Promise<boolean> => pings(carve, 'other', LAN_ADDRESS);
  const isOnce = (): boolean => countOf(host.rules(), JUMP) === 2;
  const isPassing = async (): Promise<boolean> => isOnce() && (await isOut());
  await until('out', isOut);
  assert.doesNotMatch(host.rules(), /CARVE/);

  await host.startDocker();
  // Newer ones drop whoever made the host pass packets on.
  host.run('iptables -P FORWARD DROP; ip6tables -P FORWARD DROP');
  await until('it passes Docker', isPassing);
  await until('a published port', () => lan.get(HOST_ADDRESS, 8080) === 'web\n');

  const id = await host.docker('network', 'create', 'late');
  const bridge = `br-${id.slice(0, 12)}`;
  const guards = ['-i', '-o'].map(
    (end) => new RegExp(`^-A CARVE-.* ${end} ${bridge} -j RETURN$`, 'm'),
  );
  await until("Docker's new network is Docker's", () =>
    guards.every((one) => one.test(host.rules())),
  );

  const drop = `-d ${LAN_ADDRESS} -j DROP`;
  host.run(`iptables -A DOCKER-USER ${drop}`);
  await until("behind Docker's own RETURN it means nothing", isOut);
  host.run(`iptables -D DOCKER-USER ${drop}; iptables -I DOCKER-USER ${drop}`);
  assert.ok(!(await isOut()), "the administrator's word in DOCKER-USER");
  host.run(`iptables -I DOCKER-USER -i carvelan0 -j DROP`);
  assert.equal(lan.get(HOST_ADDRESS, 8080), '', 'N6: of a published port too');
  host.run('iptables -D DOCKER-USER -i carvelan0 -j DROP');
  host.run(`iptables -D DOCKER-USER ${drop}; iptables -A FORWARD ${drop}`);
  await until("the administrator's word at the end of FORWARD", async () => !(await isOut()));
  host.run(`iptables -D FORWARD ${drop}`);
  await until('it is taken back', isPassing);

  host.run(
    'iptables-save | grep -v CARVE- | iptables-restore; ip6tables-save | grep -v CARVE- | ip6tables-restore',
  );
  await until('it is there after a reload', isPassing);
  host.run('iptables-save | iptables-restore');
  await until('kept by a reload', isPassing);
  await host.stopDocker();
  await host.startDocker();
  await until('Docker is back', isPassing);
  const ours = /^-A CARVE-.* -i docker0 -j RETURN$/gm;
  await until("Docker's own network is Docker's", () => countOf(host.rules(), ours) === 2);
  const words = (): readonly string[] =>
    host
      .rules()
      .split('\n')
      .filter((line) => line.includes('CARVE-'));
  const rules = words();
  await carve.end('SIGKILL');
  await until('a port without a daemon', () => lan.get(HOST_ADDRESS, 8080) === 'web\n');
  await carve.start();
  await until('the next daemon has it', isPassing);
  assert.deepEqual(words(), rules);

  host.run('iptables -P FORWARD ACCEPT');
  await until('nothing drops by IPv4 any more', () => countOf(host.rules(), /^-N CARVE-/gm) === 1);
  host.run('iptables -P FORWARD DROP');
  await until('something does', isPassing);

  const pids = await Promise.all(
    ['web', 'other'].map(async (name) => (await carve.state(name)).Pid),
  );
  await carve.end('SIGKILL');
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  await until('they are gone', () => pids.every(isGone));
  await carve.start();
  assert.doesNotMatch(host.rules(), /CARVE/, 'left by a daemon that was killed');
});

test('switched off, or without a Docker, iptables is left alone, and what is said helps', async () => {
  await using host = await Host.open();
  host.run('iptables -N DOCKER-USER; iptables -A FORWARD -j DOCKER-USER; iptables -P FORWARD DROP');
  host.run('ip6tables -P FORWARD DROP');
  const flags = ['--iptables=false'];
  await using carve = await DaemonFixture.open({ inside: host.entering, flags });
  await using _lan = await Lan.beside(host.run);
  const before = host.rules();
  await populate(carve);
  assert.equal(host.rules(), before);
  const { json } = await carve.api('GET', '/info');
  const warnings = (json as { Warnings: string[] | null }).Warnings ?? [];
  assert.equal(warnings.length, 2, warnings.join('\n'));
  const helps = [
    / (iptables) -I (DOCKER-USER) -i (br-\w+) -j ACCEPT/,
    / (ip6tables) -I (FORWARD) -i (br-\w+) -j ACCEPT/,
  ];
  for (const [index, address] of [LAN_ADDRESS, LAN_ADDRESS6].entries()) {
    assert.ok(!(await pings(carve, 'other', address)));
    const [, program, chain, link] = helps[index]?.exec(warnings[index] ?? '') ?? [];
    assert.ok(link !== undefined, warnings[index]);
    for (const end of ['i', 'o']) host.run(`${program} -I ${chain} -${end} ${link} -j ACCEPT`);
    await until('what is said helps', async () => pings(carve, 'other', address));
  }
  const again = await carve.api('GET', '/info');
  assert.equal((again.json as { Warnings: string[] | null }).Warnings, null, 'they are followed');
});

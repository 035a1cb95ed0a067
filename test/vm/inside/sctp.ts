/** What `network.test.ts` runs in its machine, whose kernel has SCTP: published ports with packets. The programs are perl's, which every Debian has. */

import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { promisify } from 'node:util';
import type { HostConfig } from '../../../src/spec/docker/container.ts';
import { type EngineFixture, openFixture } from '../../kernel/engine-fixture.ts';
import { HOST_ADDRESS, HOST_ADDRESS6, Lan, LAN_ADDRESS } from '../../kernel/lan.ts';

/** Says the address it sees to whoever connects. */
const SERVER = `
use Socket qw(:all);
my ($port) = @ARGV;
socket(my $listener, AF_INET6, SOCK_STREAM, 132) or die "socket: $!";
bind($listener, pack_sockaddr_in6($port, IN6ADDR_ANY)) or die "bind: $!";
listen($listener, 16) or die "listen: $!";
$| = 1;
print "ready\\n";
while (my $from = accept(my $client, $listener)) {
  my (undef, $host) = getnameinfo($from, NI_NUMERICHOST | NI_NUMERICSERV);
  $host =~ s/^::ffff://;
  send($client, "$host\\n", 0);
  close($client);
}
`;

/** What a server says; the word of the error when it says nothing within eight seconds: an emulated machine is slow. */
const CLIENT = `
use Socket qw(:all);
my ($address, $port) = @ARGV;
my $family = $address =~ /:/ ? AF_INET6 : AF_INET;
my $raw = inet_pton($family, $address);
my $name = $family == AF_INET6 ? pack_sockaddr_in6($port, $raw) : pack_sockaddr_in($port, $raw);
$SIG{ALRM} = sub { print "silence"; exit };
alarm(8);
socket(my $socket, $family, SOCK_STREAM, 132) or die "socket: $!";
if (!connect($socket, $name)) { print $!{ECONNREFUSED} ? "refused" : "silence"; exit }
recv($socket, my $line, 200, 0);
print $line;
`;

const shell = promisify(execFile);

async function ask(by: readonly string[], address: string, port: number): Promise<string> {
  const words = [...by, 'perl', '-e', CLIENT, address, String(port)];
  return (await shell('/usr/bin/env', words)).stdout.trim();
}

class Server {
  readonly #process: ChildProcess;
  private constructor(process: ChildProcess) {
    this.#process = process;
  }

  static async start(by: readonly string[], port: number): Promise<Server> {
    const words = [...by, 'perl', '-e', SERVER, String(port)];
    const server = spawn('/usr/bin/env', words, { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await Promise.race([
      once(server.stdout, 'data'),
      once(server, 'exit').then(() => ['it ended']),
    ])) as [unknown];
    assert.equal(String(line), 'ready\n');
    return new Server(server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const isOver = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await isOver;
  }
}

async function netOf({ engine }: EngineFixture, id: string): Promise<readonly string[]> {
  const { State } = await engine.containers.inspect(id);
  return ['/usr/bin/nsenter', '-t', String(State.Pid), '-n'];
}

async function start(
  fixture: EngineFixture,
  name: string,
  hostConfig: HostConfig,
): Promise<{ readonly id: string; readonly net: readonly string[] }> {
  const config = { Cmd: ['sleep', '1000'] };
  const id = await fixture.create(config, { NetworkMode: 'bridge', ...hostConfig }, name);
  await fixture.engine.containers.start(id);
  return { id, net: await netOf(fixture, id) };
}

const publish = (HostPort: string, HostIp = ''): HostConfig => ({
  PortBindings: { '80/sctp': [{ HostIp, HostPort }] },
});

const NOBODY = /^(?:refused|silence)$/;

test('a published SCTP port is reached from this machine, another one and other networks; sources are kept', async () => {
  await using fixture = await openFixture();
  await using lan = await Lan.open('172.17.0.0/16');
  const { networks, containers } = fixture.engine;
  await networks.create({ Name: 'dual' });
  const four = await start(fixture, 'four', publish('9000'));
  const six = await start(fixture, 'six', { NetworkMode: 'dual', ...publish('9001') });
  const local = await start(fixture, 'local', publish('9002', '127.0.0.1'));
  await using _four = await Server.start(four.net, 80);
  await using _unpublished = await Server.start(four.net, 81);
  await using _six = await Server.start(six.net, 80);
  await using _local = await Server.start(local.net, 80);
  const far = lan.entering();
  assert.equal(await ask(far, HOST_ADDRESS, 9000), LAN_ADDRESS);
  assert.equal(await ask(far, HOST_ADDRESS, 9001), LAN_ADDRESS);
  assert.equal(await ask(far, HOST_ADDRESS6, 9001), '2001:db8::2');
  assert.equal(await ask([], '127.0.0.1', 9000), '172.17.0.1');
  assert.match(await ask([], HOST_ADDRESS, 9000), /^(?:172\.17\.0\.1|192\.0\.2\.1)$/);
  assert.equal(await ask([], '127.0.0.1', 9002), '172.17.0.1');
  assert.match(await ask(six.net, HOST_ADDRESS, 9000), /^172\.17\.0\.1$/);
  assert.match(await ask(four.net, HOST_ADDRESS, 9000), /^172\.17\.0\.1$/, 'its own port');
  const { NetworkSettings } = await containers.inspect(four.id);
  const own = NetworkSettings.Networks['bridge']?.IPAddress ?? '';
  assert.equal(await ask([], own, 81), '172.17.0.1');
  const closed = [
    [HOST_ADDRESS, 9002],
    [HOST_ADDRESS, 81],
    [HOST_ADDRESS, 9009],
    [HOST_ADDRESS6, 9000],
    [own, 80],
    [own, 81],
  ] as const;
  const answers = await Promise.all([
    ...closed.map(async ([address, port]) => ask(far, address, port)),
    ask(six.net, own, 80),
  ]);
  for (const [index, answer] of answers.entries())
    assert.match(answer, NOBODY, String(closed[index]));
  assert.deepEqual(NetworkSettings.Ports, { '80/sctp': [{ HostIp: '0.0.0.0', HostPort: '9000' }] });
  for (const { id } of [four, six, local]) await containers.remove(id, { force: true });
  assert.match(await ask(far, HOST_ADDRESS, 9000), NOBODY);
  assert.match(await ask([], '127.0.0.1', 9000), NOBODY);
  await using _other = await Server.start([], 9000);
  assert.equal(await ask(far, HOST_ADDRESS, 9000), LAN_ADDRESS, 'the port is free for others');
});

test('an SCTP port that another container or another program has is one clear error; a routed one is at its container', async () => {
  await using fixture = await openFixture();
  await using lan = await Lan.open('10.60.0.0/24');
  await fixture.engine.networks.create({
    Name: 'routed',
    EnableIPv6: false,
    Options: { 'com.docker.network.bridge.gateway_mode_ipv4': 'routed' },
    IPAM: { Config: [{ Subnet: '10.60.0.0/24' }] },
  });
  await start(fixture, 'first', publish('9000'));
  await assert.rejects(start(fixture, 'second', publish('9000')), {
    message: /sctp port 9000 is in use by container first/,
  });
  await using _other = await Server.start([], 9001);
  await assert.rejects(start(fixture, 'third', publish('9001')), {
    message: /sctp port 9001 is in use by another program of the host/,
  });
  // The same number of another protocol is another port.
  await start(fixture, 'tcp', { PortBindings: { '80/tcp': [{ HostPort: '9001' }] } });
  const routed = await start(fixture, 'routed', { NetworkMode: 'routed', ...publish('9001') });
  await using _open = await Server.start(routed.net, 80);
  await using _closed = await Server.start(routed.net, 81);
  assert.equal(await ask(lan.entering(), '10.60.0.2', 80), LAN_ADDRESS);
  assert.match(await ask(lan.entering(), '10.60.0.2', 81), NOBODY);
});

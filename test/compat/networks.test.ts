/** Networks by the real docker CLI and by dockerode: the engine and its HTTP are real, what makes networks in the kernel is not. */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type RunningServer, serve } from '../../src/http/serve.ts';
import { runCli } from '../../src/cli/main.ts';
import { testIo } from '../cli/test-io.ts';
import { openRig, type Rig } from '../fakes/opened-engine.ts';
import { dockerPath, type Outcome, run, runtimes } from './target.ts';

const folder = fileURLToPath(new URL('.', import.meta.url));

describe('networks', () => {
  let rig: Rig;
  let server: RunningServer;
  let path: string;
  before(async () => {
    rig = await openRig();
    path = join(rig.directory, 's');
    server = await serve(rig.engine, {
      listen: { kind: 'unix', path },
      identity: { version: '0.1.0', gitCommit: '', buildTime: '', runtime: 'test' },
    });
  });
  after(async () => {
    await server.close();
    await rig.dispose();
  });

  /** Words of `args`, and what it must do. A format follows the words. */
  async function docker(
    args: string,
    expected: Partial<Outcome> & { readonly format?: string } = {},
  ): Promise<Outcome> {
    const env = {
      DOCKER_HOST: `unix://${path}`,
      DOCKER_CONFIG: rig.directory,
      HOME: rig.directory,
    };
    const { format, ...given } = expected;
    const formats = format === undefined ? [] : ['--format', format];
    const outcome = await run([dockerPath(), ...args.split(' '), ...formats], { env });
    const wanted = { code: 0, ...given };
    for (const key of ['code', 'stdout', 'stderr'] as const) {
      if (wanted[key] === undefined) continue;
      assert.equal(outcome[key], wanted[key], `docker ${args}: ${JSON.stringify(outcome)}`);
    }
    return outcome;
  }

  /** Fails with this one line. */
  async function refuses(args: string, message: string): Promise<void> {
    const { stderr, code } = await docker(args, { code: 1 });
    const lines = stderr.replace(/^exit status 1\n/m, '');
    assert.deepEqual([code, lines], [1, `Error response from daemon: ${message}\n`]);
  }

  test('a network is made, listed, shown and removed', async () => {
    const { stdout } = await docker('network create --label tier=front --subnet 10.5.0.0/16 web');
    const id = stdout.trim();
    assert.match(id, /^[0-9a-f]{64}$/);
    await docker('network ls --format {{.Name}}', { stdout: 'bridge\nhost\nnone\nweb\n' });
    await docker('network ls -q --no-trunc --filter label=tier', { stdout: `${id}\n` });
    await docker('network inspect web', {
      format: '{{.Driver}} {{.EnableIPv6}} {{(index .IPAM.Config 0).Gateway}}',
      stdout: 'bridge true 10.5.0.1\n',
    });
    await docker(`network rm ${id.slice(0, 12)}`, { stdout: `${id.slice(0, 12)}\n` });
    await docker('network ls --filter type=custom -q', { stdout: '' });
  });

  test('options of every kind reach the record', async () => {
    const args =
      'network create -d macvlan -o parent=eth0 --internal --attachable --ipv6 --subnet 10.6.0.0/24 --ip-range 10.6.0.128/25 --gateway 10.6.0.254 --aux-address nas=10.6.0.200 wire';
    await docker(args);
    const shown = JSON.parse((await docker('network inspect wire')).stdout) as readonly object[];
    const { Id: _, Created: __, IPAM, ...rest } = shown[0] as Record<string, unknown>;
    const { Config } = IPAM as { readonly Config: readonly object[] };
    assert.deepEqual(Config[0], {
      Subnet: '10.6.0.0/24',
      IPRange: '10.6.0.128/25',
      Gateway: '10.6.0.254',
      AuxiliaryAddresses: { nas: '10.6.0.200' },
    });
    assert.equal(Config.length, 2);
    assert.deepEqual(rest, {
      Name: 'wire',
      Scope: 'local',
      Driver: 'macvlan',
      EnableIPv4: true,
      EnableIPv6: true,
      Internal: true,
      Attachable: true,
      Ingress: false,
      ConfigFrom: { Network: '' },
      ConfigOnly: false,
      Containers: {},
      Options: { parent: 'eth0' },
      Labels: {},
    });
    await docker('network rm wire');
  });

  test('what cannot be is refused in one line', async () => {
    await docker('network create taken');
    await refuses('network create taken', 'network with name taken already exists');
    await refuses('network create host', 'operation is not permitted on predefined host network');
    await refuses('network rm none', 'none is a pre-defined network and cannot be removed');
    await refuses('network rm nope', 'network nope not found');
    await refuses(
      'network create -d weave x',
      'plugin "weave" not found. The network drivers of carve are bridge, macvlan and ipvlan',
    );
    await refuses(
      'network create --subnet 10.1.2.3/24 x',
      'invalid network config: invalid subnet 10.1.2.3/24: it should be 10.1.2.0/24',
    );
    await refuses('network connect nope web', 'No such container: web');
    await docker('network prune -f', { stdout: 'Deleted Networks:\ntaken\n\n' });
  });

  test('a container is created on networks, and changes them', async () => {
    await docker('network create --subnet 10.8.0.0/24 front');
    await docker('network create back');
    await docker('create --name web --network front --ip 10.8.0.7 --network-alias w busybox true');
    await docker('network connect --alias db back web');
    const format = '{{range $n, $e := .NetworkSettings.Networks}}{{$n}}{{$e.Aliases}};{{end}}';
    await docker('inspect web', { format, stdout: 'back[db];front[w];\n' });
    await docker('ps -a --filter network=back --format {{.Names}}', { stdout: 'web\n' });
    // One that does not run yet is told anew.
    await docker('network connect --alias store back web');
    await docker('inspect web', { format, stdout: 'back[store];front[w];\n' });
    await docker('network disconnect front web');
    await docker('inspect web', { format, stdout: 'back[store];\n' });
    const { stderr } = await docker('create --network nope busybox true', { code: 1 });
    assert.equal(stderr, 'Error response from daemon: network nope not found\n');
    const outside = await docker('create --network front --ip 10.9.0.7 busybox true', { code: 1 });
    assert.match(
      outside.stderr,
      /no configured subnet or ip-range contain the IP address 10\.9\.0\.7/,
    );
    await docker('rm web');
    await docker('network rm front back', { stdout: 'front\nback\n' });
  });

  test('a routed network has no ports of the host: docker and carve show the same', async () => {
    const mode = '-o com.docker.network.bridge.gateway_mode_ipv';
    await docker(`network create ${mode}6=routed --subnet 10.9.0.0/24 half`, { stderr: '' });
    await docker(`network create ${mode}4=nat-unprotected --subnet 10.10.0.0/24 bare`, {
      stderr: '',
    });
    await refuses(
      `network create ${mode}4=isolated lone`,
      "gateway mode 'isolated' can only be used for an internal network",
    );
    await docker('create --name web --network half -p 8080:80 -p [::1]:9090:90/udp busybox true');
    await rig.engine.containers.start('web');
    const { NetworkSettings } = await rig.engine.containers.inspect('web');
    assert.deepEqual(NetworkSettings.Ports, {
      '80/tcp': [
        { HostIp: '0.0.0.0', HostPort: '8080' },
        { HostIp: '::', HostPort: '' },
      ],
      // What names loopback is this machine's alone, and opened to nobody else.
      '90/udp': [{ HostIp: '::1', HostPort: '' }],
    });
    const lines = ['port web', 'port web 80', 'ps --no-trunc --format {{.Names}}={{.Ports}}'];
    for (const line of lines) {
      const io = testIo();
      const code = await runCli(['-H', `unix://${path}`, ...line.split(' ')], io);
      const { stdout } = await docker(line);
      assert.deepEqual([code, io.out()], [0, stdout], line);
    }
    const { stdout } = await docker('port web 80');
    assert.equal(stdout, '0.0.0.0:8080\n[::]:\n');
    const io = testIo();
    assert.equal(await runCli(['-H', `unix://${path}`, 'network', 'exposure', 'web'], io), 0);
    const own = NetworkSettings.Networks['half']?.GlobalIPv6Address ?? '';
    const row = `web +half +80/tcp +\\[${own}\\]:80 +this machine, other machines, containers of other networks`;
    assert.match(io.out(), new RegExp(row));
    await docker('rm -f web');
    await docker('network rm half bare');
  });

  test('a configuration is made, shown, used, and stays while it is used', async () => {
    await docker('network create --config-only --subnet 10.12.0.0/24 --label a=b lan');
    await docker('network create --config-from lan one');
    const format =
      '{{.Driver}} {{.ConfigOnly}} {{.ConfigFrom.Network}} {{(index .IPAM.Config 0).Subnet}} {{.Labels.a}}';
    await docker('network inspect lan one', {
      format,
      stdout: 'null true  10.12.0.0/24 b\nbridge false lan 10.12.0.0/24 b\n',
    });
    const { stderr } = await docker('create --network lan busybox true', { code: 1 });
    assert.match(stderr, /cannot create endpoint on configuration-only network/);
    await docker('network prune -f', { stdout: 'Deleted Networks:\none\n\n' });
    await docker('network create --config-from lan one');
    await refuses(
      'network rm lan',
      'error while removing network: configuration network "lan" is in use. Remove the networks that are made from it first: one',
    );
    await docker('network rm one lan', { stdout: 'one\nlan\n' });
  });

  test('dockerode makes, joins and leaves networks', async () => {
    const outcome = await run([runtimes.node, join(folder, 'clients/networks.mjs')], {
      env: { DOCKER_SOCKET: path },
    });
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.deepEqual(JSON.parse(outcome.stdout), {
      inspected: {
        Name: 'lan',
        Driver: 'bridge',
        Scope: 'local',
        Labels: { a: 'b' },
        IPAM: {
          Driver: 'default',
          Options: {},
          Config: [{ Subnet: '10.77.0.0/24', Gateway: '10.77.0.1' }],
        },
        EnableIPv6: false,
        Containers: {},
      },
      listed: ['lan'],
      networks: [
        ['lan', { IPv4Address: '10.77.0.9' }, ['alias'], true],
        ['other', null, ['b'], true],
      ],
      found: 1,
      absent: 404,
      taken: 409,
      overlapping: 403,
      predefined: 403,
      // It does not run: it is told anew.
      twice: 0,
      pruned: ['lan', 'other'],
    });
  });
});

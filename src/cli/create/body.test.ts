import { test } from 'node:test';
import assert from 'node:assert/strict';
import { EngineError, isEngineError } from '../../base/error.ts';
import type { ContainerCreateBody } from '../../spec/docker/container.ts';
import { parseFlags } from '../flags/parse.ts';
import { isUsageError } from '../flags/usage-error.ts';
import { attachedStreams, buildCreateBody } from './body.ts';
import { createFlags } from './flags.ts';

const files: Readonly<Record<string, string>> = {
  env: '\ufeff# comment\r\nA=1\n\nNONE\nHERE\n  X=y z \nE=\n',
  labels: 'k=v\nbare\n',
  'sec.json': '{ "defaultAction": "SCMP_ACT_ALLOW" }',
  'bad.json': '{',
  'bad-env': 'A=1\n=x\n',
  'space-env': 'A B=1\n',
};

function build(...argv: readonly string[]): ContainerCreateBody {
  const { flags, given, args } = parseFlags(createFlags, argv, { isInterspersed: false });
  const [image = '', ...command] = args;
  return buildCreateBody({
    flags,
    given,
    image,
    command,
    env: { HERE: 'here', HOME: '/root' },
    cwd: '/work',
    readFile: (path) => {
      const text = files[path];
      if (text === undefined)
        throw new EngineError('not-found', `Cannot read ${path}: no such file`);
      return text;
    },
  });
}

const streams = {
  AttachStdout: true,
  AttachStderr: true,
  Image: 'i',
  NetworkingConfig: { EndpointsConfig: {} },
};

test('a plain command line says little', () => {
  assert.deepEqual(build('i'), { ...streams, HostConfig: { NetworkMode: 'default' } });
});

/** Flags → the fields they make, of the configuration and of the host's half. */
const rows: readonly (readonly [readonly string[], object, object?])[] = [
  [['--egress', 'allow'], {}, { CarveEgress: { Mode: 'allow', Allow: [] } }],
  [
    ['--egress', 'deny', '--egress-allow', '*.a.org:443,b.org', '--egress-allow', '[fd00::]/8'],
    {},
    { CarveEgress: { Mode: 'deny', Allow: ['*.a.org:443', 'b.org', '[fd00::]/8'] } },
  ],
  [['--egress-allow', 'b.org'], {}, { CarveEgress: { Mode: '', Allow: ['b.org'] } }],
  [
    ['-it', '--rm'],
    { AttachStdin: true, OpenStdin: true, StdinOnce: true, Tty: true },
    { AutoRemove: true },
  ],
  [
    ['-e', 'A=1', '-e', 'HERE', '-e', 'GONE', '--env-file', 'env'],
    { Env: ['A=1', 'HERE=here', 'X=y z ', 'E=', 'A=1', 'HERE=here', 'GONE'] },
  ],
  [
    ['-l', 'a=b=c', '-l', 'd', '--label-file', 'labels'],
    { Labels: { k: 'v', bare: '', a: 'b=c', d: '' } },
  ],
  [['--entrypoint', ''], { Entrypoint: [''] }],
  [['--stop-timeout', '0', '--stop-signal', 'INT'], { StopTimeout: 0, StopSignal: 'INT' }],
  [
    ['-v', './a:/b:ro', '-v', 'vol:/c', '-v', '/d'],
    { Volumes: { '/d': {} } },
    { Binds: ['/work/a:/b:ro', 'vol:/c'] },
  ],
  [
    ['--tmpfs', '/run', '--tmpfs', '/t:size=1m,exec'],
    {},
    { Tmpfs: { '/run': '', '/t': 'size=1m,exec' } },
  ],
  [
    ['--mount', 'type=bind,src=../x,dst=/y,ro,bind-propagation=rslave'],
    {},
    {
      Mounts: [
        {
          Type: 'bind',
          Source: '/x',
          Target: '/y',
          ReadOnly: true,
          BindOptions: { Propagation: 'rslave' },
        },
      ],
    },
  ],
  [
    ['--mount', 'type=volume,"src=a,b",dst=/x,volume-label=k=v,volume-opt=o=size=1,volume-nocopy'],
    {},
    {
      Mounts: [
        {
          Type: 'volume',
          Source: 'a,b',
          Target: '/x',
          VolumeOptions: {
            NoCopy: true,
            Labels: { k: 'v' },
            DriverConfig: { Name: '', Options: { o: 'size=1' } },
          },
        },
      ],
    },
  ],
  [
    ['--mount', 'type=tmpfs,dst=/x,tmpfs-size=1m,tmpfs-mode=1777'],
    {},
    {
      Mounts: [{ Type: 'tmpfs', Target: '/x', TmpfsOptions: { SizeBytes: 1048576, Mode: 0o1777 } }],
    },
  ],
  [
    ['-p', '80', '-p', '127.0.0.1:9090-9091:90-91/udp'],
    { ExposedPorts: { '80/tcp': {}, '90/udp': {}, '91/udp': {} } },
    {
      PortBindings: {
        '80/tcp': [{ HostIp: '', HostPort: '' }],
        '90/udp': [{ HostIp: '127.0.0.1', HostPort: '9090' }],
        '91/udp': [{ HostIp: '127.0.0.1', HostPort: '9091' }],
      },
    },
  ],
  [
    ['-p', '[::1]:8000-8010:80', '-P'],
    { ExposedPorts: { '80/tcp': {} } },
    {
      PortBindings: { '80/tcp': [{ HostIp: '::1', HostPort: '8000-8010' }] },
      PublishAllPorts: true,
    },
  ],
  [
    ['-p', 'target=80,published=8080,protocol=sctp'],
    { ExposedPorts: { '80/sctp': {} } },
    { PortBindings: { '80/sctp': [{ HostIp: '', HostPort: '8080' }] } },
  ],
  [
    [
      '-m',
      '10m',
      '--memory-swap',
      '-1',
      '--memory-swappiness',
      '0',
      '--cpus',
      '.5',
      '--pids-limit',
      '-1',
    ],
    {},
    { Memory: 10485760, MemorySwap: -1, MemorySwappiness: 0, NanoCpus: 5e8, PidsLimit: -1 },
  ],
  [
    ['--ulimit', 'nofile=1:2', '--ulimit', 'core=-1'],
    {},
    {
      Ulimits: [
        { Name: 'nofile', Soft: 1, Hard: 2 },
        { Name: 'core', Soft: -1, Hard: -1 },
      ],
    },
  ],
  [
    ['--device', '/dev/null:r', '--device', '/dev/a:/dev/b', '--device', 'v.example/gpu=0'],
    {},
    {
      Devices: [
        { PathOnHost: '/dev/null', PathInContainer: '/dev/null', CgroupPermissions: 'r' },
        { PathOnHost: '/dev/a', PathInContainer: '/dev/b', CgroupPermissions: 'rwm' },
      ],
      DeviceRequests: [{ Driver: 'cdi', DeviceIDs: ['v.example/gpu=0'] }],
    },
  ],
  [
    ['--gpus', 'all'],
    {},
    {
      DeviceRequests: [
        { Driver: '', Count: -1, DeviceIDs: null, Capabilities: [['gpu']], Options: {} },
      ],
    },
  ],
  [
    ['--cap-add', 'net_admin', '--cap-add', 'CAP_NET_ADMIN', '--cap-drop', 'all'],
    {},
    { CapAdd: ['CAP_NET_ADMIN'], CapDrop: ['ALL'] },
  ],
  [
    ['--security-opt', 'seccomp=sec.json', '--security-opt', 'no-new-privileges'],
    {},
    { SecurityOpt: ['seccomp={"defaultAction":"SCMP_ACT_ALLOW"}', 'no-new-privileges'] },
  ],
  [['--security-opt', 'systempaths=unconfined'], {}, { MaskedPaths: [], ReadonlyPaths: [] }],
  [
    ['--restart', 'on-failure:3', '--init=false'],
    {},
    { RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 }, Init: false },
  ],
  [
    ['--health-cmd', 'x', '--health-interval', '2s', '--health-retries', '2'],
    { Healthcheck: { Test: ['CMD-SHELL', 'x'], Interval: 2e9, Retries: 2 } },
  ],
  [['--no-healthcheck'], { Healthcheck: { Test: ['NONE'] } }],
  [
    [
      '--add-host',
      'a=::1',
      '--add-host',
      'b:[::2]',
      '--add-host',
      'c:host-gateway',
      '--dns',
      '1.1.1.1',
    ],
    {},
    { ExtraHosts: ['a:::1', 'b:::2', 'c:host-gateway'], Dns: ['1.1.1.1'] },
  ],
  [
    ['--log-driver', 'json-file', '--log-opt', 'max-size=1m'],
    {},
    { LogConfig: { Type: 'json-file', Config: { 'max-size': '1m' } } },
  ],
  [
    ['--sysctl', 'net.core.somaxconn=1', '--annotation', 'a=b'],
    {},
    { Sysctls: { 'net.core.somaxconn': '1' }, Annotations: { a: 'b' } },
  ],
];

for (const [argv, config, host] of rows) {
  test(`${argv.join(' ')} says what it means`, () => {
    assert.deepEqual(build(...argv, 'i'), {
      ...streams,
      ...config,
      HostConfig: { NetworkMode: 'default', ...host },
    });
  });
}

test('networks: flags of one network belong to the first, several are kept apart', () => {
  const body = build(
    '--network',
    'name=a,alias=x,gw-priority=5',
    '--network',
    'b',
    '--ip',
    '1.2.3.4',
    '--mac-address',
    '02-00-00-00-00-0A',
    'i',
  );
  assert.equal(body.HostConfig?.NetworkMode, 'a');
  assert.deepEqual(body.NetworkingConfig?.EndpointsConfig, {
    a: {
      IPAMConfig: { IPv4Address: '1.2.3.4' },
      Aliases: ['x'],
      MacAddress: '02:00:00:00:00:0a',
      GwPriority: 5,
    },
    b: {},
  });
});

const mistakes: readonly (readonly [readonly string[], RegExp])[] = [
  [
    ['--rm', '--restart', 'always'],
    /^conflicting options: cannot specify both --restart and --rm$/,
  ],
  [
    ['-v', 'a:'],
    /^invalid argument "a:" for "-v, --volume" flag: invalid spec: a:: empty section between colons$/,
  ],
  [['-v', 'a:b:c:d'], /too many colons/],
  [['-p', 'x'], /^invalid argument "x" for "-p, --publish" flag: invalid port 'x' in 'x'/],
  [['-p', '80/icmp'], /invalid protocol/],
  [['-p', '1-2:3-5'], /invalid ranges/],
  [['-p', '300.1.1.1:1:2'], /invalid IP address/],
  [['-p', 'target=80,foo=1'], /invalid field key: foo/],
  [['--mount', 'type=bind,src=/a'], /target is required/],
  [['--mount', 'type=what,dst=/a'], /unknown mount type 'what'/],
  [
    ['--mount', 'type=bind,dst=/a,tmpfs-size=1'],
    /cannot mix 'tmpfs-\*' options with mount type 'bind'/,
  ],
  [['--mount', 'type=bind,dst=/a,"src=b'], /quote in the wrong place/],
  [['--ulimit', 'nofile=2:1'], /soft limit must be less than or equal to hard limit: 2 > 1/],
  [['--ulimit', 'what=1'], /invalid ulimit type: what/],
  [['--security-opt', 'seccomp=bad.json'], /Cannot read the seccomp profile bad.json/],
  [['--security-opt', 'seccomp=gone'], /Cannot read gone: no such file/],
  [['--security-opt', 'seccomp='], /Invalid --security-opt: "seccomp=" has no value/],
  [['--uts', 'container:'], /--uts: invalid mode 'container:'/],
  [['--security-opt', 'what'], /Invalid --security-opt: "what"/],
  [['--env-file', 'bad-env'], /bad-env, line 2: no variable name/],
  [['--env-file', 'space-env'], /variable 'A B' contains whitespace/],
  [['-e', '=x'], /invalid environment variable: =x/],
  [['-l', '=x'], /empty name/],
  [['--network', 'a', '--network', 'a'], /network "a" is specified multiple times/],
  [['--network', 'host', '--network', 'a'], /conflicting options/],
  [
    ['--network', 'name=a,alias=x', '--network-alias', 'y'],
    /both --network-alias and per-network alias/,
  ],
  [['--mac-address', 'zz'], /not a valid mac address/],
  [['--add-host', 'a:b'], /invalid IP address in add-host: "b"/],
  [['--dns', 'x'], /not correctly formatted: x/],
  [['--no-healthcheck', '--health-cmd', 'x'], /conflicts with --health/],
  [['--health-interval', '-1s'], /cannot be negative/],
  [['--memory-swappiness', '101'], /range is 0-100/],
  [['--device', '/dev/a:/dev/b:x'], /invalid device mode: x/],
  [['--device-read-bps', 'sda:1'], /bad format for device path/],
  [['--device-cgroup-rule', 'x'], /invalid device cgroup format 'x'/],
  [['--gpus', 'foo=1'], /unexpected key 'foo'/],
  [['--pid', 'x'], /--pid: invalid mode 'x'/],
  [['--cgroupns', 'x'], /--cgroupns: invalid mode 'x'/],
  [['--log-driver', 'none', '--log-opt', 'a=b'], /invalid logging opts for driver none/],
  [['--storage-opt', 'x'], /invalid storage option/],
  [['-a', 'x'], /valid streams are/],
];

for (const [argv, message] of mistakes) {
  test(`${argv.join(' ')} is refused in one sentence`, () => {
    assert.throws(
      () => build(...argv, 'i'),
      (error: unknown) =>
        isUsageError(error) &&
        isEngineError(error) &&
        message.test(error.message) &&
        !error.message.includes('\n'),
    );
  });
}

test('attachedStreams() connects output unless told otherwise', () => {
  assert.deepEqual(attachedStreams({ attach: [], interactive: false }), {
    stdin: false,
    stdout: true,
    stderr: true,
  });
  assert.deepEqual(attachedStreams({ attach: ['STDERR'], interactive: true }), {
    stdin: true,
    stdout: false,
    stderr: true,
  });
  assert.deepEqual(attachedStreams({ attach: ['stdin'], interactive: false }), {
    stdin: true,
    stdout: false,
    stderr: false,
  });
});

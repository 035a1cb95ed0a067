import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../../base/error.ts';
import { createBody, execConfig, updateBody } from './container.ts';
import { type Decode, decodeBody } from './shape.ts';

function messageOf<T>(decode: Decode<T>, value: unknown): string {
  try {
    decodeBody(decode, value);
  } catch (error) {
    assert.ok(isEngineError(error) && error.kind === 'invalid', String(error));
    return error.message;
  }
  return '';
}

test('createBody takes what the docker CLI sends', () => {
  const sent = {
    Hostname: '',
    Domainname: '',
    User: '',
    AttachStdin: false,
    AttachStdout: true,
    AttachStderr: true,
    Tty: false,
    OpenStdin: false,
    StdinOnce: false,
    Env: null,
    Cmd: ['echo', 'hi'],
    Image: 'busybox',
    Volumes: {},
    WorkingDir: '',
    Entrypoint: null,
    OnBuild: null,
    Labels: {},
    HostConfig: {
      Binds: null,
      ContainerIDFile: '',
      LogConfig: { Type: '', Config: {} },
      NetworkMode: 'none',
      PortBindings: { '80/tcp': [{ HostIp: '', HostPort: '8080' }], '81/tcp': null },
      RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
      AutoRemove: true,
      ConsoleSize: [0, 0],
      MemorySwappiness: -1,
      PidsLimit: 0,
      MaskedPaths: null,
      ReadonlyPaths: [],
      Ulimits: [{ Name: 'nofile', Hard: 10, Soft: 10 }],
      Mounts: [
        { Type: 'tmpfs', Target: '/t', TmpfsOptions: { SizeBytes: 1024, Options: [['exec']] } },
      ],
    },
    NetworkingConfig: {
      EndpointsConfig: { none: null, net: { IPAMConfig: { IPv4Address: '10.0.0.2' } } },
    },
  };
  const body = decodeBody(createBody, sent);
  assert.deepEqual(body.Cmd, ['echo', 'hi']);
  assert.equal('Env' in body, false, 'null is absent');
  assert.deepEqual(body.HostConfig?.PortBindings, {
    '80/tcp': [{ HostIp: '', HostPort: '8080' }],
    '81/tcp': null,
  });
  assert.equal('MaskedPaths' in (body.HostConfig ?? {}), false, 'null means the default paths');
  assert.deepEqual(body.HostConfig.ReadonlyPaths, [], 'an empty list means none');
  assert.deepEqual(body.NetworkingConfig?.EndpointsConfig, {
    none: null,
    net: { IPAMConfig: { IPv4Address: '10.0.0.2' } },
  });
  assert.deepEqual(body.HostConfig.Mounts, [
    { Type: 'tmpfs', Target: '/t', TmpfsOptions: { SizeBytes: 1024, Options: [['exec']] } },
  ]);
});

test('decoders drop unknown fields and do not care about the case of names', () => {
  assert.deepEqual(
    decodeBody(createBody, {
      image: 'a',
      TTY: true,
      Bogus: 1,
      hostconfig: { binds: ['/a:/b'], Nope: [] },
    }),
    {
      Image: 'a',
      Tty: true,
      HostConfig: { Binds: ['/a:/b'] },
    },
  );
});

test('decoders take one word for a command', () => {
  assert.deepEqual(decodeBody(execConfig, { Cmd: 'ls' }), { Cmd: 'ls' });
});

test('decoders name the field that is wrong', () => {
  const rows: [Decode<unknown>, unknown, string][] = [
    [createBody, [], 'it must be an object'],
    [createBody, 'x', 'it must be an object'],
    [createBody, { Image: 1 }, 'Image must be a string'],
    [createBody, { Tty: 'true' }, 'Tty must be a boolean'],
    [createBody, { Env: ['A=1', 2] }, 'Env.1 must be a string'],
    [createBody, { Env: 'A=1' }, 'Env must be a list'],
    [createBody, { Labels: { a: 1 } }, 'Labels.a must be a string'],
    [createBody, { HostConfig: { Memory: '1g' } }, 'HostConfig.Memory must be an integer'],
    [createBody, { HostConfig: { Memory: 1.5 } }, 'HostConfig.Memory must be an integer'],
    [
      createBody,
      { HostConfig: { RestartPolicy: { Name: 'sometimes' } } },
      "HostConfig.RestartPolicy.Name must be one of '', 'no', 'always', 'unless-stopped', 'on-failure'",
    ],
    [
      createBody,
      { HostConfig: { PortBindings: { '80/tcp': [{ HostPort: 80 }] } } },
      'HostConfig.PortBindings.80/tcp.0.HostPort must be a string',
    ],
    [
      createBody,
      { HostConfig: { Mounts: [{ Type: 'nfs' }] } },
      "HostConfig.Mounts.0.Type must be one of 'bind', 'volume', 'tmpfs', 'image', 'npipe', 'cluster'",
    ],
    [createBody, { ExposedPorts: { '80/tcp': 1 } }, 'ExposedPorts.80/tcp must be an object'],
    [updateBody, { CpuShares: true }, 'CpuShares must be an integer'],
  ];
  for (const [decode, value, message] of rows)
    assert.equal(messageOf(decode, value), `Invalid request body: ${message}`);
});

test('decoders keep a key named __proto__ a key', () => {
  const body = decodeBody(
    createBody,
    JSON.parse(
      '{"__proto__":{"Image":"x"},"Labels":{"__proto__":"y"},"HostConfig":{"Sysctls":{"constructor":"z"}}}',
    ),
  );
  assert.equal(body.Image, undefined);
  assert.deepEqual(Object.keys(body.Labels ?? {}), ['__proto__']);
  assert.deepEqual(Object.keys(body.HostConfig?.Sysctls ?? {}), ['constructor']);
  assert.equal(({} as Record<string, unknown>)['Image'], undefined);
});

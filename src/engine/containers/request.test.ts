import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkResources } from './check-resources.ts';
import { completeHostConfig } from './complete-host-config.ts';
import { generateName } from './generate-name.ts';
import { parseLogConfig } from './log-settings.ts';
import { commandOf, mergeConfig } from './merge-config.ts';
import { checkProbe, hasProbe, probeOf } from './probe.ts';
import { parseContainerName } from './registry.ts';
import { renderHosts, renderResolvConf } from './render-files.ts';

const host = { cpuCount: 4, cgroupVersion: 2 as const };
const complete = (
  given: Parameters<typeof completeHostConfig>[0],
): ReturnType<typeof completeHostConfig> => completeHostConfig(given, { cgroupVersion: 2 });

test('what clients send for "unset" becomes the default', () => {
  const { hostConfig } = complete({
    MemorySwappiness: -1,
    PidsLimit: 0,
    ShmSize: 0,
    RestartPolicy: { Name: '' },
    NetworkMode: 'default',
    Binds: null,
    LogConfig: { Type: '', Config: null },
  });
  assert.deepEqual(
    [
      hostConfig.MemorySwappiness,
      hostConfig.PidsLimit,
      hostConfig.ShmSize,
      hostConfig.RestartPolicy?.Name,
      hostConfig.NetworkMode,
      hostConfig.LogConfig?.Type,
      hostConfig.IpcMode,
      hostConfig.CgroupnsMode,
      hostConfig.Runtime,
    ],
    [null, null, 67108864, 'no', 'bridge', 'carve', 'private', 'private', 'carve'],
  );
  assert.equal(complete({ Memory: 2 ** 30 }).hostConfig.MemorySwap, 2 ** 31);
  assert.equal(complete({ Memory: 2 ** 30, MemorySwap: -1 }).hostConfig.MemorySwap, -1);
});

test('ports on the network of the host are a warning; a network of a name is looked up later', () => {
  assert.deepEqual(complete({ NetworkMode: 'host', PortBindings: { '80/tcp': [] } }).warnings, [
    'Published ports are discarded when using host network mode',
  ]);
  assert.equal(complete({ NetworkMode: 'front' }).hostConfig.NetworkMode, 'front');
});

test('the client wins over the image, per field and per variable', () => {
  const image = {
    Cmd: ['img'],
    Entrypoint: ['ep'],
    Env: ['A=1', 'B=2', 'C=3'],
    Labels: { a: 'i', b: 'i' },
    User: 'app',
    WorkingDir: '/w',
    ExposedPorts: { '80/tcp': {} },
  };
  const merged = mergeConfig(
    { Env: ['B=x', 'C'], Labels: { a: 'u' }, ExposedPorts: { '81/tcp': {} } },
    image,
  );
  assert.deepEqual(merged.Env, ['B=x', 'A=1']);
  assert.deepEqual(merged.Labels, { a: 'u', b: 'i' });
  assert.deepEqual(Object.keys(merged.ExposedPorts ?? {}), ['80/tcp', '81/tcp']);
  assert.deepEqual([merged.User, merged.WorkingDir], ['app', '/w']);
});

test('entrypoint and command: who gives what', () => {
  const image = { Cmd: ['c'], Entrypoint: ['e'] };
  const rows: readonly [Parameters<typeof mergeConfig>[0], readonly string[]][] = [
    [{}, ['e', 'c']],
    [{ Cmd: ['x'] }, ['e', 'x']],
    [{ Cmd: 'x' }, ['e', 'x']],
    [{ Cmd: [] }, ['e', 'c']],
    [{ Entrypoint: ['y'] }, ['y']],
    [{ Entrypoint: ['y'], Cmd: ['x'] }, ['y', 'x']],
    [{ Entrypoint: [''], Cmd: ['x'] }, ['x']],
  ];
  for (const [user, expected] of rows)
    assert.deepEqual(commandOf(mergeConfig(user, image)), expected, JSON.stringify(user));
  assert.throws(() => commandOf(mergeConfig({ Entrypoint: [''] }, image)), {
    message: 'no command specified',
  });
  assert.throws(() => commandOf(mergeConfig({}, null)), { kind: 'invalid' });
});

test('a health check is taken over field by field', () => {
  const merged = mergeConfig(
    { Healthcheck: { Interval: 5e9 } },
    { Healthcheck: { Test: ['CMD', 'x'], Interval: 1e9, Retries: 9 } },
  );
  assert.deepEqual(merged.Healthcheck, { Test: ['CMD', 'x'], Interval: 5e9, Retries: 9 });
  assert.equal(
    hasProbe(
      mergeConfig({ Healthcheck: { Test: ['NONE'] } }, { Healthcheck: { Test: ['CMD', 'x'] } })
        .Healthcheck,
    ),
    false,
  );
});

test('probes: shell forms, defaults, what is wrong', () => {
  assert.deepEqual(
    probeOf({ Healthcheck: { Test: ['CMD-SHELL', 'true'] }, Shell: ['/bin/bash', '-c'] }),
    {
      argv: ['/bin/bash', '-c', 'true'],
      intervalMs: 30_000,
      timeoutMs: 30_000,
      startPeriodMs: 0,
      startIntervalMs: 5000,
      retries: 3,
    },
  );
  for (const bad of [
    { Test: ['RUN'] },
    { Test: ['CMD'] },
    { Interval: 10 },
    { Retries: -1 },
    { Timeout: -5e9 },
  ]) {
    assert.throws(() => checkProbe(bad), { kind: 'invalid' }, JSON.stringify(bad));
  }
});

test('limits that make no sense', () => {
  const bad = [
    { Memory: 1 },
    { MemorySwap: 2 ** 30 },
    { Memory: 2 ** 30, MemorySwap: 2 ** 29 },
    { Memory: 2 ** 30, MemoryReservation: 2 ** 31 },
    { MemorySwappiness: 101 },
    { NanoCpus: 1e9, CpuQuota: 1000 },
    { NanoCpus: 5e9 },
    { CpuPeriod: 1 },
    { CpuQuota: 1 },
    { CpusetCpus: '4' },
    { CpusetCpus: '1-' },
    { CpusetCpus: '3-1' },
    { CpusetMems: '9999999999' },
    { BlkioWeight: 5 },
    { OomScoreAdj: 1001 },
  ];
  for (const limits of bad)
    assert.throws(() => checkResources(limits, host), { kind: 'invalid' }, JSON.stringify(limits));
  assert.deepEqual(
    checkResources({ CpusetCpus: '0-3', NanoCpus: 4e9, Memory: 6 * 2 ** 20 }, host),
    [],
  );
  assert.equal(checkResources({ OomKillDisable: true, MemorySwappiness: 1 }, host).length, 2);
});

test('log settings', () => {
  assert.deepEqual(parseLogConfig(undefined), {
    kind: 'carve',
    segmentBytes: 20 * 2 ** 20,
    segments: 5,
  });
  assert.deepEqual(
    parseLogConfig({
      Type: 'json-file',
      Config: { 'max-size': '1.5m', 'max-file': '3', tag: 'x' },
    }),
    { kind: 'json-file', segmentBytes: 1.5 * 2 ** 20, segments: 3 },
  );
  assert.equal(parseLogConfig({ Config: { 'max-size': '-1' } }).segmentBytes, 2 ** 40);
  assert.equal(parseLogConfig({ Config: { 'max-size': '1k' } }).segmentBytes, 128 * 1024);
  for (const bad of [
    { Type: 'x' },
    { Type: 'constructor' },
    { Config: { a: 'b' } },
    { Config: { 'max-size': 'big' } },
    { Config: { 'max-file': '0' } },
  ]) {
    assert.throws(() => parseLogConfig(bad), { kind: 'invalid' }, JSON.stringify(bad));
  }
});

test('names: checked, and made up when there is none', () => {
  assert.equal(parseContainerName('/web-1'), 'web-1');
  for (const bad of ['', '/', 'a', '//ab', '.ab', 'a b', 'a/b', 'ab\n', 'ä1', 'x'.repeat(300)]) {
    assert.throws(() => parseContainerName(bad), { kind: 'invalid' }, JSON.stringify(bad));
  }
  let seed = 0;
  const randomHex = (): string => (seed++).toString(16).padStart(8, '0').repeat(8);
  assert.match(generateName({ randomHex, isFree: () => true, fallback: 'f' }), /^[a-z]+_[a-z]+$/);
  assert.equal(generateName({ randomHex, isFree: () => false, fallback: 'f' }), 'f');
  assert.match(
    generateName({ randomHex, isFree: (name) => /\d$/.test(name), fallback: 'f' }),
    /^[a-z]+_[a-z]+\d$/,
  );
});

test('hosts and resolv.conf', () => {
  assert.equal(
    renderHosts({ hostText: '10.0.0.1 x', extraHosts: ['a:[::1]', 'b:1.2.3.4'], gateways: [] }),
    '10.0.0.1 x\n::1\ta\n1.2.3.4\tb\n',
  );
  const text =
    '# c\nnameserver 127.0.0.53\nnameserver ::1\nnameserver 192.0.2.1 # x\ndomain a.b\nsearch c.d e.f\noptions ndots:2\n';
  const request = {
    servers: [],
    search: [],
    options: [],
    isHostNetwork: false,
    hasIpv6: false,
  };
  assert.equal(
    renderResolvConf(text, request),
    'nameserver 192.0.2.1\nsearch c.d e.f\noptions ndots:2\n',
  );
  assert.match(
    renderResolvConf(text, { ...request, isHostNetwork: true }),
    /^nameserver 127\.0\.0\.53\n/,
  );
  assert.equal(
    renderResolvConf('', { ...request, search: ['.'] }),
    'nameserver 8.8.8.8\nnameserver 8.8.4.4\n',
  );
  // Nobody asks by a family that he has not.
  const six = 'nameserver 2001:db8::53\n';
  assert.match(renderResolvConf(six, request), /^nameserver 8\.8\.8\.8\n/);
  assert.equal(renderResolvConf(`${six}nameserver 192.0.2.1\n`, request), 'nameserver 192.0.2.1\n');
  assert.equal(renderResolvConf(six, { ...request, hasIpv6: true }), six);
  assert.equal(renderResolvConf(six, { ...request, isHostNetwork: true }), six);
  assert.equal(renderResolvConf('', { ...request, servers: ['2001:db8::53'] }), six);
});

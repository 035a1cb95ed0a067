/** What `carve create` asks of an engine is what the real docker CLI asks, flag by flag. Needs no engine. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { runCli } from '../../src/cli/main.ts';
import { type FakeEngine, startFakeEngine } from '../cli/fake-engine.ts';
import { testIo } from '../cli/test-io.ts';
import { dockerPath, run } from './target.ts';

/** Command lines after `create`; both must send the same, or both refuse with the same code. */
const lines: readonly (readonly string[])[] = [
  ['bb'],
  ['bb', 'echo', '-n', 'x'],
  ['--rm', '-it', 'bb', 'sh'],
  ['-a', 'stdout', '-a', 'STDERR', 'bb'],
  ['-a', 'stdin', 'bb'],
  ['-a', 'foo', 'bb'],
  ['-i', 'bb'],
  ['-t', 'bb'],
  ['-itw', '/x', '-u', '1:2', '-h', 'host', '--domainname', 'd', 'bb'],
  ['-e', 'A=1', '-e', 'FOO', '-e', 'NOPE', '-e', '=x', 'bb'],
  ['-l', '=b', 'bb'],
  ['--entrypoint', 'x', 'bb', 'y'],
  ['--entrypoint', '', 'bb', 'y'],
  ['-v', './a:/b', '-v', 'vol:/c:ro', '-v', '/d', '-v', '/e:/f:z,ro', 'bb'],
  ['-v', '../x:/y', '-v', '.:/z', 'bb'],
  ['-v', '', 'bb'],
  ['-v', '/a:', 'bb'],
  ['--mount', 'type=bind,src=/tmp,dst=/x,ro', 'bb'],
  ['--mount', 'type=bind,source=./rel,target=/x', 'bb'],
  ['--mount', 'src=vol,dst=/x', 'bb'],
  [
    '--mount',
    'type=volume,src=v,dst=/x,volume-nocopy,volume-label=a=b,volume-driver=local,volume-opt=type=tmpfs,volume-opt=o=size=1',
    'bb',
  ],
  ['--mount', 'type=volume,dst=/x,volume-subpath=p', 'bb'],
  ['--mount', 'type=tmpfs,dst=/x,tmpfs-size=10m,tmpfs-mode=1777', 'bb'],
  ['--mount', 'type=image,src=img,dst=/x,image-subpath=p', 'bb'],
  ['--mount', 'type=bind,src=/a,dst=/b,bind-propagation=rslave,bind-recursive=disabled', 'bb'],
  ['--mount', 'type=bind,src=/a,dst=/b,ro,bind-recursive=writable', 'bb'],
  ['--mount', 'type=bind,src=/a,dst=/b,ro,bind-recursive=readonly', 'bb'],
  ['--mount', 'type=bind,src=/a,dst=/b,ro,bind-recursive=readonly,bind-propagation=rprivate', 'bb'],
  ['--mount', 'type=bind,src=/a,dst=/b,bind-nonrecursive', 'bb'],
  ['--mount', 'type=bind,src=/a', 'bb'],
  ['--mount', 'type=bind,dst=/a,src=/b,tmpfs-size=1', 'bb'],
  ['--mount', 'type=bind,dst=/a,src=/b,foo=1', 'bb'],
  ['--mount', 'type=bind,dst', 'bb'],
  ['--mount', 'type=tmpfs,dst=/a,tmpfs-mode=9', 'bb'],
  ['--mount', 'type=bind,src=/a,dst=/b,readonly=maybe', 'bb'],
  ['--mount', 'type=volume,"src=a,b",dst=/x', 'bb'],
  ['--mount', 'type=volume,dst=/x,consistency=cached', 'bb'],
  ['--tmpfs', '/run', '--tmpfs', '/tmp:size=1m,exec', 'bb'],
  ['--volumes-from', 'a', '--volumes-from', 'b:ro', 'bb'],
  ['-p', '80', 'bb'],
  ['-p', '8080:80', '-p', '127.0.0.1:9090:90/udp', '-p', '[::1]:1:2', 'bb'],
  ['-p', '8000-8002:80-82', 'bb'],
  ['-p', '8000-8010:80', 'bb'],
  ['-p', '8000-8010:80-82', 'bb'],
  ['-p', '127.0.0.1::80', 'bb'],
  ['-p', '80/foo', 'bb'],
  ['-p', '70000:80', 'bb'],
  ['-p', ':80', 'bb'],
  ['-p', '80:', 'bb'],
  ['-p', 'target=80,published=8080,protocol=udp', 'bb'],
  ['-p', 'target=80', 'bb'],
  ['-p', 'published=80', 'bb'],
  ['-P', '--expose', '80', '--expose', '90-92/udp', 'bb'],
  ['--expose', '80:90', 'bb'],
  [
    '-m',
    '10m',
    '--memory-swap',
    '-1',
    '--memory-reservation',
    '5m',
    '--memory-swappiness',
    '0',
    'bb',
  ],
  ['--memory-swappiness', '101', 'bb'],
  ['--memory-swappiness', '50', 'bb'],
  [
    '--cpus',
    '1.5',
    '-c',
    '512',
    '--cpu-period',
    '1000',
    '--cpu-quota',
    '2000',
    '--cpuset-cpus',
    '0-1',
    '--cpuset-mems',
    '0',
    'bb',
  ],
  ['--cpu-rt-period', '1', '--cpu-rt-runtime', '2', 'bb'],
  ['--cpus', '0.0000000001', 'bb'],
  ['--pids-limit', '100', 'bb'],
  ['--pids-limit', '-1', 'bb'],
  ['--ulimit', 'nofile=10:20', '--ulimit', 'core=-1', '--ulimit', 'nproc=5', 'bb'],
  ['--ulimit', 'nofile=20:10', 'bb'],
  ['--ulimit', 'foo=1', 'bb'],
  ['--ulimit', 'nofile=-1:10', 'bb'],
  [
    '--blkio-weight',
    '100',
    '--blkio-weight-device',
    '/dev/sda:200',
    '--device-read-bps',
    '/dev/sda:1mb',
    '--device-write-iops',
    '/dev/sda:5',
    'bb',
  ],
  ['--device-read-bps', 'sda:1', 'bb'],
  ['--device-read-bps', '/dev/sda:x', 'bb'],
  ['--device-write-bps', '/dev/sda:1k', '--device-read-iops', '/dev/sda:7', 'bb'],
  ['--blkio-weight-device', '/dev/sda:5', 'bb'],
  ['--oom-kill-disable', '--oom-score-adj', '-500', 'bb'],
  ['--shm-size', '1g', '--storage-opt', 'size=1G', 'bb'],
  ['--storage-opt', 'x', 'bb'],
  [
    '--device',
    '/dev/null',
    '--device',
    '/dev/zero:/dev/z',
    '--device',
    '/dev/full:r',
    '--device',
    '/dev/a:/dev/b:rw',
    'bb',
  ],
  ['--device', '/dev/a:/dev/b:x', 'bb'],
  ['--device', 'vendor.com/class=dev0', 'bb'],
  ['--device-cgroup-rule', 'bad', 'bb'],
  ['--device-cgroup-rule', 'c 1:3 rwm', 'bb'],
  ['--gpus', 'all', 'bb'],
  ['--gpus', '2', 'bb'],
  ['--gpus', 'device=0', 'bb'],
  ['--gpus', '"device=0,1",capabilities=compute', 'bb'],
  ['--gpus', 'driver=nvidia,count=1', 'bb'],
  ['--gpus', 'foo=1', 'bb'],
  ['--cap-add', 'NET_ADMIN', '--cap-drop', 'all', '--privileged', '--read-only', 'bb'],
  [
    '--security-opt',
    'no-new-privileges',
    '--security-opt',
    'seccomp=unconfined',
    '--security-opt',
    'apparmor:x',
    '--security-opt',
    'label=disable',
    'bb',
  ],
  ['--security-opt', 'systempaths=unconfined', 'bb'],
  ['--security-opt', 'foo', 'bb'],
  ['--annotation', 'a=b', 'bb'],
  [
    '--pid',
    'host',
    '--ipc',
    'shareable',
    '--uts',
    'host',
    '--userns',
    'host',
    '--cgroupns',
    'private',
    'bb',
  ],
  ['--pid', 'foo', 'bb'],
  ['--pid', 'container:x', 'bb'],
  ['--uts', 'foo', 'bb'],
  ['--userns', 'foo', 'bb'],
  ['--init', '--stop-signal', 'INT', '--stop-timeout', '0', 'bb'],
  ['--init=false', 'bb'],
  ['--restart', 'always', 'bb'],
  ['--restart', 'on-failure:3', 'bb'],
  ['--restart', 'on-failure:x', 'bb'],
  ['--restart', ':3', 'bb'],
  ['--restart', 'no', '--rm', 'bb'],
  ['--restart', 'always', '--rm', 'bb'],
  ['--network', 'host', 'bb'],
  ['--network', 'none', 'bb'],
  ['--network', 'foo', 'bb'],
  ['--net', 'foo', '--net', 'bar', 'bb'],
  [
    '--network',
    'name=foo,alias=a,alias=b,ip=1.2.3.4,ip6=::1,mac-address=02:00:00:00:00:01,driver-opt=a=b,gw-priority=5,link-local-ip=169.254.1.1',
    'bb',
  ],
  [
    '--network',
    'foo',
    '--network-alias',
    'a',
    '--ip',
    '1.2.3.4',
    '--ip6',
    '::1',
    '--link-local-ip',
    '169.254.1.1',
    '--mac-address',
    '02:00:00:00:00:01',
    'bb',
  ],
  ['--network', 'foo', '--link', 'a:b', 'bb'],
  ['--link', 'a:b', 'bb'],
  ['--network', 'container:x', 'bb'],
  ['--network', 'host', '--network', 'foo', 'bb'],
  ['--network', 'foo', '--network', 'foo', 'bb'],
  ['--network', 'name=foo,foo=x', 'bb'],
  ['--network', 'name=foo,alias=a', '--network-alias', 'b', 'bb'],
  ['--mac-address', 'zz', 'bb'],
  ['--mac-address', '02:00:00:00:00:01', 'bb'],
  ['--dns', '1.1.1.1', '--dns-option', 'x', '--dns-search', '.', '--dns-search', 'a.b', 'bb'],
  ['--dns', 'foo', 'bb'],
  [
    '--add-host',
    'a:1.2.3.4',
    '--add-host',
    'b=::1',
    '--add-host',
    'c:host-gateway',
    '--add-host',
    'd:[::2]',
    'bb',
  ],
  ['--add-host', 'a', 'bb'],
  ['--add-host', 'a:foo', 'bb'],
  ['--log-driver', 'json-file', '--log-opt', 'max-size=10m', 'bb'],
  ['--log-driver', 'none', '--log-opt', 'a=b', 'bb'],
  [
    '--health-cmd',
    'x',
    '--health-interval',
    '1s',
    '--health-timeout',
    '500ms',
    '--health-retries',
    '2',
    '--health-start-period',
    '1m',
    '--health-start-interval',
    '3s',
    'bb',
  ],
  ['--no-healthcheck', 'bb'],
  ['--no-healthcheck', '--health-cmd', 'x', 'bb'],
  ['--health-interval', '-1s', 'bb'],
  ['--health-retries', '-1', 'bb'],
  [
    '--runtime',
    'runc',
    '--cgroup-parent',
    '/x',
    '--volume-driver',
    'd',
    '--group-add',
    '1',
    '--group-add',
    'audio',
    'bb',
  ],
  ['--platform', 'linux/arm64', '--name', 'foo', 'bb'],
  ['--pull', 'foo', 'bb'],
  ['--memory', 'abc', 'bb'],
  ['--kernel-memory', '1m', 'bb'],
  ['--foo', 'bb'],
  ['--rm=maybe', 'bb'],
  ['--cap-add', 'all', '--cap-add', 'net_admin', '--cap-drop', 'ALL', '--cap-drop', 'chown', 'bb'],
  ['--cap-add', 'CHOWN', '--cap-drop', 'CHOWN', '--cap-drop', 'KILL', '--cap-drop', 'kill', 'bb'],
  ['--cap-add', 'chown', '--cap-drop', 'all', 'bb'],
  ['--cap-add', 'all', '--cap-drop', 'chown', 'bb'],
  ['--cap-add', 'zz', '--cap-add', 'aa', 'bb'],
  ['--env-file', 'env.txt', '-e', 'FOO', 'bb'],
  ['--label-file', 'labels.txt', '-l', 'c', 'bb'],
  ['--security-opt', 'seccomp=sec.json', 'bb'],
  ['--security-opt', 'seccomp=missing.json', 'bb'],
  ['--env-file', 'missing.txt', 'bb'],
];

/** Fields where zero or an empty list says something. */
const tellingFields: readonly string[] = [
  'MaskedPaths',
  'ReadonlyPaths',
  'Entrypoint',
  'StopTimeout',
  'MemorySwappiness',
];

/** Without the fields that say nothing, lists that have no order sorted. */
function meaning(value: unknown, field = ''): unknown {
  if (Array.isArray(value)) {
    const items = value.map((item) => meaning(item));
    return field === 'Binds' || field === 'Ulimits' || field === 'Env'
      ? items.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
      : items;
  }
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value)
    .filter(([key, item]) => says(key, item))
    .map(([key, item]) => [key, meaning(item, key)] as const)
    .filter(([key, item]) => says(key, item));
  return Object.fromEntries(kept.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function says(field: string, value: unknown): boolean {
  if (value === null || (field === 'MemorySwappiness' && value === -1) || field === 'ConsoleSize')
    return false;
  if (field === 'RestartPolicy' && (value as { readonly Name: string }).Name === 'no') return false;
  if (tellingFields.includes(field) || /^\d+\//.test(field) || field.startsWith('/')) return true;
  if (value === '' || value === 0 || value === false) return false;
  // A network without a word about it is told by the mode.
  return typeof value !== 'object' || Object.keys(value).length > 0;
}

describe('carve create beside docker create', () => {
  let engine: FakeEngine;
  let directory: string;
  before(async () => {
    engine = await startFakeEngine({
      'POST /containers/create': () => ({
        status: 201,
        json: { Id: 'ab'.repeat(32), Warnings: [] },
      }),
    });
    directory = mkdtempSync(join(tmpdir(), 'carve-create-'));
    writeFileSync(join(directory, 'env.txt'), 'A=1\n# c\n\nNONE\nFOO\n  X=y z \nE=\n');
    writeFileSync(join(directory, 'labels.txt'), 'k=v\nbare\n');
    writeFileSync(join(directory, 'sec.json'), '{ "a": [1, 2] }');
  });
  after(async () => {
    await engine[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true });
  });

  for (const args of lines) {
    test(args.join(' '), async () => {
      const first = engine.requests.length;
      const theirs = await run([dockerPath(), '-H', engine.host, 'create', ...args], {
        cwd: directory,
        env: { FOO: 'foo', HOME: directory, DOCKER_CONFIG: directory },
      });
      const second = engine.requests.length;
      const io = testIo({ env: { FOO: 'foo', HOME: directory }, cwd: directory });
      const code = await runCli(['-H', engine.host, 'create', ...args], io);
      const [asked, wanted] = [
        engine.requests.slice(second),
        engine.requests.slice(first, second),
      ].map((requests) => requests.find(({ path }) => path === '/containers/create'));
      assert.equal(code, theirs.code, `${io.err()} / ${theirs.stderr}`);
      assert.deepEqual(meaning(asked?.json ?? {}), meaning(wanted?.json ?? {}));
      assert.deepEqual(asked?.query, wanted?.query);
    });
  }
});

/**
 * The hardening table, row by row, as seen from inside: by the container's own
 * program, by an exec and by a health check. Source: docs/decisions/0032.
 */

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { test } from 'node:test';
import type { HostConfig } from '../../src/spec/docker/container.ts';
import { openFixture } from './engine-fixture.ts';
import { askEntries, statusOf } from './entries.ts';

const NONE = '0000000000000000';
/** The fourteen of Docker. */
const DEFAULT = '00000000a80425fb';
const STATUS = 'cat /proc/self/status';

/** All that this machine lets anybody have. */
const everything = (): string =>
  statusOf(readFileSync('/proc/self/status', 'utf8'))['CapBnd'] ?? '';

test('capabilities of root: fourteen, none inheritable, none ambient, by every entry', async () => {
  await using fixture = await openFixture();
  const rows: readonly (readonly [HostConfig, string])[] = [
    [{}, DEFAULT],
    [{ CapDrop: ['ALL'] }, NONE],
    [{ CapDrop: ['ALL'], CapAdd: ['chown', 'CAP_NET_RAW'] }, '0000000000002001'],
    [{ CapDrop: ['MKNOD'] }, '00000000a00425fb'],
    [{ CapAdd: ['ALL'] }, everything()],
    [{ Privileged: true }, everything()],
  ];
  for (const [hostConfig, held] of rows) {
    const answers = await askEntries(fixture, STATUS, { hostConfig });
    for (const [entry, text] of Object.entries(answers)) {
      const own = statusOf(text);
      assert.deepEqual(
        [own['CapInh'], own['CapPrm'], own['CapEff'], own['CapBnd'], own['CapAmb']],
        [NONE, held, held, held, NONE],
        `${entry} of ${JSON.stringify(hostConfig)}`,
      );
    }
  }
});

test('capabilities of another user: none, whatever the container may have', async () => {
  await using fixture = await openFixture();
  for (const hostConfig of [{}, { CapAdd: ['ALL'] }, { Privileged: true }]) {
    const answers = await askEntries(fixture, STATUS, { config: { User: 'app' }, hostConfig });
    for (const [entry, text] of Object.entries(answers)) {
      const own = statusOf(text);
      const held = [own['CapInh'], own['CapPrm'], own['CapEff'], own['CapAmb']];
      assert.deepEqual(held, [NONE, NONE, NONE, NONE], `${entry} ${JSON.stringify(hostConfig)}`);
    }
  }
});

test('seccomp and no_new_privs, by every entry', async () => {
  await using fixture = await openFixture();
  const rows: readonly (readonly [HostConfig, string, string])[] = [
    [{}, '2', '0'],
    [{ SecurityOpt: ['no-new-privileges'] }, '2', '1'],
    [{ SecurityOpt: ['no-new-privileges=false'] }, '2', '0'],
    [{ SecurityOpt: ['seccomp=unconfined', 'no-new-privileges'] }, '0', '1'],
    [{ SecurityOpt: ['seccomp=builtin'], CapAdd: ['ALL'] }, '2', '0'],
    [{ Privileged: true }, '0', '0'],
  ];
  for (const [hostConfig, seccomp, noNewPrivileges] of rows) {
    const answers = await askEntries(fixture, STATUS, { hostConfig });
    for (const [entry, text] of Object.entries(answers)) {
      const own = statusOf(text);
      const what = `${entry} of ${JSON.stringify(hostConfig)}`;
      assert.deepEqual([own['Seccomp'], own['NoNewPrivs']], [seccomp, noNewPrivileges], what);
    }
  }
});

const MASKED = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
  '/sys/fs/selinux',
];
const READ_ONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** One line a path: `PATH empty`, `PATH null`, or what it is instead. */
const LOOK_AT_MASKS = `
for p in ${MASKED.join(' ')} /sys/devices/system/cpu/cpu*/thermal_throttle; do
  [ -e $p ] || continue
  if [ -d $p ]; then
    (mkdir $p/new) 2>/dev/null && echo "$p takes a directory"
    [ -z "$(ls -A $p)" ] && echo "$p empty" || echo "$p $(ls -A $p | head -n 1)"
  elif [ "$(stat -c %t:%T $p)" = 1:3 ]; then echo "$p null"
  else echo "$p $(head -c 20 $p)"; fi
done`;

test('hidden paths are empty, by every entry', async () => {
  await using fixture = await openFixture();
  const throttles = readdirSync('/sys/devices/system/cpu')
    .filter((name) => /^cpu\d+$/.test(name))
    .map((name) => `/sys/devices/system/cpu/${name}/thermal_throttle`);
  const expected = [...MASKED, ...throttles]
    .filter((path) => existsSync(path))
    .map((path) => `${path} ${statSync(path).isDirectory() ? 'empty' : 'null'}`);
  assert.ok(expected.length >= 3, expected.join());
  const answers = await askEntries(fixture, LOOK_AT_MASKS);
  for (const [entry, text] of Object.entries(answers))
    assert.deepEqual(text.trim().split('\n').toSorted(), expected.toSorted(), entry);
  const open = await askEntries(fixture, LOOK_AT_MASKS, {
    hostConfig: { MaskedPaths: [], ReadonlyPaths: [] },
  });
  assert.match(open.run, /^\/proc\/timer_list Timer/m);
});

test('inspect tells which paths are hidden and closed', async () => {
  await using fixture = await openFixture();
  const shown = async (hostConfig: HostConfig): Promise<HostConfig> => {
    const id = await fixture.create({ Cmd: ['true'] }, hostConfig);
    return (await fixture.engine.containers.inspect(id)).HostConfig;
  };
  const usual = await shown({});
  for (const path of MASKED) assert.ok(usual.MaskedPaths?.includes(path) === true, path);
  assert.deepEqual(usual.ReadonlyPaths, READ_ONLY);
  const own = await shown({ MaskedPaths: ['/proc/acpi'], ReadonlyPaths: [] });
  assert.deepEqual([own.MaskedPaths, own.ReadonlyPaths], [['/proc/acpi'], []]);
  assert.equal((await shown({ Privileged: true })).MaskedPaths ?? null, null);
});

test('read-only paths take no write, by every entry; they do where they are asked to', async () => {
  await using fixture = await openFixture();
  // Opened for writing only: nothing is changed where it succeeds.
  const script = `
    for p in ${READ_ONLY.join(' ')}; do
      [ -e $p ] || continue
      f=$p; [ -d $p ] && f=$(/bin/busybox find $p -type f | head -n 1)
      [ -n "$f" ] || continue
      (: >> $f) 2>/dev/null && echo "$p open" || echo "$p closed"
    done
    (: >> /proc/sys/kernel/core_pattern) 2>/dev/null && echo "core open" || echo "core closed"
    (: >> /sys/kernel/profiling) 2>/dev/null && echo "sys open" || echo "sys closed"`;
  const answers = await askEntries(fixture, script);
  for (const [entry, text] of Object.entries(answers)) {
    assert.match(text, /^core closed$/m, entry);
    assert.doesNotMatch(text, / open$/m, entry);
  }
  const { run } = await askEntries(fixture, script, { hostConfig: { Privileged: true } });
  assert.match(run, /^core open$/m);
});

test('devices are those of the list, with their modes, and no other opens', async () => {
  await using fixture = await openFixture();
  const { run } = await askEntries(
    fixture,
    `cd /dev; for d in *; do [ ! -h $d ] && { [ -c $d ] || [ -b $d ]; } && stat -c '%n %t:%T %a' $d; done
    for d in stdin stdout stderr fd core ptmx; do stat -c %N $d; done`,
  );
  assert.deepEqual(run.trim().split('\n'), [
    'full 1:7 666',
    'null 1:3 666',
    'random 1:8 666',
    'tty 5:0 666',
    'urandom 1:9 666',
    'zero 1:5 666',
    "'stdin' -> '/proc/self/fd/0'",
    "'stdout' -> '/proc/self/fd/1'",
    "'stderr' -> '/proc/self/fd/2'",
    "'fd' -> '/proc/self/fd'",
    "'core' -> '/proc/kcore'",
    "'ptmx' -> 'pts/ptmx'",
  ]);
  const answers = await askEntries(
    fixture,
    `n=0; for d in 'c 1 1' 'c 1 2' 'c 1 4' 'c 1 11' 'c 4 0' 'c 10 229' 'c 10 200' 'c 10 232' 'b 7 0' 'b 8 0' 'b 254 0'; do
      n=$((n+1)); /bin/busybox mknod /tmp/d$$.$n $d || echo "no node $d"
      (: < /tmp/d$$.$n) 2>/dev/null && echo "opened $d"
      rm -f /tmp/d$$.$n
    done; echo end`,
  );
  for (const [entry, text] of Object.entries(answers)) assert.equal(text, 'end\n', entry);
});

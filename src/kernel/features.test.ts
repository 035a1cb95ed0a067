import assert from 'node:assert/strict';
import { test } from 'node:test';
import { featuresFrom, parseKernelVersion } from './features.ts';

const FILES: Readonly<Record<string, string>> = {
  '/proc/sys/kernel/osrelease': '6.18.44-fc-v669\n',
  '/proc/sys/kernel/cap_last_cap': '40\n',
  '/proc/self/status': 'Name:\tx\nCapBnd:\t000001ffffffffff\nSeccomp:\t0\n',
  '/proc/self/uid_map': '         0          0 4294967295\n',
  '/proc/sys/fs/nr_open': '1048576\n',
  '/proc/self/limits':
    'Max open files            1024                 20000                files\n',
  '/proc/self/mountinfo': '31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n',
};
const DIRECTORIES: Readonly<Record<string, readonly string[]>> = {
  '/sys/devices/system/cpu': ['cpu0', 'cpu1', 'cpufreq', 'online'],
  '/sys/devices/system/cpu/cpu1': ['thermal_throttle', 'topology'],
};

function probe(changes: Readonly<Record<string, string>> = {}): ReturnType<typeof featuresFrom> {
  const files = { ...FILES, ...changes };
  return featuresFrom(
    (path) => files[path],
    (path) => DIRECTORIES[path] ?? [],
  );
}

test('facts are read from the kernel', () => {
  const features = probe();
  assert.deepEqual(features.kernel, { major: 6, minor: 18 });
  assert.equal(features.knownCapabilities, 0x1ffffffffffn);
  assert.equal(features.ownCapabilities, 0x1ffffffffffn);
  assert.equal(features.isRootless, false);
  assert.equal(features.apparmorProfiles, undefined);
  assert.equal(features.cgroups?.version, 2);
  assert.deepEqual(features.thermalThrottlePaths, [
    '/sys/devices/system/cpu/cpu1/thermal_throttle',
  ]);
});

test('open files are bounded by what carve can give', () => {
  assert.equal(probe().openFilesMax, 1048576);
  const status = 'CapBnd:\t000001fffeffffff\n';
  assert.equal(probe({ '/proc/self/status': status }).openFilesMax, 20000);
});

test('a user namespace and AppArmor are seen', () => {
  const features = probe({
    '/proc/self/uid_map': '0 1000 1\n1 100000 65536\n',
    '/sys/module/apparmor/parameters/enabled': 'Y\n',
    '/sys/kernel/security/apparmor/profiles': 'carve-default (enforce)\n/usr/bin/man (complain)\n',
  });
  assert.equal(features.isRootless, true);
  assert.deepEqual([...(features.apparmorProfiles ?? [])], ['carve-default', '/usr/bin/man']);
});

test('an old kernel is refused', () => {
  assert.throws(
    () => probe({ '/proc/sys/kernel/osrelease': '5.10.0-1-amd64' }),
    /needs Linux 5\.11/,
  );
  assert.deepEqual(parseKernelVersion('5.11.0'), { major: 5, minor: 11 });
  assert.throws(() => parseKernelVersion('unknown'), /version/);
});

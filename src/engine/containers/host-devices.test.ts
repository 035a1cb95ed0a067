import assert from 'node:assert/strict';
import { lstatSync } from 'node:fs';
import { test } from 'node:test';
import { allHostDevices, devicesOf } from './host-devices.ts';

test('the devices of a privileged container are nodes, never what a link of /dev leads to', () => {
  const paths = allHostDevices().map(({ path }) => path);
  assert.deepEqual(
    paths.filter((path) => lstatSync(path).isSymbolicLink()),
    [],
  );
  assert.equal(paths.includes('/dev/null'), true);
  assert.deepEqual(
    paths.filter((path) => /^\/dev\/(?:stdin|stdout|stderr|fd)/.test(path)),
    [],
  );
});

test('a device that a request names is found with its numbers', () => {
  const [device] = devicesOf([{ PathOnHost: '/dev/zero' }]).get('/dev/zero') ?? [];
  assert.deepEqual([device?.type, device?.major, device?.minor], ['c', 1, 5]);
  assert.throws(() => devicesOf([{ PathOnHost: '/dev/nothing-here' }]), {
    kind: 'invalid',
    message:
      'error gathering device information while adding custom device "/dev/nothing-here": no such device',
  });
});

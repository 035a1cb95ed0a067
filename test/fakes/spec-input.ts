/** A plain container for tests of the conversion; every field can be changed. */

import { hostPath } from '../../src/base/host-path.ts';
import { parseContainerId } from '../../src/base/id.ts';
import { CAPABILITIES } from '../../src/kernel/plan/flags.ts';
import type { SpecHost, SpecInput } from '../../src/engine/containers/spec/input.ts';

/** A machine with everything. */
export const TEST_HOST: SpecHost = {
  machine: 'x86_64',
  kernel: { major: 6, minor: 18 },
  cgroupVersion: 2,
  capabilities: CAPABILITIES,
  openFilesMax: 1_048_576,
  hasAppArmor: false,
  thermalThrottlePaths: [],
  devices: [
    { path: '/dev/null', type: 'c', major: 1, minor: 3, mode: 0o666, uid: 0, gid: 0 },
    { path: '/dev/fuse', type: 'c', major: 10, minor: 229, mode: 0o666, uid: 0, gid: 0 },
    { path: '/dev/vda', type: 'b', major: 254, minor: 0, mode: 0o660, uid: 0, gid: 6 },
  ],
};

/** `run busybox sh` with these changes. */
export function testInput(changes: Partial<SpecInput> = {}): SpecInput {
  return {
    id: parseContainerId('0123456789abcdef'.repeat(4)),
    engineId: 'e0',
    config: {},
    hostConfig: { NetworkMode: 'none' },
    args: ['sh'],
    hostname: '0123456789ab',
    user: { uid: 0, gid: 0, additionalGids: [0], home: '/root' },
    mounts: [],
    files: [
      { source: hostPath('/var/lib/carve/c/hosts'), destination: '/etc/hosts' },
      { source: hostPath('/var/lib/carve/c/hostname'), destination: '/etc/hostname' },
      { source: hostPath('/var/lib/carve/c/resolv.conf'), destination: '/etc/resolv.conf' },
    ],
    devices: new Map(),
    blockDevices: new Map(),
    joined: [],
    host: TEST_HOST,
    ...changes,
  };
}

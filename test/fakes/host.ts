/** A machine for tests: facts that do not depend on where they run. */

import { builtinSeccompMaker } from '../../src/engine/containers/builtin-seccomp.ts';
import type { HostFacts } from '../../src/engine/host.ts';

/** Two CPUs, 4 GiB, cgroup version 2. */
export const testHost: HostFacts = {
  hostName: 'testhost',
  kernelVersion: '6.12.0',
  machine: 'x86_64',
  platform: { os: 'linux', architecture: 'amd64' },
  operatingSystem: 'Test Linux',
  osVersion: '1',
  ephemeralPorts: () => [32_768, 60_999],
  cpuCount: 2,
  memoryBytes: 4 * 1024 ** 3,
  cgroupVersion: 2,
  hasIpv6: true,
  specHost: () => ({
    machine: 'x86_64',
    kernel: { major: 6, minor: 12 },
    cgroupVersion: 2,
    capabilities: ['CAP_CHOWN', 'CAP_KILL', 'CAP_NET_ADMIN', 'CAP_SYS_ADMIN'],
    hasAppArmor: false,
    thermalThrottlePaths: [],
    devices: [],
    openFilesMax: 1_048_576,
    builtinSeccomp: builtinSeccompMaker('x86_64'),
  }),
  readResolvConf: () => 'nameserver 127.0.0.53\nnameserver 192.0.2.1\nsearch example.org\n',
  readHosts: () => '127.0.0.1 localhost\n',
};

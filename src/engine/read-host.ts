/** Reads the facts of this machine that the engine keeps. Source: os-release(5), uname(2). */

import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, hostname, machine, release, totalmem } from 'node:os';
import type { KernelFeatures } from '../kernel/features.ts';
import type { Machine } from '../kernel/bpf/syscalls.ts';
import { CAPABILITIES } from '../kernel/plan/flags.ts';
import { EngineError } from '../base/error.ts';
import { hostPlatform } from '../spec/platform.ts';
import { builtinSeccompMaker } from './containers/builtin-seccomp.ts';
import { allHostDevices } from './containers/host-devices.ts';
import type { HostFacts } from './host.ts';

/** Profile that containers get where AppArmor is on. */
const APPARMOR_PROFILE = 'carve-default';

/** The host's own resolvers when /etc/resolv.conf only names the stub of systemd-resolved. */
const RESOLVED_CONF = '/run/systemd/resolve/resolv.conf';

/** The machine carve can run on. Errors: `unsupported`. */
export function hostMachine(): Machine {
  const name = machine();
  if (name === 'x86_64' || name === 'aarch64') return name;
  throw new EngineError(
    'unsupported',
    `carve does not run on ${name}: it knows x86_64 and aarch64`,
  );
}

/** Facts of this machine. */
export function readHost(features: KernelFeatures): HostFacts {
  const osRelease = parseOsRelease(firstText('/etc/os-release', '/usr/lib/os-release'));
  const cgroupVersion = features.cgroups?.version ?? 2;
  const base = {
    machine: hostMachine(),
    kernel: features.kernel,
    cgroupVersion,
    capabilities: CAPABILITIES.filter(
      (_, bit) => (features.ownCapabilities & (1n << BigInt(bit))) !== 0n,
    ),
    openFilesMax: features.openFilesMax,
    hasAppArmor: features.apparmorProfiles?.has(APPARMOR_PROFILE) ?? false,
    thermalThrottlePaths: features.thermalThrottlePaths,
    devices: [],
    builtinSeccomp: builtinSeccompMaker(hostMachine()),
  };
  return {
    hostName: hostname(),
    kernelVersion: release(),
    machine: machine(),
    platform: hostPlatform(process.arch),
    operatingSystem: osRelease.get('PRETTY_NAME') ?? 'Linux',
    osVersion: osRelease.get('VERSION_ID') ?? '',
    cpuCount: availableParallelism(),
    memoryBytes: totalmem(),
    cgroupVersion,
    hasIpv6: existsSync('/proc/net/if_inet6'),
    specHost: ({ withDevices }) => (withDevices ? { ...base, devices: allHostDevices() } : base),
    readResolvConf,
    readHosts: () => readText('/etc/hosts'),
    ephemeralPorts,
  };
}

/** Source: Documentation/networking/ip-sysctl.rst, ip_local_port_range. */
function ephemeralPorts(): readonly [number, number] {
  const [first, last] = readText('/proc/sys/net/ipv4/ip_local_port_range').split(/\s+/).map(Number);
  return first === undefined || last === undefined || !(first <= last)
    ? [32_768, 60_999]
    : [first, last];
}

function readResolvConf(): string {
  const text = readText('/etc/resolv.conf');
  const servers = text.match(/^\s*nameserver\s+\S+/gm) ?? [];
  const isStub = servers.length > 0 && servers.every((line) => line.endsWith('127.0.0.53'));
  return isStub ? firstText(RESOLVED_CONF, '/etc/resolv.conf') : text;
}

/** Of the first that is there and not empty. */
function firstText(...paths: readonly string[]): string {
  return paths.map(readText).find((text) => text !== '') ?? '';
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function parseOsRelease(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^([A-Z_]+)=(["']?)(.*)\2$/.exec(line.trim());
    if (match !== null) values.set(match[1] ?? '', match[3] ?? '');
  }
  return values;
}

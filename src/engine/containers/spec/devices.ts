/**
 * Device nodes of a container and the rules on their use, pure.
 *
 * Source: Engine API `DeviceMapping`, `HostConfig.DeviceCgroupRules`,
 * `Privileged`; security matrix R18.
 */

import { EngineError } from '../../../base/error.ts';
import { ALLOW_ALL, DEFAULT_DEVICE_RULES } from '../../../kernel/cgroup/devices.ts';
import type { DeviceMapping, HostConfig } from '../../../spec/docker/container.ts';
import type { LinuxDeviceRule } from '../../../spec/oci/resources.ts';
import type { LinuxDevice } from '../../../spec/oci/runtime.ts';
import type { HostDevice } from './input.ts';

/** Nodes and rules. */
export interface ContainerDevices {
  /** Besides those that every container has. */
  readonly nodes: readonly LinuxDevice[];
  readonly rules: readonly LinuxDeviceRule[];
}

/** Errors: `invalid`. `found`: nodes by `PathOnHost`. `all`: every node of the host. */
export function containerDevices(
  hostConfig: HostConfig,
  found: ReadonlyMap<string, readonly HostDevice[]>,
  all: readonly HostDevice[],
): ContainerDevices {
  const mapped = (hostConfig.Devices ?? []).map((mapping) => mapDevice(mapping, found));
  const nodes = mapped.flatMap((each) => each.nodes);
  if (hostConfig.Privileged === true) {
    const taken = new Set(nodes.map(({ path }) => path));
    const others = all
      .filter(({ path }) => !taken.has(path))
      .map((device) => toNode(device, device.path));
    return { nodes: [...others, ...nodes], rules: [ALLOW_ALL] };
  }
  const rules = [
    ...mapped.flatMap((each) => each.rules),
    ...(hostConfig.DeviceCgroupRules ?? []).map(parseDeviceRule),
  ];
  // The very list, so that it is recognised as the engine's own.
  return {
    nodes,
    rules: rules.length === 0 ? DEFAULT_DEVICE_RULES : [...DEFAULT_DEVICE_RULES, ...rules],
  };
}

function mapDevice(
  mapping: DeviceMapping,
  found: ReadonlyMap<string, readonly HostDevice[]>,
): ContainerDevices {
  const { PathOnHost: source = '', PathInContainer: target = '', CgroupPermissions = '' } = mapping;
  const access = CgroupPermissions === '' ? 'rwm' : CgroupPermissions;
  if (!/^[rwm]{1,3}$/.test(access) || new Set(access).size !== access.length) {
    throw new EngineError(
      'invalid',
      `invalid device permissions ${JSON.stringify(access)}: letters of rwm`,
    );
  }
  const devices = found.get(source) ?? [];
  const root = checkTarget(target === '' ? source : target);
  if (devices.length === 0) {
    throw new EngineError('invalid', `${JSON.stringify(source)} is not a device of the host`);
  }
  return {
    nodes: devices.map((device) => toNode(device, root + device.path.slice(source.length))),
    rules: devices.map(({ type, major, minor }) => ({ allow: true, type, major, minor, access })),
  };
}

function checkTarget(path: string): string {
  const isSound =
    path.startsWith('/') && !path.includes('\0') && !/(?:^|\/)\.{1,2}(?:\/|$)/.test(path);
  if (isSound && path.length < 4000 && path !== '/') return path.replaceAll(/\/{2,}/g, '/');
  throw new EngineError(
    'invalid',
    `invalid device path in the container: ${JSON.stringify(path.slice(0, 80))}`,
  );
}

function toNode(device: HostDevice, path: string): LinuxDevice {
  const { type, major, minor, mode, uid, gid } = device;
  return { type, path, major, minor, fileMode: mode & 0o777, uid, gid };
}

/** `c 1:3 rwm`, `b *:* r`, `a *:* rwm`. Errors: `invalid`. */
export function parseDeviceRule(text: string): LinuxDeviceRule {
  const match = /^([abc]) (\d{1,10}|\*):(\d{1,10}|\*) ([rwm]{1,3})$/.exec(text);
  if (match === null) {
    throw new EngineError(
      'invalid',
      `invalid device cgroup rule format: ${JSON.stringify(text.slice(0, 80))}`,
    );
  }
  const [, type, major = '*', minor = '*', access = 'rwm'] = match;
  return {
    allow: true,
    type: type === 'b' ? 'b' : type === 'c' ? 'c' : 'a',
    ...(major === '*' ? {} : { major: Number(major) }),
    ...(minor === '*' ? {} : { minor: Number(minor) }),
    access,
  };
}

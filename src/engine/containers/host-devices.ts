/**
 * Devices of the host that a request names, looked up.
 *
 * **Invariant:** what is handed on is a character or block device; a link is
 * followed only where a request names it, and what it leads to is checked. Links
 * inside a directory are no devices: `/dev/stdin` leads to whatever the engine
 * itself reads. Source: security matrix R18.
 */

import { readdirSync, type Stats, statSync } from 'node:fs';
import { normalize } from 'node:path';
import { EngineError } from '../../base/error.ts';
import type { DeviceMapping, HostConfig } from '../../spec/docker/container.ts';
import type { HostDevice } from './spec/input.ts';

/** Directories below a device directory that are followed. */
const DEPTH_MAX = 4;

/** Nodes by `PathOnHost`: one, or those below a directory. Errors: `invalid` when there is none. */
export function devicesOf(
  mappings: readonly DeviceMapping[],
): ReadonlyMap<string, readonly HostDevice[]> {
  const found = new Map<string, readonly HostDevice[]>();
  for (const { PathOnHost: path = '' } of mappings) {
    const devices = normalize(path).startsWith('/dev/') ? devicesBelow(path, 0) : [];
    if (devices.length === 0) {
      throw new EngineError(
        'invalid',
        `error gathering device information while adding custom device ${JSON.stringify(path)}: no such device`,
      );
    }
    found.set(path, devices);
  }
  return found;
}

/** Block devices of I/O weights and limits. Errors: `invalid`. */
export function blockDevicesOf(hostConfig: HostConfig): ReadonlyMap<string, HostDevice> {
  const entries = [
    ...(hostConfig.BlkioWeightDevice ?? []),
    ...(hostConfig.BlkioDeviceReadBps ?? []),
    ...(hostConfig.BlkioDeviceWriteBps ?? []),
    ...(hostConfig.BlkioDeviceReadIOps ?? []),
    ...(hostConfig.BlkioDeviceWriteIOps ?? []),
  ];
  const found = new Map<string, HostDevice>();
  for (const { Path: path = '' } of entries) {
    const device = path.startsWith('/') ? deviceAt(path) : undefined;
    if (device?.type !== 'b')
      throw new EngineError('invalid', `${JSON.stringify(path)} is not a block device`);
    found.set(path, device);
  }
  return found;
}

/** All nodes of the host's /dev, for `--privileged`; without its pseudo file systems. */
export function allHostDevices(): readonly HostDevice[] {
  const skipped = new Set([
    'pts',
    'shm',
    'fd',
    'mqueue',
    'hugepages',
    '.lxc',
    '.lxd-mounts',
    '.udev',
    'console',
  ]);
  return namesIn('/dev')
    .filter((name) => !skipped.has(name))
    .flatMap((name) => devicesBelow(`/dev/${name}`, 1));
}

/** `undefined` when there is nothing, or no way to it. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    return undefined;
  }
}

function devicesBelow(path: string, depth: number): readonly HostDevice[] {
  const stat = statOf(path);
  if (stat === undefined) return [];
  if (!stat.isDirectory()) {
    const device = deviceAt(path);
    return device === undefined ? [] : [device];
  }
  if (depth >= DEPTH_MAX) return [];
  return namesIn(path).flatMap((name) => devicesBelow(`${path}/${name}`, depth + 1));
}

/** Everything but links. */
function namesIn(path: string): readonly string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => !entry.isSymbolicLink())
    .map(({ name }) => name);
}

function deviceAt(path: string): HostDevice | undefined {
  const stat = statOf(path);
  if (stat === undefined || !(stat.isCharacterDevice() || stat.isBlockDevice())) return undefined;
  return {
    path,
    type: stat.isBlockDevice() ? 'b' : 'c',
    ...splitDevice(stat.rdev),
    mode: stat.mode & 0o7777,
    uid: stat.uid,
    gid: stat.gid,
  };
}

/** Source: glibc `gnu_dev_major`, `gnu_dev_minor`; the number fits 2^53 for real devices. */
function splitDevice(rdev: number): { readonly major: number; readonly minor: number } {
  const low = rdev % 2 ** 32;
  const high = Math.floor(rdev / 2 ** 32);
  return {
    major: ((low >>> 8) & 0xfff) + (high & ~0xfff),
    minor: (low & 0xff) + ((low >>> 12) & 0xfff00),
  };
}

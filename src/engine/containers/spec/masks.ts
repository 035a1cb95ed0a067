/**
 * Paths of /proc and /sys that a container does not see, or cannot write:
 * what tells about the host or changes it. The union of Docker's and Podman's
 * lists.
 *
 * Source: security facts 2c.
 */

import type { HostConfig } from '../../../spec/docker/container.ts';
import type { SpecHost } from './input.ts';

const MASKED: readonly string[] = [
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
const READONLY: readonly string[] = [
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
];

/** Both lists. */
export interface SystemPaths {
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
}

/** A list of the request replaces the default; an empty one is empty. */
export function systemPaths(hostConfig: HostConfig, host: SpecHost, isOpen: boolean): SystemPaths {
  if (isOpen) return { maskedPaths: [], readonlyPaths: [] };
  return {
    maskedPaths: hostConfig.MaskedPaths ?? [...MASKED, ...host.thermalThrottlePaths],
    readonlyPaths: hostConfig.ReadonlyPaths ?? READONLY,
  };
}

/**
 * The list of devices that a container may use, and its form in version 1.
 * (Version 2 takes a program, see `bpf/device-program.ts`.)
 *
 * Source: Linux cgroup-v1/devices.rst; the list is Docker's with runc's additions.
 */

import type { LinuxDeviceRule } from '../../spec/oci/resources.ts';
import type { CgroupWrite } from './limits.ts';

/** Nothing is allowed but what later rules say. */
export const DENY_ALL: LinuxDeviceRule = { allow: false, access: 'rwm' };
/** Everything. */
export const ALLOW_ALL: LinuxDeviceRule = { allow: true, access: 'rwm' };

/**
 * What every container may use: null, zero, full, random, urandom, tty,
 * console, ptmx and terminals, and making nodes of any device (using them is
 * another right).
 */
export const DEFAULT_DEVICE_RULES: readonly LinuxDeviceRule[] = [
  DENY_ALL,
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
  { allow: true, type: 'c', major: 1, minor: 3, access: 'rwm' },
  { allow: true, type: 'c', major: 1, minor: 5, access: 'rwm' },
  { allow: true, type: 'c', major: 1, minor: 7, access: 'rwm' },
  { allow: true, type: 'c', major: 1, minor: 8, access: 'rwm' },
  { allow: true, type: 'c', major: 1, minor: 9, access: 'rwm' },
  { allow: true, type: 'c', major: 5, minor: 0, access: 'rwm' },
  { allow: true, type: 'c', major: 5, minor: 1, access: 'rwm' },
  { allow: true, type: 'c', major: 5, minor: 2, access: 'rwm' },
  { allow: true, type: 'c', major: 136, access: 'rwm' },
];

/** Writes for version 1, in order. */
export function deviceWritesV1(rules: readonly LinuxDeviceRule[]): readonly CgroupWrite[] {
  return rules.map((rule) => ({
    controller: 'devices',
    file: rule.allow ? 'devices.allow' : 'devices.deny',
    value: ruleText(rule),
    isOptional: false,
  }));
}

/** `c 1:3 rwm`, `c 136:* rw`, or `a` for everything. */
function ruleText({ type = 'a', major, minor, access = 'rwm' }: LinuxDeviceRule): string {
  if (type === 'a' && !isNumber(major) && !isNumber(minor)) return 'a';
  return `${type} ${isNumber(major) ? major : '*'}:${isNumber(minor) ? minor : '*'} ${access}`;
}

/** Absent and negative numbers mean any. */
function isNumber(value: number | undefined): value is number {
  return value !== undefined && value >= 0;
}

/**
 * The list of devices that a container may use, and its form in version 1.
 * (Version 2 takes a program, see `bpf/device-program.ts`.)
 *
 * Source: Linux cgroup-v1/devices.rst; the list is Docker's with runc's additions.
 */

import type { LinuxDeviceRule } from '../../spec/oci/resources.ts';
import { accessBits, ALL_RIGHTS } from '../bpf/device-program.ts';
import type { CgroupWrite } from './write.ts';

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
  return rules.flatMap((rule) =>
    ruleTexts(rule).map((value) => ({
      controller: 'devices',
      file: rule.allow ? 'devices.allow' : 'devices.deny',
      value,
      isOptional: false,
    })),
  );
}

/** `c 1:3 rwm`, `c 136:* rw`; `a` is everything, so other rules on all types are two. */
function ruleTexts({
  type = 'a',
  major,
  minor,
  access = 'rwm',
}: LinuxDeviceRule): readonly string[] {
  const isWhole = !isNumber(major) && !isNumber(minor) && accessBits(access) === ALL_RIGHTS;
  if (type === 'a' && isWhole) return ['a'];
  const device = `${isNumber(major) ? major : '*'}:${isNumber(minor) ? minor : '*'} ${access}`;
  return type === 'a' ? [`c ${device}`, `b ${device}`] : [`${type} ${device}`];
}

/** Absent and negative numbers mean any. */
function isNumber(value: number | undefined): value is number {
  return value !== undefined && value >= 0;
}

/** True when these are the rules that the engine's own group has. */
export function isDefaultDeviceRules(rules: readonly LinuxDeviceRule[]): boolean {
  return (
    rules === DEFAULT_DEVICE_RULES ||
    (rules.length === DEFAULT_DEVICE_RULES.length &&
      rules.every((rule, index) => isSameRule(rule, DEFAULT_DEVICE_RULES[index])))
  );
}

function isSameRule(a: LinuxDeviceRule, b: LinuxDeviceRule | undefined): boolean {
  return (
    a.allow === b?.allow &&
    a.type === b.type &&
    a.major === b.major &&
    a.minor === b.minor &&
    a.access === b.access
  );
}

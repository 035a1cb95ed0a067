/**
 * Resource limits → writes to control group files, in the order in which the
 * kernel takes them.
 *
 * Source: OCI runtime-spec 1.3 config-linux.md "Control groups"; Linux
 * cgroup-v2.rst, cgroup-v1/*.rst.
 */

import type { LinuxResources } from '../../spec/oci/resources.ts';
import { limitWritesV1 } from './limits-v1.ts';
import { limitWritesV2 } from './limits-v2.ts';
import type { CgroupWrite } from './write.ts';

/**
 * Writes that set `resources` in a group. Devices are not among them.
 * `currentMemoryBytes`: the limit of a group in use (version 1 takes the two
 * memory limits in an order that depends on it); absent for a fresh one.
 * Errors: `invalid`, `unsupported`.
 */
export function limitWrites(
  version: 1 | 2,
  resources: LinuxResources,
  currentMemoryBytes?: bigint,
): readonly CgroupWrite[] {
  if (version === 2) return limitWritesV2(resources);
  return limitWritesV1(resources, currentMemoryBytes);
}

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

/** One write to a file of a group. */
export interface CgroupWrite {
  /** Controller whose tree has the file (version 1); empty in version 2. */
  readonly controller: string;
  /** File name. */
  readonly file: string;
  readonly value: string;
  /** The file may be missing (kernel without that feature): then the limit has no effect. */
  readonly isOptional: boolean;
}

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

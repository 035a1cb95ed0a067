/** What the planners must know of this machine. Source: proc(5), capabilities(7). */

import { readFileSync } from 'node:fs';
import { EngineError } from '../base/error.ts';
import type { CgroupLayout } from '../kernel/cgroup/layout.ts';
import type { KernelFeatures } from '../kernel/features.ts';
import { parseMountInfo, parseStartTicks } from '../kernel/procfs.ts';
import type { PlanFeatures } from './plan/input.ts';
import type { ProcessIdentity } from './runtime.ts';

/** Control groups of this machine. Errors: `unsupported` without any. */
export function layoutOf(features: KernelFeatures): CgroupLayout {
  if (features.cgroups !== undefined) return features.cgroups;
  throw new EngineError('unsupported', 'Cannot start the engine: no control groups are mounted', {
    hint: 'Mount cgroup2 on /sys/fs/cgroup',
  });
}

/** Facts of kernel and daemon. */
export function planFeatures(features: KernelFeatures): PlanFeatures {
  return {
    knownCapabilities: features.knownCapabilities,
    ownCapabilities: features.ownCapabilities,
    isRootless: features.isRootless,
    hostMounts: identify(process.pid),
    hidesMounts: hidesMounts(readFileSync('/proc/self/mountinfo', 'utf8')),
  };
}

/** Whether what is mounted on `/` from now on stays out of namespaces that were copied before. Pure. */
export function hidesMounts(mountInfo: string): boolean {
  const root = parseMountInfo(mountInfo).findLast(({ mountPoint }) => mountPoint === '/');
  return root !== undefined && !root.optional.some((field) => field.startsWith('shared:'));
}

/** A process that runs now; `undefined` when there is none of this pid. */
export function identify(pid: number): ProcessIdentity | undefined {
  try {
    const startTicks = parseStartTicks(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    return startTicks === undefined ? undefined : { pid, startTicks };
  } catch {
    return undefined;
  }
}

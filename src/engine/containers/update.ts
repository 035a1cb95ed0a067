/** `update`: limits and restart policy of a container. Source: Engine API `POST /containers/{id}/update`; engine-api facts 13. */

import { EngineError } from '../../base/error.ts';
import type { HostConfig, Resources, RestartPolicy } from '../../spec/docker/container.ts';
import type { LinuxResources } from '../../spec/oci/resources.ts';
import type { EngineParts } from '../parts.ts';
import { announce } from './announce.ts';
import { blockDevicesOf } from './host-devices.ts';
import { checkRestartPolicy } from './restart-policy.ts';
import { checkResources } from './check-resources.ts';
import { containerResources } from './spec/resources.ts';

/** What to change; absent, 0 and empty fields stay. */
export type UpdateRequest = Resources & { readonly RestartPolicy?: RestartPolicy | null };

/** Errors: `invalid`; `conflict` when it is being removed or the values do not fit what is set. Returns warnings. */
export async function updateContainer(
  parts: EngineParts,
  ref: string,
  request: UpdateRequest,
): Promise<readonly string[]> {
  const container = parts.containers.get(ref);
  return container.lock.run(async () => {
    if (container.isRemoving) {
      throw new EngineError(
        'conflict',
        `Cannot update container ${ref}: container is marked for removal and cannot be "update"`,
      );
    }
    const changes = givenFields(request);
    const hostConfig = mergeChanges(container.record.hostConfig, changes, request.RestartPolicy);
    checkRestartPolicy(hostConfig.RestartPolicy ?? {}, hostConfig.AutoRemove ?? false);
    const warnings = checkResources(hostConfig, parts.host);
    if (container.live !== undefined && Object.keys(changes).length > 0) {
      await container.live.runtime.update(toLimits(parts, { changes, hostConfig }));
    }
    parts.failpoints.hit('update.applied');
    container.saveRequest({ ...container.record, hostConfig });
    announce(parts, container, 'update');
    return warnings;
  });
}

/** Resource fields that say something. */
function givenFields(request: UpdateRequest): Resources {
  const { RestartPolicy: _policy, ...resources } = request;
  return Object.fromEntries(Object.entries(resources).filter(([, value]) => !isUnset(value)));
}

function isUnset(value: unknown): boolean {
  if (value === undefined || value === null || value === 0 || value === '' || value === false)
    return true;
  return Array.isArray(value) && value.length === 0;
}

/** Errors: `conflict` in Docker's words. */
function mergeChanges(
  hostConfig: HostConfig,
  changes: Resources,
  policy: RestartPolicy | null | undefined,
): HostConfig {
  for (const [isBroken, text] of conflictsOf(hostConfig, changes)) {
    if (isBroken) throw new EngineError('conflict', text);
  }
  const name = policy?.Name ?? '';
  return {
    ...hostConfig,
    ...changes,
    ...(name === '' ? {} : { RestartPolicy: { MaximumRetryCount: 0, ...policy } }),
  };
}

function conflictsOf(
  hostConfig: HostConfig,
  changes: Resources,
): readonly (readonly [boolean, string])[] {
  const isSet = (value: number | undefined): boolean => value !== undefined && value > 0;
  const hasQuota = ({ CpuPeriod, CpuQuota }: Resources): boolean =>
    isSet(CpuPeriod) || isSet(CpuQuota);
  const { Memory: memory = 0, MemorySwap: newSwap } = changes;
  const { MemorySwap: oldSwap = 0 } = hostConfig;
  return [
    [
      isSet(changes.NanoCpus) && hasQuota(hostConfig),
      'Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set',
    ],
    [
      hasQuota(changes) && isSet(hostConfig.NanoCpus),
      'Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set',
    ],
    [
      newSwap === undefined && oldSwap > 0 && memory > oldSwap,
      'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time',
    ],
  ];
}

/** Only what changes, with the partner that a value cannot be set without. */
function toLimits(
  parts: EngineParts,
  what: { readonly changes: Resources; readonly hostConfig: HostConfig },
): LinuxResources {
  const { changes, hostConfig } = what;
  const partners: Resources = {
    ...(changes.MemorySwap === undefined ? {} : { Memory: hostConfig.Memory ?? 0 }),
    ...(changes.Memory === undefined ? {} : { MemorySwap: hostConfig.MemorySwap ?? 0 }),
    ...(changes.CpuQuota === undefined ? {} : { CpuPeriod: hostConfig.CpuPeriod ?? 0 }),
    ...(changes.CpuPeriod === undefined ? {} : { CpuQuota: hostConfig.CpuQuota ?? 0 }),
  };
  const { pids, ...limits } = containerResources(
    { ...partners, ...changes },
    { blockDevices: blockDevicesOf(changes), cgroupVersion: parts.host.cgroupVersion },
  );
  return {
    ...limits,
    // Unlimited is the kernel's default at a start, and must be said later.
    ...(changes.MemorySwap === -1 ? { memory: { ...limits.memory, swap: -1 } } : {}),
    ...(changes.PidsLimit === undefined || pids === undefined ? {} : { pids }),
  };
}

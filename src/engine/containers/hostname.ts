/** The name a container has on its network, and in its prompt. Source: engine-api facts 8. */

import type { EngineParts } from '../parts.ts';
import type { ContainerRecord } from './record.ts';
import { referredContainer } from './resolve-references.ts';

/**
 * Host name of a container, that of its UTS namespace's owner where it joined another's; empty in the
 * host's.
 * Whoever is on another's network, the host's included, goes by the name that
 * is known there; its UTS namespace is its own all the same, so the name must
 * be set or it would be the host's by accident.
 */
export function hostnameOf(
  parts: Pick<EngineParts, 'containers' | 'host'>,
  record: ContainerRecord,
): string {
  const { Hostname: name = '' } = record.config;
  if (name !== '') return name;
  const { UTSMode, NetworkMode } = record.hostConfig;
  if (UTSMode === 'host') return '';
  const joined = referredContainer(UTSMode);
  if (joined !== undefined) {
    const other = parts.containers.find(joined);
    return other === undefined ? '' : hostnameOf(parts, other.record);
  }
  if (NetworkMode === 'host') return parts.host.hostName;
  const owner = referredContainer(NetworkMode);
  const shared = owner === undefined ? undefined : parts.containers.find(owner);
  if (shared === undefined) return record.id.slice(0, 12);
  const sharedName = hostnameOf(parts, shared.record);
  return sharedName === '' ? parts.host.hostName : sharedName;
}

/** The name a container has on its network, and in its prompt. Source: engine-api facts 8. */

import type { ContainerRecord } from './record.ts';

/** Host name of a container; empty when it has another's or the host's. */
export function hostnameOf(record: ContainerRecord): string {
  const { Hostname: name = '' } = record.config;
  if (name !== '') return name;
  const { UTSMode, NetworkMode = '' } = record.hostConfig;
  if (UTSMode === 'host' || NetworkMode.startsWith('container:')) return '';
  return record.id.slice(0, 12);
}

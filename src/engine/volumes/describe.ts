/** Docker's `Volume` of a record, pure. Source: Engine API `Volume`. */

import type { Volume } from '../../spec/docker/system.ts';
import { formatTimeNs } from '../../spec/time.ts';
import type { VolumeRecord } from '../../volumes/store.ts';

const NS_PER_S = 1_000_000_000n;

/** Without usage data. */
export function describeVolume(volume: VolumeRecord): Volume {
  return {
    CreatedAt: formatTimeNs((volume.createdAtNs / NS_PER_S) * NS_PER_S),
    Driver: volume.driver,
    Labels: orNull(volume.labels),
    Mountpoint: volume.mountpoint,
    Name: volume.name,
    Options: orNull(volume.driverOptions),
    Scope: 'local',
    ...(volume.isReadonly === true ? { Status: { ReadOnly: true } } : {}),
  };
}

/** Docker shows what nobody gave as `null`. */
function orNull(map: Readonly<Record<string, string>>): Readonly<Record<string, string>> | null {
  return Object.keys(map).length === 0 ? null : map;
}

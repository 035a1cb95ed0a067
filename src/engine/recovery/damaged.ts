/**
 * A stand-in for a container whose row cannot be read: it is listed as dead and
 * can be removed, and no other container suffers.
 */

import { isContainerId } from '../../base/id.ts';
import { CREATED } from '../containers/life.ts';
import { DEFAULT_SEGMENT_BYTES, DEFAULT_SEGMENTS } from '../containers/log-settings.ts';
import type { ContainerRecord } from '../containers/record.ts';

/** `undefined` when not even its id is sound. */
export function damagedRecord(row: {
  readonly id: string;
  readonly name: string;
  readonly damage: string;
}): ContainerRecord | undefined {
  if (!isContainerId(row.id)) return undefined;
  return {
    id: row.id,
    name: row.name,
    createdAtNs: 0n,
    imageId: '',
    config: { Image: '', Cmd: ['?'], Labels: {} },
    hostConfig: { NetworkMode: 'none', RestartPolicy: { Name: 'no', MaximumRetryCount: 0 } },
    endpoints: {},
    mounts: [],
    log: { kind: 'none', segmentBytes: DEFAULT_SEGMENT_BYTES, segments: DEFAULT_SEGMENTS },
    state: { ...CREATED, phase: 'dead', error: `its record is damaged: ${row.damage}` },
  };
}

/**
 * The containers that the database knows, with those rolled back that a crash
 * left half-made.
 */

import { messageOf } from '../../base/error.ts';
import { Attachments } from '../containers/attachments.ts';
import { Container } from '../containers/container.ts';
import type { ContainerRecord } from '../containers/record.ts';
import type { EngineParts } from '../parts.ts';
import type { LoadedContainer } from '../state/container-table.ts';
import { damagedRecord } from './damaged.ts';

/** Fill the registry from the database. */
export function loadContainers(parts: EngineParts): void {
  for (const row of parts.table.load()) {
    const record = recordOf(parts, row);
    if (record === undefined) continue;
    const attachments = new Attachments(parts.log);
    const container = new Container({ table: parts.table, seq: row.seq, record, attachments });
    parts.containers.reserve(record.name, record.id);
    parts.containers.add(container);
  }
}

function recordOf(parts: EngineParts, row: LoadedContainer): ContainerRecord | undefined {
  if ('damage' in row) {
    parts.log.error('a container record is damaged', {
      id: row.id,
      name: row.name,
      damage: row.damage,
    });
    return damagedRecord(row);
  }
  const { record } = row;
  if (parts.snapshots.findSnapshot(record.id) !== undefined) return record;
  parts.log.error('the files of a container are gone', { id: record.id, name: record.name });
  // One that never ran has lost nothing.
  if (record.state.phase === 'created' && record.state.startedAtNs === 0n) {
    parts.table.delete(row.seq);
    return undefined;
  }
  return {
    ...record,
    state: { ...record.state, phase: 'dead', process: undefined, error: 'its files are gone' },
  };
}

/** Run `step` for each, at most `limit` at a time; one that fails spoils no other. */
export async function forEach<T>(
  parts: Pick<EngineParts, 'log'>,
  items: readonly T[],
  how: {
    /** Count. */
    readonly limit: number;
    readonly step: (item: T) => Promise<void>;
  },
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) {
      try {
        await how.step(item);
      } catch (error) {
        parts.log.error('recovery of one container failed', { error: messageOf(error) });
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(how.limit, items.length) }, worker));
}

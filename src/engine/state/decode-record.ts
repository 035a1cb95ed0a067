/**
 * Container records as JSON text and back. The text was written by this
 * engine, under its own directory; it is checked as far as a damaged row must
 * be told from a sound one, no further.
 */

import type { ContainerId } from '../../base/brand.ts';
import { parseContainerId } from '../../base/id.ts';
import type { ContainerRecord, LifeState } from '../containers/record.ts';

/** Everything of a record but its life state, id and name. */
type Request = Omit<ContainerRecord, 'id' | 'name' | 'state' | 'createdAtNs'> & {
  readonly createdAtNs: string;
};

/** A life state with its 64-bit numbers as decimal text. */
type StoredState = Omit<LifeState, 'startedAtNs' | 'finishedAtNs' | 'process'> & {
  readonly startedAtNs: string;
  readonly finishedAtNs: string;
  readonly process?: { readonly pid: number; readonly startTicks: string } | null;
};

/** Text of the column `request`. */
export function encodeRequest(record: ContainerRecord): string {
  const { id: _id, name: _name, state: _state, ...rest } = record;
  const request: Request = { ...rest, createdAtNs: String(record.createdAtNs) };
  return JSON.stringify(request);
}

/** Text of the column `state`. */
export function encodeState(state: LifeState): string {
  const stored = {
    ...state,
    startedAtNs: String(state.startedAtNs),
    finishedAtNs: String(state.finishedAtNs),
    process:
      state.process === undefined
        ? undefined
        : { pid: state.process.pid, startTicks: String(state.process.startTicks) },
  };
  return JSON.stringify(stored);
}

/** Columns of one container. */
export interface StoredContainer {
  readonly id: string;
  readonly name: string;
  readonly request: string;
  readonly state: string;
}

/** Errors: any, when the row is damaged. */
export function decodeContainer(row: StoredContainer): ContainerRecord {
  const id: ContainerId = parseContainerId(row.id);
  const request = JSON.parse(row.request) as Request;
  if (typeof request.imageId !== 'string' || !Array.isArray(request.mounts)) {
    throw new SyntaxError(`the request of container ${row.name} lacks its image or mounts`);
  }
  return {
    ...request,
    id,
    name: row.name,
    createdAtNs: BigInt(request.createdAtNs),
    state: decodeState(row.state),
  };
}

function decodeState(text: string): LifeState {
  const stored = JSON.parse(text) as StoredState;
  if (!PHASES.has(stored.phase))
    throw new SyntaxError(`unknown phase ${JSON.stringify(stored.phase)}`);
  return {
    ...stored,
    startedAtNs: BigInt(stored.startedAtNs),
    finishedAtNs: BigInt(stored.finishedAtNs),
    process:
      stored.process === undefined || stored.process === null
        ? undefined
        : { pid: stored.process.pid, startTicks: BigInt(stored.process.startTicks) },
  };
}

const PHASES: ReadonlySet<string> = new Set<LifeState['phase']>([
  'created',
  'running',
  'paused',
  'restarting',
  'exited',
  'dead',
]);

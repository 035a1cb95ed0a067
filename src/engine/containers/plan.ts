/** Plans of `run` and `start`, shown and not run. Nothing is made, not even a directory. */

import { hostPath } from '../../base/host-path.ts';
import { makeId, shortId } from '../../base/id.ts';
import type { RootSource, StartRequest } from '../../runtime/runtime.ts';
import type { CreateContainer, ExplainedPlan } from '../engine.ts';
import { explainPlan } from '../explain.ts';
import { previewSeats } from '../networks/seat.ts';
import type { EngineParts } from '../parts.ts';
import { draftContainer } from './create.ts';
import { initLayerOf } from './init-layer.ts';
import { fileSourceOf } from './network-files.ts';
import { findUser, joinedOf, makeRequest, rootOf } from './prepare-launch.ts';
import type { ContainerRecord } from './record.ts';

/** The plan that `create` and `start` of this request would run. Errors: as those. */
export async function planRun(
  parts: EngineParts,
  request: CreateContainer,
): Promise<ExplainedPlan> {
  const id = makeId(parts.randomHex);
  const { record, image } = draftContainer(parts, request, id);
  const view = parts.snapshots.view(image.chain.at(-1));
  try {
    const start = await describeStart(parts, withVolumePlaces(parts, record), {
      kind: 'overlay',
      lower: [initLayerOf(parts.paths, image), ...view.lower],
      upper: hostPath(`${parts.paths.root}/snapshots/new/upper`),
      work: hostPath(`${parts.paths.root}/snapshots/new/work`),
    });
    const name = request.name === undefined ? '' : ` (${request.name})`;
    return explainPlan(`run ${record.config.Image ?? ''}${name}`, parts.runtime.planStart(start));
  } finally {
    view.release();
  }
}

/** Where its volumes are, or would be. */
function withVolumePlaces(parts: EngineParts, record: ContainerRecord): ContainerRecord {
  const mounts = record.mounts.map((mount) => {
    if (mount.volume === undefined) return mount;
    const name = mount.volume.name === '' ? 'new' : mount.volume.name;
    return { ...mount, source: parts.volumes.placeOf(name) };
  });
  return { ...record, mounts };
}

/** The plan that `start` would run. Errors: `not-found`, and those of `start`. */
export async function planStart(parts: EngineParts, ref: string): Promise<ExplainedPlan> {
  const { record } = parts.containers.get(ref);
  const request = await describeStart(parts, record, rootOf(parts, record));
  const title = `start ${shortId(record.id)} (${record.name})`;
  return explainPlan(title, parts.runtime.planStart(request));
}

async function describeStart(
  parts: EngineParts,
  record: ContainerRecord,
  root: RootSource,
): Promise<StartRequest> {
  const request = makeRequest(parts, record, {
    files: fileSourceOf(parts, record),
    joined: joinedOf(parts, record),
    user: await findUser(parts, record, root),
    root,
  });
  return { ...request, network: previewSeats(parts, record) };
}

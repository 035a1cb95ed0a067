/**
 * Where a container's files are reached: through its process while it runs, so
 * that all of its mounts are seen; else through its root, mounted for the moment.
 *
 * **Invariant:** a root that is written to while no process runs is held under
 * the container's lock: two mounts never write to one directory.
 */

import { EngineError } from '../../../base/error.ts';
import type { FilePlace } from '../../../layers/container-files.ts';
import type { EngineParts } from '../../parts.ts';
import type { Container } from '../container.ts';
import { launchSources } from '../launch-sources.ts';
import { adoptRequest } from '../prepare-launch.ts';

/** A place in use. */
export interface OpenPlace {
  readonly place: FilePlace;
  /** Nobody looks any more. Call it once. */
  readonly close: () => Promise<void>;
}

/** For reading: what happens to the container meanwhile is not disturbed. */
export async function openForReading(parts: EngineParts, container: Container): Promise<OpenPlace> {
  return livePlace(container) ?? holdRoot(parts, container, false);
}

/** For writing: a stopped container neither starts nor goes while `work` runs. */
export async function whileWriting(
  parts: EngineParts,
  container: Container,
  work: (place: FilePlace) => Promise<void>,
): Promise<void> {
  const live = livePlace(container);
  if (live !== undefined) {
    await work(live.place);
    return;
  }
  const started = await container.lock.run(async () => {
    // It may have started, or gone, while others had the lock.
    const late = livePlace(container);
    if (late !== undefined) return late;
    const held = await holdRoot(parts, container, true);
    try {
      await work(held.place);
    } finally {
      await held.close();
    }
    return undefined;
  });
  if (started !== undefined) await work(started.place);
}

/** Its process sees everything; nothing need be closed. */
function livePlace(container: Container): OpenPlace | undefined {
  const { live } = container;
  if (live === undefined || !container.isAlive) return undefined;
  const { pid, startTicks } = live.runtime.process;
  return { place: { pid, startTicks, below: '' }, close: async () => Promise.resolve() };
}

async function holdRoot(
  parts: EngineParts,
  container: Container,
  isWritable: boolean,
): Promise<OpenPlace> {
  if (container.isRemoving) {
    throw new EngineError('conflict', `container ${container.name} is being removed`);
  }
  const { record } = container;
  const user = record.state.user ?? { uid: 0, gid: 0 };
  const sources = await launchSources(parts, record, user);
  const { id, spec, root } = adoptRequest(parts, record, sources);
  const held = await parts.runtime.hold({ id, spec, root, isWritable });
  const { pid, startTicks } = held.process;
  return {
    place: { pid, startTicks, below: held.below },
    close: async () => held.release(),
  };
}

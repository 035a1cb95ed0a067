/** `volume rm`. Source: Engine API `DELETE /volumes/{name}`, with Docker's messages. */

import { EngineError } from '../../base/error.ts';
import type { VolumeRecord } from '../../volumes/store.ts';
import type { EngineParts } from '../parts.ts';
import { announceVolume } from './announce.ts';
import { describeUsers, usersOfVolume } from './users.ts';

/** Errors: `not-found` (not with `force`), `in-use`. */
export async function removeVolume(
  parts: EngineParts,
  name: string,
  options: { readonly force: boolean },
): Promise<void> {
  await parts.volumeLocks.run([name], () => {
    const volume = parts.volumes.find(name);
    if (volume === undefined) {
      if (options.force) return;
      throw new EngineError('not-found', `get ${name}: no such volume`);
    }
    const users = usersOfVolume(parts, name);
    if (users.length > 0) {
      throw new EngineError('in-use', `remove ${name}: volume is in use - ${describeUsers(users)}`);
    }
    discard(parts, volume);
  });
}

/** False when a container has it by now, or it is gone, or is another one. */
export async function removeUnused(parts: EngineParts, volume: VolumeRecord): Promise<boolean> {
  return parts.volumeLocks.run([volume.name], () => {
    if (parts.volumes.find(volume.name) !== volume) return false;
    if (usersOfVolume(parts, volume.name).length > 0) return false;
    discard(parts, volume);
    return true;
  });
}

function discard(parts: EngineParts, volume: VolumeRecord): void {
  parts.failpoints.hit('volume-remove.begin');
  parts.table.togetherFreeing(() => parts.volumes.remove(volume.name));
  parts.failpoints.hit('volume-remove.committed');
  announceVolume(parts, volume, 'destroy');
}

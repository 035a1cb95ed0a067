/** `volume rename`: of volumes that nobody has, since containers know theirs by name and path. */

import { EngineError } from '../../base/error.ts';
import type { VolumeRecord } from '../../volumes/store.ts';
import type { EngineParts } from '../parts.ts';
import { announceVolume } from './announce.ts';
import { describeUsers, usersOfVolume } from './users.ts';

/** Errors: `not-found`, `in-use`, `conflict` for a name that is taken, `invalid` name. */
export async function renameVolume(
  parts: EngineParts,
  name: string,
  newName: string,
): Promise<VolumeRecord> {
  return parts.volumeLocks.run([name, newName], () => {
    const users = usersOfVolume(parts, name);
    if (users.length > 0) {
      throw new EngineError('in-use', `rename ${name}: volume is in use - ${describeUsers(users)}`);
    }
    parts.failpoints.hit('volume-rename.begin');
    const renamed = parts.volumes.rename(name, newName);
    parts.failpoints.hit('volume-rename.done');
    announceVolume(parts, renamed, 'rename', { oldName: name });
    return renamed;
  });
}

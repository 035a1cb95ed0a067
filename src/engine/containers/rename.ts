/** `rename`: one step, so that two names are never both free or both taken. Source: Engine API `POST /containers/{id}/rename`. */

import { EngineError } from '../../base/error.ts';
import type { EngineParts } from '../parts.ts';
import { renameSeats } from '../networks/seat.ts';
import { announce } from './announce.ts';
import { parseContainerName } from './registry.ts';

/** Errors: `invalid` name, `conflict` when it is taken or the same. */
export async function renameContainer(
  parts: EngineParts,
  ref: string,
  newName: string,
): Promise<void> {
  const container = parts.containers.get(ref);
  if (newName === '') throw new EngineError('invalid', 'Neither old nor new names may be empty');
  const name = parseContainerName(newName);
  await container.lock.run(() => {
    if (container.isRemoving) {
      throw new EngineError('conflict', 'container is marked for removal and cannot be renamed');
    }
    const oldName = container.name;
    if (name === oldName) {
      throw new EngineError(
        'invalid',
        'Renaming a container with the same name as its current name',
      );
    }
    parts.containers.reserve(name, container.id);
    try {
      parts.failpoints.hit('rename.reserved');
      container.saveRequest({ ...container.record, name });
    } catch (error) {
      parts.containers.release(name, container.id);
      throw error;
    }
    parts.failpoints.hit('rename.saved');
    parts.containers.release(oldName, container.id);
    renameSeats(parts, container, oldName);
    announce(parts, container, 'rename', { oldName: `/${oldName}` });
  });
}

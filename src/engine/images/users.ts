/** Which containers use which image. */

import type { ImageUser } from '../../images/store.ts';
import type { ContainerRecord } from '../containers/record.ts';
import type { EngineParts } from '../parts.ts';

/** Containers that use an image. */
export function usersOf(
  parts: Pick<EngineParts, 'containers'>,
): (id: string) => readonly ImageUser[] {
  return (id) =>
    [...parts.containers.all()]
      .filter(({ record }) => record.imageId === id || mountsImage(record, id))
      .map((container) => ({ containerId: container.id, isRunning: container.isAlive }));
}

function mountsImage({ mounts }: ContainerRecord, id: string): boolean {
  return mounts.some(({ type, source }) => type === 'image' && source === id);
}

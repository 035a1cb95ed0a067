/** Which containers use which image. */

import type { ImageUser } from '../../images/store.ts';
import type { EngineParts } from '../parts.ts';

/** Containers that use an image. */
export function usersOf(
  parts: Pick<EngineParts, 'containers'>,
): (id: string) => readonly ImageUser[] {
  return (id) =>
    [...parts.containers.all()]
      .filter((container) => container.record.imageId === id)
      .map((container) => ({ containerId: container.id, isRunning: container.isAlive }));
}

/** `resize`: rows and columns of a container's console. Source: Engine API `POST /containers/{id}/resize`. */

import { EngineError } from '../../base/error.ts';
import type { ConsoleSize } from '../engine.ts';
import type { EngineParts } from '../parts.ts';
import { announce } from './announce.ts';

/** Errors: `conflict` when it does not run; `invalid` without a console. */
export async function resizeContainer(
  parts: EngineParts,
  ref: string,
  size: ConsoleSize,
): Promise<void> {
  const container = parts.containers.get(ref);
  if (container.live === undefined) {
    throw new EngineError(
      'conflict',
      `cannot resize a stopped container: container ${container.id} is not running`,
    );
  }
  await container.live.runtime.resize(size);
  announce(parts, container, 'resize', {
    height: String(size.rows),
    width: String(size.columns),
  });
}

/** Mirrors first, then the registry: the order in which a reading request is asked. */

import { isEngineError } from '../../base/error.ts';
import type { Endpoint } from './endpoint.ts';

/** The first answer. Errors: the registry's; a mirror's only when it was cancelled. */
export async function askInOrder<T>(
  endpoints: readonly Endpoint[],
  ask: (endpoint: Endpoint) => Promise<T>,
): Promise<T> {
  let lastError: unknown;
  for (const endpoint of endpoints) {
    try {
      return await ask(endpoint);
    } catch (error) {
      // A mirror that has it not, or is away, must not keep the registry from being asked.
      if (!endpoint.isMirror || !isEngineError(error) || error.kind === 'cancelled') throw error;
      lastError = error;
    }
  }
  throw lastError;
}

/** Mirrors first, then the registry: the order in which a reading request is asked. */

import { EngineError, isEngineError } from '../../base/error.ts';
import type { Endpoint } from './endpoint.ts';

/** The first answer. Errors: the registry's, which tells of mirrors that failed too; a mirror's only when it was cancelled. */
export async function askInOrder<T>(
  endpoints: readonly Endpoint[],
  ask: (endpoint: Endpoint) => Promise<T>,
): Promise<T> {
  const failures: string[] = [];
  let lastError: unknown;
  for (const endpoint of endpoints) {
    try {
      return await ask(endpoint);
    } catch (error) {
      // A mirror that has it not, or is away, must not keep the registry from being asked.
      if (!endpoint.isMirror || !isEngineError(error) || error.kind === 'cancelled')
        throw withFailures(error, failures);
      if (error.kind !== 'not-found') failures.push(`Mirror ${endpoint.host}: ${error.message}`);
      lastError = error;
    }
  }
  throw lastError;
}

/** Who sees the registry fail must not look there for what a mirror did wrong. */
function withFailures(error: unknown, failures: readonly string[]): unknown {
  if (!isEngineError(error) || failures.length === 0 || error.kind === 'cancelled') return error;
  const { kind, message, operation, details, hint, cause } = error;
  return new EngineError(kind, message, {
    details,
    cause,
    hint: [...(hint === undefined ? [] : [hint]), ...failures].join('. '),
    ...(operation === undefined ? {} : { operation }),
  });
}

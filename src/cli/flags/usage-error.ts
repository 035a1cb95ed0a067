/** Errors of a command line: what is wrong with it, before anything was done. */

import { EngineError, isEngineError } from '../../base/error.ts';

/** A command line that cannot be meant so. The caller adds where help is. */
export function usageError(message: string, options: { readonly hint?: string } = {}): EngineError {
  return new EngineError('invalid', message, {
    details: { source: 'usage' },
    ...(options.hint === undefined ? {} : { hint: options.hint }),
  });
}

/** The wrong arguments, or a command that is none; it exits with 1 where a wrong flag exits with 125. */
export function argumentError(
  message: string,
  options: { readonly hint?: string } = {},
): EngineError {
  return new EngineError('invalid', message, {
    details: { source: 'arguments' },
    ...(options.hint === undefined ? {} : { hint: options.hint }),
  });
}

/** True for an error of {@link usageError} or {@link argumentError}. */
export function isUsageError(error: unknown): boolean {
  return (
    isEngineError(error) &&
    (error.details['source'] === 'usage' || error.details['source'] === 'arguments')
  );
}

/** True for an error of {@link argumentError}. */
export function isArgumentError(error: unknown): boolean {
  return isEngineError(error) && error.details['source'] === 'arguments';
}

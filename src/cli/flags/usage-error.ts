/** Errors of a command line: what is wrong with it, before anything was done. */

import { EngineError, isEngineError } from '../../base/error.ts';

/** A command line that cannot be meant so. The caller adds where help is. */
export function usageError(message: string, options: { readonly hint?: string } = {}): EngineError {
  return new EngineError('invalid', message, {
    details: { source: 'usage' },
    ...(options.hint === undefined ? {} : { hint: options.hint }),
  });
}

/** The wrong count of arguments; it exits with 1 where a wrong flag exits with 125. */
export function argumentCountError(message: string): EngineError {
  return new EngineError('invalid', message, { details: { source: 'arguments' } });
}

/** True for an error of {@link usageError} or {@link argumentCountError}. */
export function isUsageError(error: unknown): boolean {
  return (
    isEngineError(error) &&
    (error.details['source'] === 'usage' || error.details['source'] === 'arguments')
  );
}

/** True for an error of {@link argumentCountError}. */
export function isArgumentCountError(error: unknown): boolean {
  return isEngineError(error) && error.details['source'] === 'arguments';
}

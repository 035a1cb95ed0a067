/**
 * `inspect` of several things: found one by one, printed as one JSON list, or
 * by a template each. What is not found is told at the end.
 *
 * Source: docker's `inspect`: four spaces, an empty list when nothing is found.
 */

import { isEngineError } from '../base/error.ts';
import { formatJson } from '../client/decode.ts';
import type { Io } from './io.ts';
import { neutraliseJson, neutraliseText } from './print/safe.ts';
import { compileTemplate } from './print/template/template.ts';
import { errorSentence } from './report.ts';

/** What to print. */
export interface InspectRequest {
  readonly names: readonly string[];
  /** A template or `json`; empty: a JSON list. */
  readonly format: string;
  /** Finds one thing. Throws `not-found`. */
  readonly find: (name: string) => Promise<object>;
}

/** Prints what is found; gives the exit code. */
export async function inspectObjects(
  io: Io,
  { names, format, find }: InspectRequest,
): Promise<number> {
  const template =
    format === '' ? undefined : compileTemplate(format === 'json' ? '{{json .}}' : format);
  const found: object[] = [];
  const failures: string[] = [];
  for (const name of names) {
    try {
      const value = await find(name);
      if (template === undefined) found.push(value);
      else await io.stdout.write(`${template.format(value)}\n`);
    } catch (error) {
      if (
        !isEngineError(error) ||
        error.kind === 'unavailable' ||
        error.details['source'] === 'format'
      )
        throw error;
      failures.push(errorSentence(error));
    }
  }
  if (template === undefined) await io.stdout.write(`${neutraliseJson(formatJson(found, 4))}\n`);
  for (const failure of failures) await io.stderr.write(`${neutraliseText(failure)}\n`);
  return failures.length === 0 ? 0 : 1;
}

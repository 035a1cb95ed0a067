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
export async function inspectObjects(io: Io, request: InspectRequest): Promise<number> {
  const { format } = request;
  // `json` is the list in one line.
  const isList = format === '' || format === 'json';
  const template = isList ? undefined : compileTemplate(format);
  const found: object[] = [];
  const failures: string[] = [];
  for (const name of request.names) {
    const value = await findOrTell(request, name, failures);
    if (value === undefined) continue;
    if (template === undefined) found.push(value);
    else await io.stdout.write(`${template.format(value)}\n`);
  }
  if (isList)
    await io.stdout.write(`${neutraliseJson(formatJson(found, format === '' ? 4 : 0))}\n`);
  for (const failure of failures) await io.stderr.write(`${neutraliseText(failure)}\n`);
  return failures.length === 0 ? 0 : 1;
}

/** What the name is of; `undefined`, and a failure noted, when the engine does not know it. */
async function findOrTell(
  request: InspectRequest,
  name: string,
  failures: string[],
): Promise<object | undefined> {
  try {
    return await request.find(name);
  } catch (error) {
    if (!isEngineError(error) || error.kind === 'unavailable') throw error;
    failures.push(errorSentence(error));
    return undefined;
  }
}

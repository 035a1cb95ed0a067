/**
 * Environment variables and labels, from flags and files.
 *
 * Source: docker's `--env`, `--env-file`, `--label`, `--label-file`.
 */

import { EngineError } from '../../base/error.ts';
import { readEach } from '../flags/parse.ts';
import { recordOfPairs, splitPair } from './key-value.ts';

/** Where names without a value get one. */
type Environment = Readonly<Record<string, string | undefined>>;

/** What a list of variables is made of. */
export interface EnvironmentInput {
  readonly files: readonly string[];
  readonly pairs: readonly string[];
  readonly env: Environment;
  readonly readFile: (path: string) => string;
}

/** Variables of the files, then of the flags. A name alone takes the caller's value; one of a file without any is left out. */
export function readEnvironment({
  files,
  pairs,
  env,
  readFile,
}: EnvironmentInput): readonly string[] {
  const fromFiles = files.flatMap((path) =>
    readLines(path, readFile).flatMap((line) => fileVariable(line, env)),
  );
  const fromFlags = readEach('-e, --env', pairs, (pair) => flagVariable(pair, env));
  return [...fromFiles, ...fromFlags];
}

/** Labels of the files, then of the flags; a key alone has an empty value. */
export function readLabels(input: Omit<EnvironmentInput, 'env'>): Readonly<Record<string, string>> {
  const fromFiles = input.files.flatMap((path) => readLines(path, input.readFile));
  const fromFlags = readEach('-l, --label', input.pairs, (pair) => {
    if (splitPair(pair).key === '')
      throw new EngineError('invalid', `invalid label '${pair}': empty name`);
    return pair;
  });
  return recordOfPairs([...fromFiles, ...fromFlags]);
}

function flagVariable(pair: string, env: Environment): string {
  const { key, value } = splitPair(pair);
  if (key === '') throw new EngineError('invalid', `invalid environment variable: ${pair}`);
  if (value !== undefined) return pair;
  const own = env[key];
  // A name that has no value here takes the image's variable away.
  return own === undefined ? key : `${key}=${own}`;
}

function fileVariable(line: string, env: Environment): readonly string[] {
  const { key, value } = splitPair(line);
  if (value !== undefined) return [line];
  const own = env[key];
  return own === undefined ? [] : [`${key}=${own}`];
}

/** Lines that say something: neither empty nor a comment. Throws `invalid` with the file's name and line. */
function readLines(path: string, readFile: (path: string) => string): readonly string[] {
  const lines: string[] = [];
  const text = readFile(path).replace(/^\ufeff/, '');
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trimStart();
    if (line === '' || line.startsWith('#')) continue;
    const { key } = splitPair(line);
    if (key === '')
      throw new EngineError(
        'invalid',
        `${path}, line ${String(index + 1)}: no variable name on the line '${line}'`,
      );
    if (/\s/.test(key)) {
      throw new EngineError(
        'invalid',
        `${path}, line ${String(index + 1)}: variable '${key}' contains whitespace`,
      );
    }
    lines.push(line);
  }
  return lines;
}

/**
 * `--security-opt` as the API takes it: a seccomp profile's file becomes its
 * content, and `systempaths=unconfined` empty lists of paths.
 *
 * Source: docker's `--security-opt`.
 */

import { EngineError, messageOf } from '../../base/error.ts';
import type { HostConfig } from '../../spec/docker/container.ts';

/** The security options of flags. Throws `invalid`, and what `readFile` throws. */
export function readSecurityOptions(
  texts: readonly string[],
  readFile: (path: string) => string,
): Partial<HostConfig> {
  const options: string[] = [];
  let isUnconfined = false;
  for (const text of texts) {
    if (text === 'systempaths=unconfined') isUnconfined = true;
    else options.push(readOption(text, readFile));
  }
  return {
    ...(options.length === 0 ? {} : { SecurityOpt: options }),
    ...(isUnconfined ? { MaskedPaths: [], ReadonlyPaths: [] } : {}),
  };
}

/** Options that need no value. */
const bareOptions: readonly string[] = ['no-new-privileges', 'writable-cgroups'];

function readOption(text: string, readFile: (path: string) => string): string {
  // Old scripts write a colon.
  const separator = /[=:]/.exec(text)?.index;
  if (separator === undefined) {
    if (bareOptions.includes(text)) return text;
    throw new EngineError('invalid', `Invalid --security-opt: "${text}"`);
  }
  const value = text.slice(separator + 1);
  if (value === '')
    throw new EngineError('invalid', `Invalid --security-opt: "${text}" has no value`);
  if (text.slice(0, separator) !== 'seccomp' || value === 'unconfined' || value === 'builtin')
    return text;
  return `seccomp=${readProfile(value, readFile)}`;
}

function readProfile(path: string, readFile: (path: string) => string): string {
  const text = readFile(path);
  try {
    return JSON.stringify(JSON.parse(text));
  } catch (error) {
    throw new EngineError(
      'invalid',
      `Cannot read the seccomp profile ${path}: ${messageOf(error)}`,
    );
  }
}

/** `net_admin` → `CAP_NET_ADMIN`, each once. Source: docker's `--cap-add`, `--cap-drop`. */
export function normalizeCapabilities(names: readonly string[]): readonly string[] {
  const normal = names.map((text) => {
    const name = text.trim().toUpperCase();
    return name === 'ALL' || name.startsWith('CAP_') ? name : `CAP_${name}`;
  });
  return [...new Set(normal)].toSorted();
}

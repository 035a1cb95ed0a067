/**
 * Options of a tmpfs as clients give them → the words the kernel and the mount
 * planner know, pure. Unknown words are refused: an option string is not a
 * place to smuggle a second option through.
 *
 * Source: Engine API `HostConfig.Tmpfs`, `Mount.TmpfsOptions`; tmpfs(5).
 */

import { EngineError } from '../../base/error.ts';
import type { Mount } from '../../spec/docker/container.ts';

/** What every tmpfs of a user has unless told otherwise. Source: Docker's default. */
const DEFAULT_FLAGS = ['noexec', 'nosuid', 'nodev'];
/** A flag and its opposite. */
const PAIRS: Readonly<Record<string, string>> = {
  ro: 'rw',
  noexec: 'exec',
  nosuid: 'suid',
  nodev: 'dev',
  sync: 'async',
  noatime: 'atime',
  nodiratime: 'diratime',
  norelatime: 'relatime',
  nostrictatime: 'strictatime',
  nomand: 'mand',
};
const FLAGS: ReadonlySet<string> = new Set([...Object.keys(PAIRS), ...Object.values(PAIRS)]);
const VALUES: Readonly<Record<string, RegExp>> = {
  size: /^\d{1,19}[kKmMgG%]?$/,
  mode: /^[0-7]{1,5}$/,
  uid: /^\d{1,10}$/,
  gid: /^\d{1,10}$/,
  nr_inodes: /^\d{1,19}[kKmMgG]?$/,
  nr_blocks: /^\d{1,19}[kKmMgG]?$/,
  mpol: /^[a-z]+(?:=[a-z]+)?(?::[0-9,-]+)?$/,
  huge: /^(?:never|always|within_size|advise)$/,
};

/** `size=64m,exec` → words in order, defaults first where not overridden. Errors: `invalid`. */
export function parseTmpfsOptions(text: string): readonly string[] {
  return withDefaults(text === '' ? [] : text.split(','));
}

/** A `TmpfsOptions` object. Errors: `invalid`. */
export function tmpfsOptionsOf(options: NonNullable<Mount['TmpfsOptions']>): readonly string[] {
  const words: string[] = [];
  const { SizeBytes: sizeBytes = 0, Mode: mode = 0, Options: extra } = options;
  if (sizeBytes < 0)
    throw new EngineError(
      'invalid',
      'invalid mount config for type "tmpfs": size cannot be negative',
    );
  if (sizeBytes > 0) words.push(`size=${sizeBytes}`);
  if (mode > 0) words.push(`mode=${mode.toString(8)}`);
  for (const [key = '', value] of extra ?? [])
    words.push(value === undefined ? key : `${key}=${value}`);
  return withDefaults(words);
}

function withDefaults(words: readonly string[]): readonly string[] {
  for (const word of words) checkWord(word);
  const isOverridden = (flag: string): boolean =>
    words.includes(flag) || words.includes(PAIRS[flag] ?? '');
  return [...DEFAULT_FLAGS.filter((flag) => !isOverridden(flag)), ...words];
}

function checkWord(word: string): void {
  const equals = word.indexOf('=');
  const key = equals < 0 ? word : word.slice(0, equals);
  const pattern = Object.hasOwn(VALUES, key) ? VALUES[key] : undefined;
  const fits = equals < 0 ? FLAGS.has(word) : (pattern?.test(word.slice(equals + 1)) ?? false);
  if (!fits)
    throw new EngineError('invalid', `invalid tmpfs option ${JSON.stringify(word.slice(0, 80))}`);
}

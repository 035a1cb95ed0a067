/**
 * A command line against a table of flags: pure, and exact about the forms
 * people have in their fingers: `--name=x`, `--name x`, `-it`, `-p80:80`,
 * `-e A=1 -e B`, `--rm=false`, `--`.
 *
 * Flags may stand among the arguments, or end at the first of them
 * (`run IMAGE COMMAND -x`: the `-x` is the command's).
 *
 * Source: the conventions of docker's command line (GNU with clusters).
 */

import { isEngineError } from '../../base/error.ts';
import { decodeParsed } from './decode.ts';
import { findNearest } from './suggest.ts';
import {
  formatFlagName,
  type FlagKind,
  type FlagSpec,
  type FlagTable,
  type Parsed,
} from './table.ts';
import { usageError } from './usage-error.ts';
import { parseBool, parseBytes, parseDecimal, parseDuration, parseInteger } from './values.ts';

/** How to read a line. */
export interface ParseOptions {
  /** False: the first argument ends the flags. */
  readonly isInterspersed: boolean;
}

type Value = boolean | number | string | readonly string[];

/** Reads `argv`. Throws a usage error that names the flag. */
export function parseFlags<const T extends FlagTable>(
  table: T,
  argv: readonly string[],
  options: ParseOptions,
): Parsed<T> {
  const line = new LineParser(table, argv);
  line.parse(options.isInterspersed);
  return decodeParsed<T>(line);
}

/** One more value of a list; what was there before the first is its default. */
function append(text: string, before: Value): readonly string[] {
  return typeof before === 'object' ? [...before, text] : [text];
}

/** Reads the text of one value. Throws `invalid` with a reason that fits after "invalid argument … flag:". */
const readers: Readonly<Record<FlagKind, (text: string, before: Value) => Value>> = {
  bool: parseBool,
  string: (text) => text,
  list: append,
  map: append,
  int: parseInteger,
  bytes: parseBytes,
  'bytes-or-unlimited': (text) => (text === '-1' ? -1 : parseBytes(text)),
  duration: parseDuration,
  decimal: parseDecimal,
};

const zeroValues: Readonly<Record<FlagKind, Value>> = {
  bool: false,
  string: '',
  list: [],
  map: [],
  int: 0,
  bytes: 0,
  'bytes-or-unlimited': 0,
  duration: 0,
  decimal: 0,
};

class LineParser {
  readonly values: Record<string, Value> = {};
  readonly given: Set<string> = new Set();
  readonly args: string[] = [];
  readonly #table: FlagTable;
  readonly #words: readonly string[];
  #at = 0;

  constructor(table: FlagTable, words: readonly string[]) {
    this.#table = table;
    this.#words = words;
    for (const [name, spec] of Object.entries(table))
      this.values[name] = spec.default ?? zeroValues[spec.kind];
  }

  parse(isInterspersed: boolean): void {
    while (this.#at < this.#words.length) {
      const word = this.#words[this.#at++] ?? '';
      if (word === '--') break;
      if (word.startsWith('--')) this.#long(word.slice(2));
      else if (word.startsWith('-') && word !== '-') this.#cluster(word.slice(1));
      else {
        this.args.push(word);
        if (!isInterspersed) break;
      }
    }
    this.args.push(...this.#words.slice(this.#at));
  }

  #long(text: string): void {
    const equals = text.indexOf('=');
    const name = equals < 0 ? text : text.slice(0, equals);
    const spec = Object.hasOwn(this.#table, name) ? this.#table[name] : undefined;
    if (spec === undefined) throw this.#unknown(name);
    if (equals >= 0) this.#set(name, spec, text.slice(equals + 1));
    else if (spec.kind === 'bool') this.#set(name, spec, 'true');
    else this.#set(name, spec, this.#next(`--${name}`));
  }

  #cluster(text: string): void {
    for (let at = 0; at < text.length; at++) {
      const letter = text[at] ?? '';
      const found = Object.entries(this.#table).find(([, { short }]) => short === letter);
      if (found === undefined) throw usageError(`unknown shorthand flag: '${letter}' in -${text}`);
      const [name, spec] = found;
      const rest = text.slice(at + 1);
      if (rest.startsWith('=')) {
        this.#set(name, spec, rest.slice(1));
        return;
      }
      if (spec.kind === 'bool') {
        this.#set(name, spec, 'true');
        continue;
      }
      this.#set(name, spec, rest === '' ? this.#next(`'${letter}' in -${text}`) : rest);
      return;
    }
  }

  #next(flag: string): string {
    const word = this.#words[this.#at++];
    if (word === undefined) throw usageError(`flag needs an argument: ${flag}`);
    return word;
  }

  #set(flagName: string, flagSpec: FlagSpec, text: string): void {
    const name = flagSpec.aliasOf ?? flagName;
    const spec = this.#table[name] ?? flagSpec;
    try {
      this.values[name] = readers[spec.kind](
        text,
        this.given.has(name) ? (this.values[name] ?? '') : '',
      );
    } catch (error) {
      if (!isEngineError(error)) throw error;
      throw invalidValue(formatFlagName(flagName, flagSpec), text, error.message);
    }
    if (spec.choices !== undefined && !spec.choices.includes(text)) {
      throw invalidValue(
        formatFlagName(flagName, flagSpec),
        text,
        `must be one of ${spec.choices.join(', ')}`,
      );
    }
    this.given.add(name);
  }

  #unknown(name: string): Error {
    const visible = Object.entries(this.#table).filter(([, spec]) => spec.isHidden !== true);
    const nearest = findNearest(
      name,
      visible.map(([candidate]) => candidate),
    );
    return usageError(
      `unknown flag: --${name}`,
      nearest === undefined ? {} : { hint: `Did you mean --${nearest}?` },
    );
  }
}

/** The error for a value that cannot be; `flag` as {@link formatFlagName} writes it. */
export function invalidValue(flag: string, text: string, reason: string): Error {
  return usageError(`invalid argument ${JSON.stringify(text)} for "${flag}" flag: ${reason}`);
}

/** Reads each value of a flag with `read`; its `invalid` errors name the flag. */
export function readEach<V>(
  flag: string,
  texts: readonly string[],
  read: (text: string) => V,
): readonly V[] {
  return texts.map((text) => {
    try {
      return read(text);
    } catch (error) {
      if (!isEngineError(error) || error.kind !== 'invalid') throw error;
      throw invalidValue(flag, text, error.message);
    }
  });
}

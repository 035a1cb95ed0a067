/**
 * What can come next on a command line, from the same tables that read it.
 * Pure but for the names it asks for: of containers, images and the like.
 */

import type { CommandEntry, GroupEntry } from '../commands/tree.ts';
import { findEntry } from '../commands/tree.ts';
import { helpFlag, type CommandSpec } from '../command.ts';
import type { FlagSpec, FlagTable } from '../flags/table.ts';
import { globalFlags } from '../global-flags.ts';

/** One word that fits. */
export interface Candidate {
  readonly word: string;
  /** One sentence; empty when the word says it all. */
  readonly help: string;
}

/** What the shell is to offer. */
export interface Completion {
  readonly candidates: readonly Candidate[];
  /** What the shell adds by itself. */
  readonly files: 'none' | 'files' | 'directories';
}

/** Kinds of names the engine knows. */
export type NameKind = 'container' | 'running-container' | 'image' | 'network' | 'volume';

/** Asks for names; none when there is no engine. */
export type FindNames = (kind: NameKind) => Promise<readonly string[]>;

const nothing: Completion = { candidates: [], files: 'none' };

/** Completes the last of `words`, which follow the program's name; it may be empty. */
export async function complete(
  root: GroupEntry,
  words: readonly string[],
  findNames: FindNames,
): Promise<Completion> {
  const global = skipGlobalFlags(words);
  const current = words.at(-1) ?? '';
  if (global.pending !== undefined) return await valuesOf(global.pending, current, findNames);
  const place = descend(root, words, global.at);
  if (place === undefined) return nothing;
  const { entry, at } = place;
  if (entry.kind === 'command')
    return await completeCommand((await entry.load()).spec, words.slice(at), findNames);
  return current.startsWith('-') && entry === root
    ? flagsOf(globalFlags, current)
    : namesOf(entry, current);
}

/** Where the command begins; `pending`: the last word is the value of this flag. */
function skipGlobalFlags(words: readonly string[]): {
  readonly at: number;
  readonly pending: FlagSpec | undefined;
} {
  let at = 0;
  while (at < words.length - 1 && words[at]?.startsWith('-') === true) {
    const found = findFlag(globalFlags, words[at] ?? '');
    const takesNext = found !== undefined && found.spec.kind !== 'bool' && !found.hasValue;
    if (takesNext && at === words.length - 2) return { at, pending: found.spec };
    at += takesNext ? 2 : 1;
  }
  return { at, pending: undefined };
}

/** Follows complete words down the tree; `undefined` when one is no command. */
function descend(
  root: GroupEntry,
  words: readonly string[],
  start: number,
): { readonly entry: CommandEntry; readonly at: number } | undefined {
  let entry: CommandEntry = root;
  let at = start;
  while (entry.kind === 'group' && at < words.length - 1) {
    const { found } = findEntry(entry, words[at++] ?? '');
    if (found === undefined) return undefined;
    entry = found;
  }
  return { entry, at };
}

function namesOf(group: GroupEntry, current: string): Completion {
  const visible = group.entries.filter(
    (entry) => entry.isHidden !== true && entry.name.startsWith(current),
  );
  return {
    candidates: visible.map(({ name, summary }) => ({ word: name, help: summary })),
    files: 'none',
  };
}

async function completeCommand(
  spec: CommandSpec<FlagTable>,
  words: readonly string[],
  findNames: FindNames,
): Promise<Completion> {
  const table: FlagTable = { ...spec.flags, ...helpFlag };
  const current = words.at(-1) ?? '';
  const { pending, areFlagsOver, countOfArgs } = readBefore(spec, table, words.slice(0, -1));
  if (pending !== undefined) return await valuesOf(pending, current, findNames);
  if (!areFlagsOver && current.startsWith('-')) return await flagOrValue(table, current, findNames);
  return await argumentOf(spec, { countOfArgs, current }, findNames);
}

/** What the words before the current one leave open. */
interface LineState {
  /** The flag whose value comes next. */
  readonly pending: FlagSpec | undefined;
  readonly areFlagsOver: boolean;
  readonly countOfArgs: number;
}

function readBefore(
  spec: CommandSpec<FlagTable>,
  table: FlagTable,
  words: readonly string[],
): LineState {
  let pending: FlagSpec | undefined;
  let areFlagsOver = false;
  let countOfArgs = 0;
  for (const word of words) {
    if (pending !== undefined) pending = undefined;
    else if (!areFlagsOver && word === '--') areFlagsOver = true;
    else if (!areFlagsOver && word.startsWith('-') && word !== '-') pending = openFlag(table, word);
    else {
      countOfArgs++;
      areFlagsOver ||= spec.isInterspersed === false;
    }
  }
  return { pending, areFlagsOver, countOfArgs };
}

/** The flag of a word when its value is in the next. */
function openFlag(table: FlagTable, word: string): FlagSpec | undefined {
  const found = findFlag(table, word);
  return found === undefined || found.spec.kind === 'bool' || found.hasValue
    ? undefined
    : found.spec;
}

async function flagOrValue(
  table: FlagTable,
  current: string,
  findNames: FindNames,
): Promise<Completion> {
  const equals = current.indexOf('=');
  if (equals < 0) return flagsOf(table, current);
  const found = findFlag(table, current);
  if (found === undefined) return nothing;
  const { candidates, files } = await valuesOf(found.spec, current.slice(equals + 1), findNames);
  const prefix = current.slice(0, equals + 1);
  return { candidates: candidates.map(({ word, help }) => ({ word: prefix + word, help })), files };
}

function flagsOf(table: FlagTable, current: string): Completion {
  const candidates = Object.entries(table)
    .filter(([name, spec]) => spec.isHidden !== true && `--${name}`.startsWith(current))
    .map(([name, { help }]) => ({ word: `--${name}`, help }));
  return { candidates: candidates.toSorted((a, b) => (a.word < b.word ? -1 : 1)), files: 'none' };
}

/** The flag a word is, and whether its value is in the same word. */
function findFlag(
  table: FlagTable,
  word: string,
): { readonly spec: FlagSpec; readonly hasValue: boolean } | undefined {
  if (word.startsWith('--')) {
    const [name = '', value] = word.slice(2).split('=', 2);
    const spec = Object.hasOwn(table, name) ? table[name] : undefined;
    return spec === undefined ? undefined : { spec, hasValue: value !== undefined };
  }
  // Of a cluster the last letter decides, unless one before it took the rest.
  for (let at = 1; at < word.length; at++) {
    const spec = Object.values(table).find(({ short }) => short === word[at]);
    if (spec === undefined) return undefined;
    if (spec.kind !== 'bool' || at === word.length - 1)
      return { spec, hasValue: at < word.length - 1 };
  }
  return undefined;
}

const signals: readonly string[] = [
  'TERM',
  'KILL',
  'INT',
  'HUP',
  'QUIT',
  'USR1',
  'USR2',
  'STOP',
  'CONT',
  'WINCH',
];

async function valuesOf(
  spec: FlagSpec,
  current: string,
  findNames: FindNames,
): Promise<Completion> {
  if (spec.choices !== undefined) return matching(spec.choices, current);
  switch (spec.completes) {
    case 'file':
      return { candidates: [], files: 'files' };
    case 'directory':
      return { candidates: [], files: 'directories' };
    case 'signal':
      return matching(signals, current);
    case 'container':
    case 'image':
    case 'network':
    case 'volume':
      return matching(await findNames(spec.completes), current);
    default:
      return nothing;
  }
}

async function argumentOf(
  { args, isInterspersed }: CommandSpec<FlagTable>,
  { countOfArgs, current }: { readonly countOfArgs: number; readonly current: string },
  findNames: FindNames,
): Promise<Completion> {
  if (args.max !== undefined && countOfArgs >= args.max) return nothing;
  // After the image or container comes somebody else's command line.
  if (isInterspersed === false && countOfArgs > 0) return { candidates: [], files: 'files' };
  const kind = typeof args.completes === 'object' ? args.completes[countOfArgs] : args.completes;
  if (kind === undefined) return nothing;
  if (kind === 'file') return { candidates: [], files: 'files' };
  return matching(await findNames(kind), current);
}

function matching(words: readonly string[], current: string): Completion {
  return {
    candidates: words
      .filter((word) => word.startsWith(current))
      .map((word) => ({ word, help: '' })),
    files: 'none',
  };
}

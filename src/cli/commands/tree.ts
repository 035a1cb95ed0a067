/** The shape of the tree of commands, and how words find their way in it. */

import type { Command } from '../command.ts';
import { findNearest } from '../flags/suggest.ts';

interface EntryBase {
  readonly name: string;
  /** One sentence without a period; a verb first. */
  readonly summary: string;
  /** Other words for it, not shown in lists. */
  readonly aliases?: readonly string[];
  /** What it stands under in the list of commands. */
  readonly heading?: string;
  /** Works, but is not in the list. */
  readonly isHidden?: boolean;
}

/** A command; loaded when it is called. */
export interface LeafEntry extends EntryBase {
  readonly kind: 'command';
  readonly load: () => Promise<Command>;
}

/** A word that needs another one. */
export interface GroupEntry extends EntryBase {
  readonly kind: 'group';
  readonly entries: readonly CommandEntry[];
}

/** A place in the tree. */
export type CommandEntry = LeafEntry | GroupEntry;

/** A command's entry. */
export function leaf(name: string, summary: string, load: LeafEntry['load']): LeafEntry {
  return { kind: 'command', name, summary, load };
}

/** The same command under another name or heading. */
export function as(
  entry: LeafEntry,
  name: string,
  names: Pick<LeafEntry, 'aliases' | 'heading' | 'isHidden'> = {},
): LeafEntry {
  return { ...entry, ...names, name };
}

/** The entry a word means in a group; else the name it may have been meant for. */
export function findEntry(
  group: GroupEntry,
  word: string,
): { readonly found: CommandEntry | undefined; readonly nearest: string | undefined } {
  const found = group.entries.find(
    (entry) => entry.name === word || entry.aliases?.includes(word) === true,
  );
  if (found !== undefined) return { found, nearest: undefined };
  const names = group.entries.filter((entry) => entry.isHidden !== true).map((entry) => entry.name);
  return { found, nearest: findNearest(word, names) };
}

/** Every way to write a command, below `group`. */
export function pathsBelow(
  group: GroupEntry,
  wanted: LeafEntry,
  path: string = group.name,
): readonly string[] {
  return group.entries.flatMap((entry) => {
    if (entry.kind === 'group') return pathsBelow(entry, wanted, `${path} ${entry.name}`);
    if (entry.load !== wanted.load) return [];
    return [entry.name, ...(entry.aliases ?? [])].map((name) => `${path} ${name}`);
  });
}

/**
 * Help texts from the table of flags. Pure. Written to be read, aloud too:
 * one idea a line, no column wider than it must be.
 */

import type { FlagKind, FlagSpec, FlagTable } from './table.ts';

/** What help calls a value of each kind; nothing for flags without one. */
const valueWords: Readonly<Record<FlagKind, string>> = {
  bool: '',
  string: 'string',
  list: 'list',
  map: 'map',
  int: 'int',
  bytes: 'bytes',
  'bytes-or-unlimited': 'bytes',
  duration: 'duration',
  decimal: 'decimal',
};

/** What a help text is about. */
export interface HelpTopic {
  /** The words that reach it, e.g. `carve container run`. */
  readonly path: string;
  /** What follows them, e.g. `[OPTIONS] IMAGE [COMMAND] [ARG...]`. */
  readonly synopsis: string;
  readonly summary: string;
  /** Paragraphs after the summary. */
  readonly details?: string;
  /** Other ways to say it, e.g. `carve run`. */
  readonly aliases?: readonly string[];
  /** Lines that can be typed as they are. */
  readonly examples?: readonly string[];
  readonly flags: FlagTable;
}

/** The help of a command, ending in a newline. `columns`: width of the terminal. */
export function formatHelp(topic: HelpTopic, columns: number): string {
  const blocks = [
    `Usage:  ${topic.path} ${topic.synopsis}`.trimEnd(),
    wrap(topic.summary, columns).join('\n'),
  ];
  if (topic.details !== undefined)
    blocks.push(...topic.details.split('\n\n').map((text) => wrap(text, columns).join('\n')));
  if (topic.aliases !== undefined && topic.aliases.length > 0)
    blocks.push(`Aliases:\n  ${topic.aliases.join(', ')}`);
  if (topic.examples !== undefined)
    blocks.push(`Examples:\n${topic.examples.map((line) => `  ${line}`).join('\n')}`);
  blocks.push(...formatFlags(topic.flags, columns));
  return `${blocks.join('\n\n')}\n`;
}

/** The flags of a table under their headings, one text each. */
export function formatFlags(table: FlagTable, columns: number): readonly string[] {
  const groups = new Map<string, (readonly [string, string])[]>();
  const visible = Object.entries(table).filter(([, spec]) => spec.isHidden !== true);
  for (const [name, spec] of visible) {
    const heading = spec.group ?? 'Options';
    const rows = groups.get(heading) ?? [];
    rows.push([leftColumn(name, spec), rightColumn(spec)]);
    groups.set(heading, rows);
  }
  return [...groups].map(([heading, rows]) => {
    const sorted = rows.toSorted(([a], [b]) => (longName(a) < longName(b) ? -1 : 1));
    return `${heading}:\n${formatColumns(sorted, columns)}`;
  });
}

function longName(left: string): string {
  return left.slice(left.indexOf('--'));
}

function leftColumn(name: string, spec: FlagSpec): string {
  const short = spec.short === undefined ? '    ' : `-${spec.short}, `;
  return `${short}--${name} ${valueWords[spec.kind]}`.trimEnd();
}

function rightColumn(spec: FlagSpec): string {
  const notes: string[] = [];
  if (spec.choices !== undefined) notes.push(spec.choices.join(', '));
  const isPlain =
    spec.default === undefined ||
    spec.default === false ||
    spec.default === '' ||
    spec.default === 0;
  if (!isPlain) notes.push(`default ${String(spec.default)}`);
  return notes.length === 0 ? spec.help : `${spec.help} (${notes.join('; ')})`;
}

/** Two columns, the right one wrapped to the width. */
export function formatColumns(
  rows: readonly (readonly [string, string])[],
  columns: number,
): string {
  const leftWidth = Math.max(0, ...rows.map(([left]) => left.length));
  const indent = 2 + leftWidth + 3;
  const lines = rows.flatMap(([left, right]) => {
    const [first = '', ...more] = wrap(right, Math.max(columns - indent, 30));
    return [
      `  ${left.padEnd(leftWidth)}   ${first}`.trimEnd(),
      ...more.map((line) => ' '.repeat(indent) + line),
    ];
  });
  return lines.join('\n');
}

/** A text cut into lines of at most `width`, at spaces; a longer word stands alone. */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

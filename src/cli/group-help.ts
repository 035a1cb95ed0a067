/** Help of commands and of groups of commands. */

import type { Command } from './command.ts';
import { helpFlag } from './command.ts';
import { rootEntry } from './commands/index.ts';
import { pathsBelow, type GroupEntry, type LeafEntry } from './commands/tree.ts';
import { formatColumns, formatFlags, formatHelp, wrap } from './flags/help.ts';
import { globalFlags } from './global-flags.ts';

/** Help of one command; it names every other way to say it. */
export function formatCommandHelp(topic: {
  readonly command: Command;
  readonly entry: LeafEntry;
  readonly path: string;
  readonly columns: number;
}): string {
  const { spec } = topic.command;
  return formatHelp(
    {
      path: topic.path,
      synopsis: spec.synopsis,
      summary: topic.entry.summary,
      ...(spec.details === undefined ? {} : { details: spec.details }),
      ...(spec.examples === undefined ? {} : { examples: spec.examples }),
      aliases: pathsBelow(rootEntry, topic.entry).filter((path) => path !== topic.path),
      flags: { ...spec.flags, ...helpFlag },
    },
    topic.columns,
  );
}

/** Help of a group: its commands, and for the root the global flags. */
export function formatGroupHelp(group: GroupEntry, path: string, columns: number): string {
  const isRoot = group === rootEntry;
  const blocks = [
    `Usage:  ${path} ${isRoot ? '[OPTIONS] ' : ''}COMMAND`,
    wrap(group.summary, columns).join('\n'),
  ];
  const headings = new Map<string, (readonly [string, string])[]>();
  for (const entry of group.entries) {
    if (entry.isHidden === true) continue;
    const heading = entry.heading ?? 'Commands';
    headings.set(heading, [...(headings.get(heading) ?? []), [entry.name, entry.summary]]);
  }
  for (const [heading, rows] of headings)
    blocks.push(`${heading}:\n${formatColumns(rows, columns)}`);
  if (isRoot) blocks.push(...formatFlags(globalFlags, columns));
  blocks.push(`Run '${path} COMMAND --help' for more about a command.`);
  return `${blocks.join('\n\n')}\n`;
}

/** What a prune did, in docker's words. */

import type { ImageDeleteItem } from '../../spec/docker/image.ts';
import { neutraliseCell } from './safe.ts';
import { formatExactSize } from './units.ts';

/** A heading and its lines with an empty line after them; nothing when there are none. */
export function formatDeleted(heading: string, lines: readonly string[]): string {
  return lines.length === 0
    ? ''
    : `${heading}:\n${lines.map((line) => `${neutraliseCell(line)}\n`).join('')}\n`;
}

/** The last line of a prune. */
export function formatReclaimed(bytes: number): string {
  return `Total reclaimed space: ${formatExactSize(bytes)}\n`;
}

/** `untagged: x` and `deleted: sha256:…`. */
export function formatImageItem(item: ImageDeleteItem, style: 'lower' | 'title'): string {
  const [word, value] =
    'Untagged' in item ? ['Untagged', item.Untagged] : ['Deleted', item.Deleted];
  return `${style === 'lower' ? word.toLowerCase() : word}: ${value}`;
}

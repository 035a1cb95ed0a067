/**
 * Lists of things, as a table or by the user's format: `table`, `table
 * TEMPLATE`, `json`, or a template for each row.
 *
 * Source: docker's `--format` for lists.
 */

import type { Output } from '../io.ts';
import { formatTable } from './table.ts';
import { compileTemplate } from './template/template.ts';

/** A list and how to show it. */
export interface Listing {
  /** What a row may be asked for; values by name. Functions are for templates alone. */
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  /** Heading of every field a table may have. */
  readonly headings: Readonly<Record<string, string>>;
  /** The fields of the table nobody chose. */
  readonly columns: readonly string[];
  /** What the user asked for; empty: the table. */
  readonly format: string;
}

/** Prints a list. Throws `invalid` for a format that does not fit it. */
export async function printListing(output: Output, listing: Listing): Promise<void> {
  await output.write(formatListing(listing));
}

/** The text of a list. */
export function formatListing({ rows, headings, columns, format }: Listing): string {
  if (format === '' || format === 'table') {
    const heading = columns.map((name) => headings[name] ?? name.toUpperCase());
    return formatTable([heading, ...rows.map((row) => columns.map((name) => String(row[name])))]);
  }
  const isTable = format.startsWith('table ');
  const text = (isTable ? format.slice('table '.length) : format).trim();
  const template = compileTemplate(format === 'json' ? '{{json .}}' : unescape(text));
  const lines = rows.map((row) => template.format(row));
  if (!isTable) return lines.map((line) => `${line}\n`).join('');
  const heading = compileTemplate(unescape(text)).format({ ...headings, Label: labelHeading });
  return formatTable([heading, ...lines].map((line) => line.split('\t')));
}

/** In a shell's quotes `\t` and `\n` are two characters. */
function unescape(format: string): string {
  return format.replaceAll('\\t', '\t').replaceAll('\\n', '\n');
}

/** `com.example.build-host` → `build host`. */
function labelHeading(name: unknown): string {
  return (String(name).split('.').at(-1) ?? '').replace(/[-_]/g, ' ');
}

/** The text cut to a length in characters, the last one a `…` when something is missing. */
export function shorten(text: string, length: number): string {
  const characters = Array.from(text);
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join('')}…`;
}

/** An id without its algorithm, twelve digits long. */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12);
}

/**
 * Rows of cells as aligned text. Pure. The widths are docker's: a column is as
 * wide as its widest cell and three spaces, ten at least; the last is not
 * padded.
 */

import { neutraliseCell } from './safe.ts';

const paddingWidth = 3;
const columnWidthMin = 10;

/** The rows as lines, each with its newline. Cells are made harmless for a terminal. `widthMin`: of every column but the last. */
export function formatTable(
  rows: readonly (readonly string[])[],
  widthMin: number = columnWidthMin,
): string {
  const cells = rows.map((row) => row.map(neutraliseCell));
  const widths: number[] = [];
  for (const row of cells) {
    for (const [index, cell] of row.slice(0, -1).entries()) {
      widths[index] = Math.max(widths[index] ?? widthMin, widthOf(cell) + paddingWidth);
    }
  }
  return cells
    .map(
      (row) =>
        `${row.map((cell, index) => pad(cell, index < row.length - 1 ? widths[index] : 0)).join('')}\n`,
    )
    .join('');
}

function pad(cell: string, width: number | undefined): string {
  return cell + ' '.repeat(Math.max(0, (width ?? 0) - widthOf(cell)));
}

/** Characters, not UTF-16 units. */
function widthOf(cell: string): number {
  let width = 0;
  for (const _ of cell) width++;
  return width;
}

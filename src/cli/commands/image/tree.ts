/** `carve images --tree`: layers as they stand on each other, and on each the images that end there. */

import type { ImageTree, TreeImage, TreeLayer } from '../../../spec/image-tree.ts';
import { formatJson } from '../../../client/decode.ts';
import type { Client } from '../../../client/client.ts';
import { usageError } from '../../flags/usage-error.ts';
import type { Io } from '../../io.ts';
import { shortId } from '../../print/listing.ts';
import { neutraliseJson } from '../../print/safe.ts';
import { formatTable } from '../../print/table.ts';
import { formatSize } from '../../print/units.ts';

/** Prints the tree, or `json`. */
export async function printImageTree(client: Client, io: Io, format: string): Promise<void> {
  if (format !== '' && format !== 'json') throw usageError('--tree knows no format but json');
  const tree = await client.images.tree();
  await io.stdout.write(
    format === 'json' ? `${neutraliseJson(formatJson(tree, 2))}\n` : formatImageTree(tree),
  );
}

const headings = ['LAYER', 'SIZE', 'STORED', 'FREES', 'USED BY', 'PLATFORM'];

/** The text of a tree. */
export function formatImageTree(tree: ImageTree): string {
  const layers = Map.groupBy(tree.Layers, ({ Parent }) => Parent);
  const images = Map.groupBy(tree.Images, ({ Layers }) => Layers.at(-1) ?? null);
  const rows: string[][] = [headings];
  // What is shown in front of the children of a node says which of its ancestors go on below.
  const add = (parent: string | null, indent: string): void => {
    const ends = images.get(parent) ?? [];
    const below = layers.get(parent) ?? [];
    const count = ends.length + below.length;
    for (const [index, node] of [...ends, ...below].entries()) {
      const isLast = index === count - 1;
      const branch = parent === null ? '' : `${indent}${isLast ? '└─ ' : '├─ '}`;
      if ('ChainID' in node) {
        rows.push(layerRow(node, branch));
        add(node.ChainID, parent === null ? '' : `${indent}${isLast ? '   ' : '│  '}`);
      } else rows.push(imageRow(node, branch));
    }
  };
  add(null, '');
  const { LayersBytes, ContentBytes } = tree;
  return `${formatTable(rows)}${formatSize(LayersBytes)} unpacked, ${formatSize(ContentBytes)} stored\n`;
}

function layerRow(
  { ChainID, SizeBytes, ContentBytes, Images }: TreeLayer,
  branch: string,
): string[] {
  const count = Images.length;
  const users = count === 0 ? 'no image' : `${count} image${count === 1 ? '' : 's'}`;
  return [
    branch + shortId(ChainID),
    formatSize(SizeBytes),
    formatSize(ContentBytes),
    '',
    users,
    '',
  ];
}

function imageRow(image: TreeImage, branch: string): string[] {
  const { SizeBytes, FreesBytes, Containers, Platform, Offered } = image;
  const count = Containers.length;
  const users = count === 0 ? '' : `${count} container${count === 1 ? '' : 's'}`;
  const others = Offered.flatMap(({ platform }) =>
    platform === undefined || platform.os === 'unknown' ? [] : [platformText(platform)],
  );
  const offered = others.length === 0 ? '' : ` (${others.join(', ')} not here)`;
  return [
    branch + nameOf(image),
    formatSize(SizeBytes),
    '',
    formatSize(FreesBytes),
    users,
    Platform + offered,
  ];
}

function platformText({
  os,
  architecture,
  variant,
}: {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}): string {
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join('/');
}

function nameOf({ Id, Names }: TreeImage): string {
  const tags = Names.filter((name) => !name.includes('@'));
  return tags.length === 0 ? `<none> ${shortId(Id)}` : tags.join(', ');
}

/** A `docker save` archive put together from the tars of its layers. Source: Docker image specification 1.2. */

import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { runOnce } from './process.ts';

/** What goes into an archive. */
export interface ArchiveContent {
  /** Name and tag of the image. */
  readonly tag: string;
  /** Files of the layers, base first, all below `folder`; `.gz` ones are compressed. */
  readonly layers: readonly string[];
}

/** Packs `folder`, which holds the layers; the archive lies beside it. The folder is removed. */
export async function packArchive(
  folder: string,
  { tag, layers }: ArchiveContent,
): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const diffIds = await Promise.all(layers.map((layer) => diffIdOf(join(folder, layer))));
  const config = {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: { Cmd: ['sh'] },
    rootfs: { type: 'layers', diff_ids: diffIds },
  };
  const manifest = [{ Config: 'config.json', RepoTags: [tag], Layers: layers }];
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
  const archive = `${folder}.tar`;
  const files = ['manifest.json', 'config.json', ...layers];
  await runOnce(['tar', '-cf', archive, '-C', folder, ...files]);
  rmSync(folder, { recursive: true });
  return archive;
}

async function diffIdOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  const stored = createReadStream(file);
  const tar = basename(file).endsWith('.gz') ? stored.pipe(createGunzip()) : stored;
  for await (const chunk of tar as AsyncIterable<Buffer>) hash.update(chunk);
  return `sha256:${hash.digest('hex')}`;
}

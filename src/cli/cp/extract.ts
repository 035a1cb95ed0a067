/** An archive from a container as files of this machine. */

import { closeSync, writeSync } from 'node:fs';
import type { TarEntry } from '../../layers/tar-entry.ts';
import { readTar } from '../../layers/tar-stream.ts';
import { DirectoryTree, type FileAttributes } from './directory-tree.ts';
import { entryComponents, type CopyPlan } from './plan-copy.ts';

/** How to copy out. */
export interface ExtractOptions {
  readonly plan: CopyPlan;
  /** Keep the owners the files have in the container. */
  readonly keepsOwner: boolean;
  /** Told of what cannot be copied; the name is for people. */
  readonly onSkipped: (name: string, what: string) => Promise<void>;
}

/** Writes the entries; gives the bytes of the files. Throws `corrupt` for a hostile archive, `conflict` for what is in the way. */
export async function extractArchive(
  archive: AsyncIterable<Buffer>,
  options: ExtractOptions,
): Promise<number> {
  using tree = new DirectoryTree(options.plan.directory);
  let bytes = 0;
  for await (const { entry, body } of readTar(archive)) {
    const components = targetOf(entry.path, options.plan);
    const attributes = attributesOf(entry, options.keepsOwner);
    switch (entry.type) {
      case 'directory':
        tree.makeDirectory(components, attributes);
        break;
      case 'file':
        bytes += await writeFile(tree, components, { attributes, body });
        break;
      case 'symlink':
        tree.makeSymlink(components, entry.linkPath, attributes);
        break;
      case 'hardlink':
        tree.makeHardLink(components, targetOf(entry.linkPath, options.plan));
        break;
      case 'char':
      case 'block':
      case 'fifo':
        await options.onSkipped(
          Buffer.from(entry.path, 'latin1').toString('utf8'),
          entry.type === 'fifo' ? 'a named pipe' : 'a device',
        );
        break;
    }
  }
  tree.finish();
  return bytes;
}

/** Where an entry goes: its first component is what was copied, and may have another name here. */
function targetOf(path: string, { name }: CopyPlan): readonly string[] {
  const components = entryComponents(path);
  if (name === undefined) return components;
  return [Buffer.from(name).toString('latin1'), ...components.slice(1)];
}

function attributesOf(entry: TarEntry, keepsOwner: boolean): FileAttributes {
  return {
    // Without their owners set-id bits would mean somebody else.
    mode: keepsOwner ? entry.mode : entry.mode & 0o1777,
    mtimeS: entry.mtimeS + entry.mtimeNs / 1e9,
    owner: keepsOwner ? { uid: entry.uid, gid: entry.gid } : undefined,
  };
}

async function writeFile(
  tree: DirectoryTree,
  components: readonly string[],
  {
    attributes,
    body,
  }: { readonly attributes: FileAttributes; readonly body: AsyncIterable<Uint8Array> },
): Promise<number> {
  const fd = tree.createFile(components);
  try {
    let bytes = 0;
    for await (const chunk of body) {
      for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at);
      bytes += chunk.length;
    }
    tree.finishFile(fd, attributes);
    return bytes;
  } finally {
    closeSync(fd);
  }
}

/** The image of the bench: a static busybox and links to it, as a folder and as a tar. */

import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runOnce } from './process.ts';

const APPLETS = ['sh', 'true', 'sleep', 'cat', 'yes', 'head', 'echo', 'ls', 'id', 'ps', 'dd'];

/** Makes the root in `folder`. */
export function makeRootfs(folder: string): void {
  for (const name of ['bin', 'etc', 'tmp', 'proc', 'sys', 'dev', 'root']) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  chmodSync(join(folder, 'tmp'), 0o1777);
  copyFileSync('/bin/busybox', join(folder, 'bin/busybox'));
  for (const name of APPLETS) symlinkSync('busybox', join(folder, 'bin', name));
  writeFileSync(join(folder, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  writeFileSync(join(folder, 'etc/group'), 'root:x:0:\n');
}

/** Packs a folder as `file`. */
export async function packFolder(folder: string, file: string): Promise<void> {
  await runOnce(['tar', '--numeric-owner', '-cf', file, '-C', folder, '.']);
}

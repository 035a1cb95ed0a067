/**
 * The writable directories of a snapshot. An overlay shows the attributes of
 * its upper directory as those of `/`, so it gets the image's.
 */
import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { RootAttributes } from '../spec/layer.ts';

const UPPER_MODE = 0o755;

/** Make `directory` with `upper` and `work` in it. Precondition: it does not exist. */
export function makeWritable(directory: string, root: RootAttributes): void {
  mkdirSync(directory, { mode: 0o700 });
  mkdirSync(join(directory, 'work'), { mode: 0o700 });
  mkdirSync(join(directory, 'upper'), { mode: UPPER_MODE });
  setRootAttributes(directory, root);
}

/** The same for a root that is not known yet: `setRootAttributes` completes it. */
export async function makeSpareWritable(directory: string): Promise<void> {
  await mkdir(directory, { mode: 0o700 });
  await mkdir(join(directory, 'work'), { mode: 0o700 });
  await mkdir(join(directory, 'upper'), { mode: UPPER_MODE });
}

/** Give the upper directory the attributes of `/`. Precondition: nobody mounted it yet. */
export function setRootAttributes(directory: string, root: RootAttributes): void {
  const upper = join(directory, 'upper');
  if (root.uid !== 0 || root.gid !== 0) chownSync(upper, root.uid, root.gid);
  // After the chown, which clears set-id bits; also undoes the umask.
  chmodSync(upper, root.mode);
}

/**
 * The writable directories of a snapshot. An overlay shows the attributes of
 * its upper directory as those of `/`, so it gets the image's.
 */
import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { RootAttributes } from '../spec/layer.ts';

/** Make `directory` with `upper` and `work` in it. Precondition: it does not exist. */
export function makeWritable(directory: string, root: RootAttributes): void {
  mkdirSync(directory, { mode: 0o700 });
  mkdirSync(join(directory, 'work'), { mode: 0o700 });
  const upper = join(directory, 'upper');
  mkdirSync(upper, { mode: 0o755 });
  if (root.uid !== 0 || root.gid !== 0) chownSync(upper, root.uid, root.gid);
  // After the chown, which clears set-id bits; also undoes the umask.
  if (root.mode !== 0o755 || process.umask() !== 0o022) chmodSync(upper, root.mode);
}

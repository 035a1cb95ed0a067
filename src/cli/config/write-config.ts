/**
 * The configuration file, changed: whole, with a rename, readable by its owner
 * alone, as it may hold passwords.
 *
 * **Invariants**
 * - At any moment the file is the old one or the new one; mode 0600 whatever
 *   the umask, and never more on the way.
 * - A link that leads to somebody else's file is refused: what would be written
 *   there is not the user's.
 */

import { randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import { lstat, mkdir, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { EngineError, isEngineError, messageOf } from '../../base/error.ts';
import { readConfig } from './config.ts';

/** What a file is changed to. */
export type ConfigChange = (
  raw: Readonly<Record<string, unknown>>,
) => Readonly<Record<string, unknown>>;

/** Reads the file at `path` anew, changes and writes it. Throws `unavailable`; `denied` for a link to another user's file. */
export async function changeConfig(path: string, change: ConfigChange): Promise<void> {
  if (path === '')
    throw new EngineError(
      'unavailable',
      'Cannot keep the login: there is no home directory; set DOCKER_CONFIG',
    );
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const place = await placeOf(path);
    // What another program wrote since this one began is kept.
    const { raw } = readConfig(dirname(path));
    await replace(place, `${JSON.stringify(change(raw), undefined, '\t')}\n`);
  } catch (error) {
    if (isEngineError(error)) throw error;
    throw new EngineError('unavailable', `Cannot write ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** The file behind the name. */
async function placeOf(path: string): Promise<string> {
  const named = await found(lstat(path));
  if (named?.isSymbolicLink() !== true) return path;
  const real = await realpath(path);
  const { uid } = await stat(real);
  const own = process.getuid?.() ?? uid;
  if (uid === own) return real;
  throw new EngineError('denied', `Cannot write ${path}: it is a link to a file of another user`);
}

async function replace(path: string, text: string): Promise<void> {
  await sweep(path);
  const partial = `${path}.${String(process.pid)}-${randomBytes(6).toString('hex')}`;
  const before = await found(stat(path));
  const file = await open(partial, 'wx', 0o600);
  try {
    await file.writeFile(text);
    // Root may write for a user, whose file it stays.
    if (before !== undefined && process.getuid?.() === 0) await file.chown(before.uid, before.gid);
    await file.sync();
    await file.close();
    await rename(partial, path);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(partial, { force: true });
    throw error;
  }
}

/** Takes away what programs left that were killed while they wrote. */
async function sweep(path: string): Promise<void> {
  const directory = dirname(path);
  for (const name of await readdir(directory)) {
    if (!name.startsWith(`${basename(path)}.`)) continue;
    const pid = /\.(\d+)-[0-9a-f]{12}$/.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid)))
      await rm(join(directory, name), { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** `undefined` for a file that is not there. */
async function found(work: Promise<Stats>): Promise<Stats | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

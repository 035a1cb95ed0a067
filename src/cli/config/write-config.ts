/**
 * The configuration file, changed: whole, with a rename, readable by its owner
 * alone, as it may hold passwords.
 */

import { mkdir, open, realpath, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { EngineError, messageOf } from '../../base/error.ts';

/** Writes the file at `path`; a link stays one. Throws `unavailable`. */
export async function writeConfig(
  path: string,
  raw: Readonly<Record<string, unknown>>,
): Promise<void> {
  if (path === '')
    throw new EngineError(
      'unavailable',
      'Cannot keep the login: there is no home directory; set DOCKER_CONFIG',
    );
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await replace(
      await realpath(path).catch(() => path),
      `${JSON.stringify(raw, undefined, '\t')}\n`,
    );
  } catch (error) {
    throw new EngineError('unavailable', `Cannot write ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function replace(path: string, text: string): Promise<void> {
  const partial = `${path}.${String(process.pid)}`;
  const file = await open(partial, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
    await file.close();
    await rename(partial, path);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(partial, { force: true });
    throw error;
  }
}

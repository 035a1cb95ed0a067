/** Where an archive goes: a file that appears only when it is complete, or standard output when that is no terminal. */

import { open, rename, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { EngineError, messageOf } from '../base/error.ts';
import type { Io } from './io.ts';

/** Writes an archive to the file `path` (relative to the caller's directory), or to standard output when it is empty. */
export async function writeArchive(
  io: Io,
  path: string,
  archive: AsyncIterable<Uint8Array>,
): Promise<void> {
  if (path !== '' && path !== '-') {
    await writeFile(resolve(io.cwd, path), archive);
    return;
  }
  for await (const chunk of archive) await io.stdout.write(chunk);
}

/** Throws when an archive would go to a terminal. To be called before it is asked for. */
export function refuseTerminal(io: Io, path: string): void {
  if ((path === '' || path === '-') && io.stdout.isTerminal) {
    throw new EngineError(
      'invalid',
      'Cannot write an archive to a terminal: use -o FILE, or redirect the output',
    );
  }
}

async function writeFile(path: string, archive: AsyncIterable<Uint8Array>): Promise<void> {
  const partial = `${path}.partial-${String(process.pid)}`;
  const file = await open(partial, 'wx', 0o600).catch((error: unknown) => {
    throw new EngineError('invalid', `Cannot write ${path}: ${messageOf(error)}`, { cause: error });
  });
  try {
    for await (const chunk of archive) await file.writeFile(chunk);
    await file.close();
    await rename(partial, path);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(partial, { force: true });
    throw error;
  }
}

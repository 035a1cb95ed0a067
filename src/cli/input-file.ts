/** Where an archive comes from: a file, or standard input. */

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { EngineError, messageOf } from '../base/error.ts';
import type { Io } from './io.ts';

/** Bytes read at once. */
const chunkBytes = 1024 * 1024;

/** The bytes of a file, relative to the caller's directory; of standard input when `path` is empty or `-`. Throws `not-found`, `invalid`. */
export async function openArchive(io: Io, path: string): Promise<AsyncIterable<Uint8Array>> {
  if (path === '' || path === '-') {
    if (io.stdin.isTerminal)
      throw new EngineError(
        'invalid',
        'Cannot read an archive from a terminal: use -i FILE, or redirect the input',
      );
    return io.stdin.chunks();
  }
  const full = resolve(io.cwd, path);
  const found = await stat(full).catch((error: unknown) => {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    throw new EngineError(
      isMissing ? 'not-found' : 'invalid',
      `Cannot read ${path}: ${isMissing ? 'no such file' : messageOf(error)}`,
    );
  });
  if (found.isDirectory())
    throw new EngineError('invalid', `Cannot read ${path}: it is a directory`);
  return bytesOf(createReadStream(full, { highWaterMark: chunkBytes }), path);
}

async function* bytesOf(
  stream: AsyncIterable<unknown>,
  path: string,
): AsyncGenerator<Uint8Array, void, void> {
  try {
    for await (const chunk of stream) if (chunk instanceof Uint8Array) yield chunk;
  } catch (error) {
    throw new EngineError('invalid', `Cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
}

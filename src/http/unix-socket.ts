/**
 * The unix socket of a server: made under a name of its own with its final mode
 * and owner, then linked to its place. So it is never reachable with wider
 * rights, never replaces a socket somebody answers on, and two servers that
 * start together cannot both win.
 *
 * Source: unix(7), link(2), rename(2).
 */

import { chmod, chown, link, lstat, readFile, rename, stat, unlink } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { EngineError, messageOf } from '../base/error.ts';

/** Bytes of a socket's path, without the terminating zero. Source: unix(7). */
const pathBytesMax = 107;
const groups = ['carve', 'docker'] as const;

/** A listening socket in its place. */
export interface PlacedSocket {
  /** Remove the socket from its place, if it is still ours. */
  remove(): Promise<void>;
}

/** How the socket is made. */
export interface UnixSocketOptions {
  readonly path: string;
  /** Id of the group that may connect; `undefined`: `carve`, else `docker`, else root's. */
  readonly groupId?: number;
  /** Distinguishes the temporary name: process id and a random part. */
  readonly token: string;
}

/** Make `server` listen. Errors: `in-use` when somebody answers there, `conflict` when a file is in the way, `invalid`, `denied`, `internal`. */
export async function listenUnix(
  server: Server,
  options: UnixSocketOptions,
): Promise<PlacedSocket> {
  const { path } = options;
  const temporary = join(dirname(path), `.${options.token}`);
  if (Buffer.byteLength(path) > pathBytesMax || Buffer.byteLength(temporary) > pathBytesMax) {
    throw new EngineError(
      'invalid',
      `Cannot listen on ${path}: a socket's path has at most ${pathBytesMax} bytes`,
    );
  }
  await checkDirectory(path);
  await listening(server, temporary, path);
  try {
    await setOwner(temporary, options.groupId ?? (await findGroup()));
    await chmod(temporary, 0o660);
    await place(temporary, path);
    const { dev, ino } = await lstat(path);
    return { remove: () => removeIfOurs(path, { dev, ino }) };
  } catch (error) {
    server.close();
    throw error instanceof EngineError ? error : cannotListen(path, error);
  } finally {
    await unlink(temporary).catch(() => undefined);
  }
}

/** Before bind(2), whose errors the runtimes change. Errors: `not-found`. */
async function checkDirectory(path: string): Promise<void> {
  const found = await stat(dirname(path)).catch(() => undefined);
  if (found?.isDirectory() === true) return;
  throw new EngineError('not-found', `Cannot listen on ${path}: its directory does not exist`);
}

async function listening(server: Server, temporary: string, path: string): Promise<void> {
  const mask = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ path: temporary }, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (error) {
    throw cannotListen(path, error);
  } finally {
    process.umask(mask);
  }
}

function cannotListen(path: string, error: unknown): EngineError {
  const code = codeOf(error);
  const kind = code === 'EACCES' || code === 'EPERM' || code === 'EROFS' ? 'denied' : 'internal';
  return new EngineError(kind, `Cannot listen on ${path}: ${messageOf(error)}`, { cause: error });
}

/** Link into place; a dead socket there makes room, once. */
async function place(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
    return;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  await makeRoom(path, `${temporary}~`);
  try {
    await link(temporary, path);
  } catch (error) {
    throw codeOf(error) === 'EEXIST' ? inUse(path) : error;
  }
}

/** Take a dead socket away. Errors: `in-use`, `conflict`. */
async function makeRoom(path: string, aside: string): Promise<void> {
  const found = await lstat(path);
  if (!found.isSocket()) {
    throw new EngineError('conflict', `Cannot listen on ${path}: it exists and is not a socket`);
  }
  if (await isAnswered(path)) throw inUse(path);
  // Renamed, not unlinked: were it replaced by a live one since, it goes back.
  await rename(path, aside);
  const moved = await lstat(aside);
  if (moved.ino === found.ino && moved.dev === found.dev) {
    await unlink(aside);
    return;
  }
  await link(aside, path).catch(() => undefined);
  await unlink(aside);
  throw inUse(path);
}

function inUse(path: string): EngineError {
  return new EngineError('in-use', `Cannot listen on ${path}: another server answers there`);
}

/** Somebody listens: only a refused connection says no. */
async function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => {
      const code = codeOf(error);
      resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT');
    });
  });
}

async function setOwner(path: string, groupId: number): Promise<void> {
  const userId = process.getuid?.() ?? 0;
  try {
    await chown(path, userId, groupId);
  } catch (error) {
    // Without root the socket stays the user's own.
    if (userId === 0 || codeOf(error) !== 'EPERM') throw error;
  }
}

/** Id of the first of the known groups; else the process's own. */
async function findGroup(): Promise<number> {
  const own = process.getgid?.() ?? 0;
  if (process.getuid?.() !== 0) return own;
  const file = await readFile('/etc/group', 'utf8').catch(() => '');
  const ids = new Map(
    file.split('\n').map((line) => {
      const [name = '', , id] = line.split(':');
      return [name, Number(id)];
    }),
  );
  const known = groups.map((name) => ids.get(name)).find((id) => Number.isInteger(id));
  return known ?? own;
}

async function removeIfOurs(
  path: string,
  ours: { readonly dev: number; readonly ino: number },
): Promise<void> {
  try {
    const { dev, ino } = await lstat(path);
    if (dev === ours.dev && ino === ours.ino) await unlink(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;
}

/** Trees copied by `chisel duplicate`, `merge` and `quota`. Source: chisel/duplicate.h. */
import { getSystemErrorName } from 'node:util';
import type { HostPath } from '../base/brand.ts';
import { EngineError, type ErrorKind } from '../base/error.ts';
import { type ChiselExit, spawnChisel } from '../kernel/spawn-chisel.ts';
import { quoteName } from './tar-entry.ts';
import type { DuplicateRequest, ProjectQuota, TreeCopies } from './tree-copies.ts';

/** Starts a chisel for each call. */
export class ChiselCopies implements TreeCopies {
  readonly #chiselPath: HostPath;

  constructor(chiselPath: HostPath) {
    this.#chiselPath = chiselPath;
  }

  async duplicate({ place, path, target, signal }: DuplicateRequest): Promise<boolean> {
    const { pid, startTicks, below } = place;
    const words = ['duplicate', String(pid), String(startTicks), below, path, target];
    const failure = await this.#run(words, signal);
    if (failure === undefined) return true;
    const isAbsent = failure.call === 'path' && ABSENT.has(failure.errno);
    if (isAbsent) return false;
    throw errorOf(failure, 'Cannot copy files');
  }

  async merge(from: string, to: string): Promise<void> {
    const failure = await this.#run(['merge', from, to]);
    if (failure !== undefined) throw errorOf(failure, 'Cannot move files');
  }

  async limit(directory: string, quota: ProjectQuota): Promise<void> {
    const { projectId, sizeBytes } = quota;
    const failure = await this.#run(['quota', directory, String(projectId), String(sizeBytes)]);
    if (failure === undefined) return;
    if (NO_QUOTA.has(failure.errno)) {
      throw new EngineError(
        'unsupported',
        'quota size requested but no quota support: the file system of the engine keeps no project quotas',
        {
          hint: 'ext4 needs the features quota and project and the mount option prjquota, xfs the mount option prjquota',
          cause: failure,
        },
      );
    }
    throw errorOf(failure, 'Cannot set a quota');
  }

  /** What failed; `undefined`: nothing. */
  async #run(words: readonly string[], signal?: AbortSignal): Promise<Failure | undefined> {
    for (const word of words) {
      if (word.includes('\0')) throw new EngineError('invalid', 'A path cannot hold a NUL');
    }
    const child = spawnChisel(this.#chiselPath, words);
    const onAbort = (): void => child.kill();
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    child.stdin.end();
    let text = '';
    for await (const chunk of child.stdout as AsyncIterable<Buffer>)
      text += chunk.toString('latin1');
    const exit = await child.exited;
    signal?.removeEventListener('abort', onAbort);
    if (signal?.aborted === true)
      throw new EngineError('cancelled', 'Cannot copy files: it was cancelled');
    return decodeAnswer(text, exit);
  }
}

/** The one line: what failed; `undefined`: nothing. Errors: `internal` for no such line. */
function decodeAnswer(text: string, exit: ChiselExit): Failure | undefined {
  if (text.startsWith('ok ') && exit.code === 0) return undefined;
  const match = /^failed 0 (\d+) (\S+) ([^\n]*)\n$/.exec(text);
  if (match !== null) {
    const [, number = '0', call = '', path = ''] = match;
    return { errno: getSystemErrorName(-Number(number)), call, path };
  }
  const how = exit.signal ?? `exit code ${exit.code ?? 'unknown'}`;
  const message = `Cannot copy files: the chisel ended without an answer (${how})`;
  throw new EngineError('internal', message);
}

/** A call of the chisel's that failed. */
interface Failure {
  readonly errno: string;
  readonly call: string;
  /** Byte string, below the tree. */
  readonly path: string;
}

const ABSENT: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);
/** What file systems say that keep no project quotas, or do not enforce them. */
const NO_QUOTA: ReadonlySet<string> = new Set([
  'ENOSYS',
  'ESRCH',
  'ENOTTY',
  'EOPNOTSUPP',
  'ENOTSUP',
  'EINVAL',
  'ENOTBLK',
]);

const KINDS: Readonly<Record<string, ErrorKind>> = {
  ENOSPC: 'exhausted',
  EDQUOT: 'exhausted',
  E2BIG: 'exhausted',
  EMFILE: 'exhausted',
  ENAMETOOLONG: 'invalid',
  EACCES: 'denied',
  EPERM: 'denied',
  EROFS: 'denied',
  ESRCH: 'conflict',
  EIO: 'corrupt',
};

const PHRASES: Readonly<Record<string, string>> = {
  ENOSPC: 'no space is left on the disk',
  EDQUOT: 'the disk quota is used up',
  E2BIG: 'too many files have several names',
  ENAMETOOLONG: 'the path is too long',
};

/** A link that is none any more, a directory that became one: somebody wrote meanwhile. */
function hasChanged({ errno, call }: Failure): boolean {
  if (errno === 'EINVAL') return call === 'readlinkat';
  return call !== 'path' && ABSENT.has(errno);
}

function errorOf(failure: Failure, what: string): EngineError {
  const { errno, call, path } = failure;
  const where = path === '' ? '' : ` ${quoteName(path)}:`;
  const isChanged = hasChanged(failure);
  const phrase = isChanged
    ? 'it changed while it was copied'
    : (PHRASES[errno] ?? `${errno} (${call})`);
  const kind = isChanged ? 'conflict' : (KINDS[errno] ?? 'internal');
  return new EngineError(kind, `${what}:${where} ${phrase}`, {
    cause: { errno, call },
    details: { errno, call },
  });
}

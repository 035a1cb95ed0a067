/**
 * One run of `chisel unpack`, or of `chisel copy in`, which speaks alike: bytes in with back pressure, one answer out.
 *
 * **Invariant:** at most {@link WINDOW_BATCHES} batches wait for the chisel, so
 * a slow disk holds the reader back and memory stays bounded.
 * Source: docs/layer-streams.md "The answer".
 */
import { getSystemErrorName } from 'node:util';
import type { HostPath } from '../base/brand.ts';
import { EngineError, type ErrorKind, toError } from '../base/error.ts';
import { type ChiselChild, spawnChisel } from '../kernel/spawn-chisel.ts';
import { quoteName } from './tar-entry.ts';

/** Batches on their way to the chisel before the writer waits. */
const WINDOW_BATCHES = 4;

/** What the chisel said. */
type Answer = { readonly isOk: true } | { readonly isOk: false; readonly error: EngineError };

/** A running `chisel unpack`. */
export class UnpackChild {
  readonly #child: ChiselChild;
  readonly #answer: Promise<Answer>;
  #inFlight = 0;
  #failure: unknown;
  #wake: (() => void) | undefined;

  /** `args`: `unpack …` or `copy in …`. */
  constructor(chiselPath: HostPath, args: readonly string[]) {
    this.#child = spawnChisel(chiselPath, args);
    this.#answer = this.#readAnswer();
    this.#answer.then(
      (answer) => {
        if (!answer.isOk) this.#fail(answer.error);
      },
      (error: unknown) => {
        this.#fail(error);
      },
    );
  }

  /** Send a batch; resolves at once while the window has room. `onWritten`: its memory is free again. Errors: those of the chisel. */
  async write(batch: Buffer, onWritten: () => void): Promise<void> {
    this.#throwFailure();
    this.#inFlight++;
    this.#child.stdin.write(batch, () => {
      this.#inFlight--;
      onWritten();
      this.#wake?.();
    });
    while (this.#inFlight >= WINDOW_BATCHES) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#throwFailure();
    }
  }

  /** All operations were sent: wait for the answer. Errors: the failed operation's. */
  async finish(): Promise<void> {
    this.#child.stdin.end();
    const answer = await this.#answer;
    if (!answer.isOk) throw answer.error;
  }

  /** True when the process also brought its files to the disk; resolves when it is gone. */
  async synced(): Promise<boolean> {
    const exit = await this.#child.exited;
    return exit.code === 0;
  }

  /** End it now; resolves when it is gone. Its directory is then nobody's but the caller's. */
  async kill(): Promise<void> {
    this.#child.kill();
    this.#child.stdin.destroy();
    await this.#child.exited.catch(() => undefined);
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#wake?.();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw toError(this.#failure);
  }

  /** `ok` ends at its newline, because the process lives on to sync; a failure ends with the output. */
  async #readAnswer(): Promise<Answer> {
    let text = '';
    try {
      for await (const chunk of this.#child.stdout as AsyncIterable<Buffer>) {
        text += chunk.toString('latin1');
        if (text.startsWith('ok ') && text.endsWith('\n')) return { isOk: true };
      }
    } catch {
      // A process that could not be started has no output; `exited` tells why.
    }
    const exit = await this.#child.exited;
    return {
      isOk: false,
      error: failureOf(text, exit.signal ?? `exit code ${exit.code ?? 'unknown'}`),
    };
  }
}

const KINDS: Readonly<Record<string, ErrorKind>> = {
  ENOSPC: 'exhausted',
  EDQUOT: 'exhausted',
  EFBIG: 'exhausted',
  EPERM: 'denied',
  EACCES: 'denied',
  EROFS: 'denied',
  ENOENT: 'invalid',
  ENOTDIR: 'invalid',
  EINVAL: 'invalid',
  ENAMETOOLONG: 'invalid',
  EMLINK: 'invalid',
  ELOOP: 'invalid',
  EEXIST: 'invalid',
  ENOTEMPTY: 'invalid',
  EISDIR: 'invalid',
  EXDEV: 'invalid',
  EBUSY: 'invalid',
  E2BIG: 'invalid',
  ERANGE: 'invalid',
  ENOTSUP: 'unsupported',
  EIO: 'corrupt',
};

const PHRASES: Readonly<Record<string, string>> = {
  ENOSPC: 'no space is left on the disk',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file is too large for the file system',
  EPERM: 'the kernel does not permit it',
  EACCES: 'permission is denied',
  EROFS: 'the file system is read-only',
  ENOENT: 'it does not exist',
  EMLINK: 'it has too many links',
  ELOOP: 'it lies behind too many symbolic links',
  EEXIST: 'something is in its place',
  ENOTDIR: 'it lies below something that is not a directory',
  ENOTEMPTY: 'a directory that is not empty is in its place',
  EXDEV: 'it lies in another mount',
  EBUSY: 'something is mounted there',
  ENOTSUP: 'the file system does not support it',
  EIO: 'the disk failed',
};

/** `failed INDEX ERRNO CALL PATH` → an error that names the entry. */
function failureOf(text: string, exit: string): EngineError {
  const match = /^failed (\d+) (\d+) (\S+) ([\s\S]*)\n$/.exec(text);
  if (match === null)
    return new EngineError(
      'internal',
      `Cannot unpack layer: the chisel ended without an answer (${exit})`,
    );
  const [, index, number, call = '', path = ''] = match;
  const errno = getSystemErrorName(-Number(number));
  const kind = errno === 'EPROTO' || errno === 'EPIPE' ? 'internal' : (KINDS[errno] ?? 'internal');
  const phrase = PHRASES[errno] ?? errno;
  const subject = path === '' ? 'the root directory' : quoteName(path);
  const what =
    call === 'openat' && errno === 'ENOENT'
      ? `the hard link ${subject} leads to a file that no layer has`
      : `${subject}: ${phrase}`;
  return new EngineError(kind, `Cannot unpack layer: ${what}`, {
    cause: { index: Number(index), errno, call },
    details: { errno, call, path: Buffer.from(path, 'latin1').toString('utf8') },
  });
}

/**
 * From a plan that failed to the sentence and exit code its user needs, pure.
 * Docker's CLI tells 126 and 127 by words in the message ("executable file not
 * found", "no such file or directory", "permission denied"), so these words stay.
 *
 * Source: engine-api facts 5.1; docker/cli `toStatusError`.
 */

import { EngineError, isEngineError } from '../base/error.ts';
import type { PlanOpOf } from '../kernel/plan/op.ts';
import { isKernelFailure, type KernelFailure } from '../kernel/plan/report.ts';

/** Exit codes of a process that never ran. */
const NOT_FOUND = 127;
const CANNOT_RUN = 126;
const OTHER = 128;

/** What a failure means to a user. */
interface Meaning {
  readonly text: string;
  readonly exitCode: number;
}

/**
 * The error of a start or exec; `what` begins the sentence. An engine error that
 * is not a plan's failure only gets its exit code; any other is a bug and stays.
 */
export function explainStart(error: unknown, what: string): unknown {
  if (!isEngineError(error)) return error;
  const meaning = isKernelFailure(error.cause) ? meaningOf(error.cause) : undefined;
  const { details, hint, cause } = error;
  const options = { cause: cause ?? error, ...(hint === undefined ? {} : { hint }) };
  if (meaning === undefined) {
    return new EngineError(error.kind, error.message, {
      ...options,
      details: { exitCode: OTHER, ...details },
    });
  }
  return new EngineError('invalid', `${what}: ${meaning.text}`, {
    ...options,
    details: { ...details, exitCode: meaning.exitCode },
  });
}

function meaningOf(failure: KernelFailure): Meaning | undefined {
  const { op, errno } = failure;
  if (op?.op === 'exec') return meaningOfExec(op, failure);
  if (op?.op === 'chdir' || op?.op === 'mkdirs') {
    const text = `chdir to cwd (${JSON.stringify(op.path)}) failed: ${wordsOf(errno)}`;
    return { text, exitCode: errno === 'ENOENT' ? NOT_FOUND : CANNOT_RUN };
  }
  if (op?.op === 'write' && SYSCTL_PATH.test(op.path))
    return { text: meaningOfSysctl(op.path, errno), exitCode: OTHER };
  return meaningOfMount(failure);
}

function meaningOfMount({ op, errno }: KernelFailure): Meaning | undefined {
  if (op?.op === 'open-tree') return meaningOfSource(op, errno);
  if (op?.op === 'fsmount') {
    const text = `failed to mount ${JSON.stringify(op.source)} as ${op.fsType}: ${wordsOf(errno)}`;
    return { text, exitCode: OTHER };
  }
  if (op?.op === 'attach' && (errno === 'ENOTDIR' || errno === 'EISDIR')) {
    const text = `error mounting to rootfs at ${JSON.stringify(op.path)}: not a directory: are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type`;
    return { text, exitCode: NOT_FOUND };
  }
  return undefined;
}

function meaningOfSource({ dir, path }: PlanOpOf<'open-tree'>, errno: string): Meaning {
  const what =
    dir === undefined
      ? `cannot mount ${JSON.stringify(path)}`
      : `cannot access the subpath ${JSON.stringify(path)} of a volume or image`;
  const exitCode = dir === undefined && errno !== 'ENOENT' ? OTHER : NOT_FOUND;
  return { text: `${what}: ${wordsOf(errno)}`, exitCode };
}

/** Below a procfs of the plan, or below the host's. */
const SYSCTL_PATH = /^(?:\/proc\/)?sys\//;

function meaningOfSysctl(path: string, errno: string): string {
  const name = path.replace(SYSCTL_PATH, '').replaceAll('/', '.');
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: 'the kernel has no such parameter here',
    EINVAL: 'the kernel does not take this value',
    ERANGE: 'the kernel does not take this value',
  };
  return `cannot set sysctl ${JSON.stringify(name)}: ${reasons[errno] ?? wordsOf(errno)}`;
}

function meaningOfExec(op: PlanOpOf<'exec'>, failure: KernelFailure): Meaning {
  const name = op.argv[0] ?? '';
  const quoted = JSON.stringify(name);
  if (failure.call.startsWith('interpreter')) {
    return {
      text: `exec ${name}: no such file or directory: the program is there, but what must run it (its interpreter or loader) is not`,
      exitCode: NOT_FOUND,
    };
  }
  switch (failure.errno) {
    case 'ENOENT':
      return {
        text: name.includes('/')
          ? `exec: ${quoted}: stat ${name}: no such file or directory`
          : `exec: ${quoted}: executable file not found in $PATH`,
        exitCode: NOT_FOUND,
      };
    case 'ENOTDIR':
      return { text: `exec: ${quoted}: stat ${name}: not a directory`, exitCode: NOT_FOUND };
    case 'EISDIR':
      return { text: `exec: ${quoted}: is a directory`, exitCode: CANNOT_RUN };
    default:
      return { text: `exec: ${quoted}: ${wordsOf(failure.errno)}`, exitCode: CANNOT_RUN };
  }
}

/** As the C library says it, for errors that clients look for. */
function wordsOf(errno: string): string {
  return WORDS[errno] ?? errno;
}

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted: permission denied',
  ENOTDIR: 'not a directory',
  EISDIR: 'is a directory',
  ENOEXEC: 'exec format error',
  E2BIG: 'argument list too long',
  ELOOP: 'too many levels of symbolic links',
  ENODEV: 'the kernel knows no such file system',
  EINVAL: 'invalid argument: the kernel refuses an option, or the device holds another file system',
  ENOTBLK: 'it is no block device',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the server ended the connection',
  EHOSTDOWN: 'the server does not answer',
  EHOSTUNREACH: 'no route to host',
  EIO: 'input/output error',
  ENETUNREACH: 'network is unreachable',
  EPROTONOSUPPORT: 'protocol not supported: the server has not this version, see the option vers',
  ESTALE: 'stale file handle',
  ETIMEDOUT: 'the server does not answer in time',
  ENOMEM: 'cannot allocate memory',
  ETXTBSY: 'text file busy',
};

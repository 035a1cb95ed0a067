/**
 * Programs that keep credentials: `docker-credential-NAME`, spoken to over
 * standard input and output. A name is one word, so that no configuration file
 * can start anything else; secrets are never on a command line.
 *
 * Source: docker-credential-helpers, "Development" (get, store, erase).
 */

import { spawn } from 'node:child_process';
import { EngineError } from '../base/error.ts';

/** What a helper keeps. */
export interface HelperCredentials {
  readonly ServerURL?: string;
  readonly Username: string;
  readonly Secret: string;
}

/** What helpers say for a registry they do not know. */
const notFoundText = 'credentials not found';
/** Longest answer, in bytes. */
const answerBytesMax = 1024 * 1024;

/** The credentials a helper keeps for a registry; `undefined` when it has none. Throws `unavailable`. */
export async function readHelperCredentials(
  helper: string,
  key: string,
): Promise<HelperCredentials | undefined> {
  const answer = await callHelper(helper, 'get', key);
  if (answer === undefined) return undefined;
  const value = parseAnswer(answer);
  const isCredentials =
    typeof value === 'object' && value !== null && 'Username' in value && 'Secret' in value;
  if (!isCredentials || typeof value.Username !== 'string' || typeof value.Secret !== 'string') {
    throw new EngineError(
      'corrupt',
      `Cannot use the credential helper ${helper}: its answer has no credentials`,
    );
  }
  return { Username: value.Username, Secret: value.Secret };
}

/** `undefined` for what is not JSON. */
function parseAnswer(answer: string): unknown {
  try {
    const value: unknown = JSON.parse(answer);
    return value;
  } catch {
    return undefined;
  }
}

/** Gives credentials to a helper to keep. Throws `unavailable`. */
export async function storeHelperCredentials(
  helper: string,
  credentials: HelperCredentials,
): Promise<void> {
  await callHelper(helper, 'store', JSON.stringify(credentials));
}

/** Makes a helper forget a registry. Throws `unavailable`. */
export async function eraseHelperCredentials(helper: string, key: string): Promise<void> {
  await callHelper(helper, 'erase', key);
}

/** What the helper printed; `undefined` when it knows nothing. */
async function callHelper(
  helper: string,
  verb: string,
  input: string,
): Promise<string | undefined> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(helper)) {
    throw new EngineError(
      'invalid',
      `Cannot use the credential helper "${helper}": it is not the name of a program`,
    );
  }
  const program = `docker-credential-${helper}`;
  const child = spawn(program, [verb], { stdio: ['pipe', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8');
    child[name].on('data', (text: string) => {
      if (output[name].length < answerBytesMax) output[name] += text;
    });
  }
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', (cause: NodeJS.ErrnoException) => {
      reject(
        new EngineError(
          'unavailable',
          `Cannot start the credential helper ${program}: ${cause.code ?? cause.message}`,
          { cause },
        ),
      );
    });
    child.once('close', (exitCode) => {
      resolve(exitCode ?? 128);
    });
    // A helper that ends early does not read it all.
    child.stdin.once('error', () => undefined);
    child.stdin.end(input);
  });
  if (code === 0) return output.stdout;
  const reason = (output.stdout.trim() === '' ? output.stderr : output.stdout).trim();
  if (reason.includes(notFoundText)) return undefined;
  throw new EngineError(
    'unavailable',
    `The credential helper ${program} failed: ${reason === '' ? `exit code ${String(code)}` : reason}`,
  );
}

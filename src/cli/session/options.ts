/** What several commands check before they connect a terminal. */

import { EngineError } from '../../base/error.ts';
import { parseDetachKeys } from '../../spec/docker/detach-keys.ts';
import type { Context } from '../command.ts';
import type { Io } from '../io.ts';

/** Throws when a console is asked for and the input to it is no terminal. */
export function checkTerminal(
  io: Io,
  { tty, stdin }: { readonly tty: boolean; readonly stdin: boolean },
): void {
  if (tty && stdin && !io.stdin.isTerminal) {
    throw new EngineError('invalid', 'the input device is not a TTY', {
      details: { source: 'terminal' },
    });
  }
}

/** The keys of the flag, else of the configuration; `undefined`: the engine's own. Throws `invalid`. */
export function detachKeysOf(context: Context, flag: string): string | undefined {
  const keys = flag === '' ? context.config().detachKeys : flag;
  parseDetachKeys(keys);
  return keys;
}

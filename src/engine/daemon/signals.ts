/** How a daemon ends: asked to, or by a bug. */

import { messageOf } from '../../base/error.ts';
import type { Log } from '../../base/log.ts';

/** Exit code after a bug: whoever supervises starts it again, and containers have not noticed. Source: sysexits.h EX_SOFTWARE. */
const SOFTWARE = 70;

/**
 * Resolves with the name of the signal that asks for an orderly end. A second
 * one ends the process at once. An error that nobody handled ends it too:
 * state is on disk, and limping on would lose it.
 */
export async function untilStopped(log: Log): Promise<NodeJS.Signals> {
  const crash = (what: string) => (error: unknown) => {
    const stack = error instanceof Error ? (error.stack ?? '') : '';
    log.error(`${what}: ${messageOf(error)}`, { stack });
    process.exit(SOFTWARE);
  };
  process.on('uncaughtException', crash('uncaught error'));
  process.on('unhandledRejection', crash('unhandled rejection'));
  process.on('SIGHUP', () => undefined);
  return new Promise((resolve) => {
    let isStopping = false;
    const stop = (signal: NodeJS.Signals): void => {
      if (isStopping) process.exit(1);
      isStopping = true;
      resolve(signal);
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  });
}

/** A container that does not move while its files are copied. */

import type { Container } from './container.ts';

/** Run `work` while nothing in the container moves; one that does not run is left as it is. */
export async function whileFrozen<T>(container: Container, work: () => Promise<T>): Promise<T> {
  const { live } = container;
  if (live === undefined || container.state.phase === 'paused') return work();
  return container.lock.run(async () => {
    // It may have ended, or been paused, while others had the lock.
    if (container.live !== live || container.state.phase === 'paused') return work();
    await live.runtime.pause();
    try {
      return await work();
    } finally {
      await live.runtime.resume();
    }
  });
}

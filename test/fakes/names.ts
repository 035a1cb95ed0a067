/** A name service that nobody can ask. */

import { NameDirectory } from '../../src/network/dns/directory.ts';
import type { NameService } from '../../src/network/dns/service.ts';

/** See the module. */
export function fakeNames(): NameService {
  return {
    directory: new NameDirectory(),
    listen: async () => undefined,
    close: async () => undefined,
  };
}

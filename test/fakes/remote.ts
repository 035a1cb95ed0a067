/** Registries that nobody can reach: for engines whose tests pull and push nothing. */

import { EngineError } from '../../src/base/error.ts';
import type { RemoteImages } from '../../src/images/remote.ts';

function unreachable(): never {
  throw new EngineError('unavailable', 'Cannot reach the registry: the test has none');
}

/** Every call fails with `unavailable`. */
export const noRegistries: RemoteImages = {
  decodeAuth: () => undefined,
  decodeLogin: unreachable,
  pull: async () => unreachable(),
  push: async () => unreachable(),
  look: async () => unreachable(),
  tags: async () => unreachable(),
  place: async () => unreachable(),
  search: async () => unreachable(),
  openArchive: async () => unreachable(),
  login: async () => unreachable(),
  close: () => undefined,
};

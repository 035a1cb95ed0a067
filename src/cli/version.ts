/** The version of carve, from its package. */

import manifest from '../../package.json' with { type: 'json' };

/** e.g. `0.1.0`. */
export const carveVersion: string = manifest.version;

/** The version of carve. The same as in package.json: `scripts` checks it. */
export const VERSION = '0.1.0';

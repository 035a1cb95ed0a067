/** `npm run format [PATH…]`: rewrites the given files, or all, in the project's format. */

import { runChild } from './child.ts';
import { ROOT, TOOLS } from './tools.ts';

const paths = process.argv.slice(2);
const argv = [TOOLS.biome, 'format', '--write', ...(paths.length === 0 ? [ROOT] : paths)];
const { code, output } = await runChild(argv);
process.stdout.write(output);
process.exitCode = code;

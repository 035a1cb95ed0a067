/** carve's command line as a program of its own, for tests that need a process. */

import { runCli } from '../../src/cli/main.ts';
import { processIo } from '../../src/cli/process-io.ts';

const code = await runCli(
  process.argv.slice(2),
  processIo([process.execPath, import.meta.filename]),
);
process.exit(code);

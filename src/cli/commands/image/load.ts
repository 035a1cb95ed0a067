/** `carve load`. */

import { defineCommand, type Command } from '../../command.ts';
import { openArchive } from '../../input-file.ts';
import { collectProgress, printProgress } from '../../print/progress.ts';
import { neutraliseText } from '../../print/safe.ts';

/** Loads images from an archive of `save` or an OCI layout. */
export const loadCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS]',
    flags: {
      input: {
        kind: 'string',
        short: 'i',
        help: 'Read this file, not standard input',
        completes: 'file',
      },
      platform: { kind: 'string', help: 'Load only the image for this platform, e.g. linux/arm64' },
      quiet: { kind: 'bool', short: 'q', help: 'Do not show progress' },
    },
    args: { min: 0, max: 0 },
    examples: ['carve load -i images.tar.gz', 'gunzip -c image.tar.gz | carve load'],
  },
  async ({ client, io }, { flags }) => {
    const isQuiet = flags.quiet || !io.stdout.isTerminal;
    const steps = client.images.load(await openArchive(io, flags.input), {
      quiet: isQuiet,
      platform: flags.platform,
    });
    if (!isQuiet) await printProgress(steps, io.stdout);
    else
      for (const text of await collectProgress(steps))
        await io.stdout.write(`${neutraliseText(text)}\n`);
  },
);

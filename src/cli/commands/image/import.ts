/** `carve import`. */

import { familiarRepository, parseReference } from '../../../spec/reference.ts';
import { defineCommand, type Command } from '../../command.ts';
import { openArchive } from '../../input-file.ts';
import { printProgress } from '../../print/progress.ts';

/** Makes an image of one layer from a tar archive of files. */
export const importCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] FILE|URL|- [REPOSITORY[:TAG]]',
    flags: {
      change: {
        kind: 'list',
        short: 'c',
        help: 'Apply a Dockerfile instruction, e.g. CMD ["bash"]',
      },
      message: { kind: 'string', short: 'm', help: 'Why it was made' },
      platform: { kind: 'string', help: 'The platform the files are for, e.g. linux/arm64' },
    },
    args: { min: 1, max: 2, completes: 'file' },
  },
  async ({ client, io }, { flags, args }) => {
    const [source = '', name] = args;
    const reference = name === undefined || name === '' ? undefined : parseReference(name);
    const isUrl = /^https?:\/\//.test(source);
    const steps = client.images.import({
      source: isUrl ? source : { archive: await openArchive(io, source) },
      ...(reference === undefined ? {} : { repository: familiarRepository(reference) }),
      ...(reference?.tag === undefined ? {} : { tag: reference.tag }),
      ...(flags.message === '' ? {} : { message: flags.message }),
      platform: flags.platform === '' ? undefined : flags.platform,
      changes: flags.change,
    });
    await printProgress(steps, io.stdout);
  },
);

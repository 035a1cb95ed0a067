/** `carve pull`. */

import { defineCommand, type Command } from '../../command.ts';
import { formatReference, parseReference, withDefaultTag } from '../../../spec/reference.ts';
import { usageError } from '../../flags/usage-error.ts';
import { pullImage } from '../../registry/pull-image.ts';

/** Downloads an image from its registry. */
export const pullCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] NAME[:TAG|@DIGEST]',
    flags: {
      'all-tags': { kind: 'bool', short: 'a', help: 'Download every tag of the repository' },
      platform: { kind: 'string', help: 'Download the image for this platform, e.g. linux/arm64' },
      quiet: { kind: 'bool', short: 'q', help: 'Do not show progress' },
      'disable-content-trust': { kind: 'bool', help: '', default: true, isHidden: true },
    },
    args: { min: 1, max: 1, completes: 'image' },
  },
  async (context, { flags, args }) => {
    const [name = ''] = args;
    const { client, io } = context;
    const parsed = parseReference(name);
    const isAllTags = flags['all-tags'];
    if (isAllTags && (parsed.tag ?? parsed.digest) !== undefined)
      throw usageError("tag can't be used with --all-tags/-a");
    if (!isAllTags && parsed.tag === undefined && parsed.digest === undefined && !flags.quiet) {
      await io.stdout.write('Using default tag: latest\n');
    }
    await pullImage(client, context.config(), {
      reference: name,
      platform: flags.platform,
      isQuiet: flags.quiet,
      isAllTags,
      output: io.stdout,
    });
    await io.stdout.write(`${formatReference(isAllTags ? parsed : withDefaultTag(parsed))}\n`);
  },
);

/** `carve push`. */

import { defineCommand, type Command } from '../../command.ts';
import {
  formatReference,
  parseReference,
  repositoryOf,
  withDefaultTag,
} from '../../../spec/reference.ts';
import { usageError } from '../../flags/usage-error.ts';
import { collectProgress, printProgress } from '../../print/progress.ts';
import { encodeAuth, findAuth } from '../../registry/auth.ts';

/** Uploads an image to its registry. */
export const pushCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] NAME[:TAG]',
    flags: {
      'all-tags': { kind: 'bool', short: 'a', help: 'Upload every tag of the repository' },
      platform: {
        kind: 'string',
        help: 'Upload only the image for this platform, e.g. linux/arm64',
      },
      quiet: { kind: 'bool', short: 'q', help: 'Do not show progress' },
      'disable-content-trust': { kind: 'bool', help: '', default: true, isHidden: true },
    },
    args: { min: 1, max: 1, completes: 'image' },
  },
  async (context, { flags, args }) => {
    const [name = ''] = args;
    const { client, io } = context;
    const parsed = parseReference(name);
    if (parsed.digest !== undefined)
      throw usageError('an image is pushed by a tag, not by a digest');
    if (flags['all-tags'] && parsed.tag !== undefined)
      throw usageError("tag can't be used with --all-tags/-a");
    const reference = flags['all-tags'] ? parsed : withDefaultTag(parsed);
    if (!flags['all-tags'] && parsed.tag === undefined && !flags.quiet)
      await io.stdout.write('Using default tag: latest\n');
    const steps = client.images.push(
      { repository: repositoryOf(reference), tag: reference.tag ?? '' },
      {
        auth: encodeAuth(await findAuth(context.config(), reference.domain)),
        platform: flags.platform === '' ? undefined : flags.platform,
      },
    );
    if (!flags.quiet) {
      await printProgress(steps, io.stdout);
      return;
    }
    await collectProgress(steps);
    await io.stdout.write(`${formatReference(reference)}\n`);
  },
);

/** `carve tag`. */

import { EngineError } from '../../../base/error.ts';
import { familiarRepository, parseReference, withDefaultTag } from '../../../spec/reference.ts';
import { defineCommand, type Command } from '../../command.ts';

/** Gives an image another name. */
export const tagCommand: Command = defineCommand(
  {
    synopsis: 'SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]',
    flags: {},
    args: { min: 2, max: 2, completes: 'image' },
  },
  async ({ client }, { args }) => {
    const [source = '', target = ''] = args;
    const reference = withDefaultTag(parseReference(target));
    if (reference.digest !== undefined)
      throw new EngineError('invalid', 'A new name of an image has a tag, not a digest');
    await client.images.tag(source, {
      repository: familiarRepository(reference),
      tag: reference.tag ?? '',
    });
  },
);

/** `carve rmi`. */

import { isEngineError } from '../../../base/error.ts';
import { defineCommand, type Command } from '../../command.ts';
import { formatImageItem } from '../../print/reclaimed.ts';
import { neutraliseCell, neutraliseText } from '../../print/safe.ts';
import { errorSentence } from '../../report.ts';

/** Removes images, or names of images. */
export const rmiCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] IMAGE [IMAGE...]',
    flags: {
      force: { kind: 'bool', short: 'f', help: 'Remove images that stopped containers use too' },
      'no-prune': { kind: 'bool', help: 'Keep untagged parents' },
      platform: {
        kind: 'string',
        help: 'Refuse an image for another platform than this, e.g. linux/arm64',
      },
    },
    args: { min: 1, completes: 'image' },
  },
  async ({ client, io }, { flags, args }) => {
    let code = 0;
    // One after the other: an image's last name takes its layers along.
    for (const name of args) {
      try {
        const items = await client.images.remove(name, {
          force: flags.force,
          noPrune: flags['no-prune'],
          platform: flags.platform,
        });
        await io.stdout.write(
          items.map((item) => `${neutraliseCell(formatImageItem(item, 'title'))}\n`).join(''),
        );
      } catch (error) {
        if (!isEngineError(error)) throw error;
        const isGone = flags.force && error.kind === 'not-found';
        if (!isGone) code = 1;
        await io.stderr.write(`${neutraliseText(errorSentence(error))}\n`);
      }
    }
    return code;
  },
);

/** `carve manifest rm`. */

import { defineCommand, type Command } from '../../command.ts';
import { ManifestLists, noSuchManifest, referenceOf } from '../../manifest/lists.ts';
import { neutraliseText } from '../../print/safe.ts';

/** Forgets local lists; nothing is removed from a registry. */
export const manifestRmCommand: Command = defineCommand(
  { synopsis: 'MANIFEST_LIST [MANIFEST_LIST...]', flags: {}, args: { min: 1 } },
  async (context, { args }) => {
    const lists = new ManifestLists(context.config());
    let code = 0;
    for (const list of args.map(referenceOf)) {
      if (await lists.remove(list)) continue;
      code = 1;
      await context.io.stderr.write(`${neutraliseText(noSuchManifest(list).message)}\n`);
    }
    return code;
  },
);

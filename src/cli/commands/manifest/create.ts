/** `carve manifest create`. */

import { EngineError } from '../../../base/error.ts';
import { formatReference, type Reference } from '../../../spec/reference.ts';
import { defineCommand, type Command, type Context } from '../../command.ts';
import { ManifestLists, referenceOf } from '../../manifest/lists.ts';
import type { LocalManifest } from '../../manifest/local-manifest.ts';
import { fetchDocument } from '../../manifest/remote.ts';

/** Begins a list of manifests, kept here until it is pushed. */
export const manifestCreateCommand: Command = defineCommand(
  {
    synopsis: 'MANIFEST_LIST MANIFEST [MANIFEST...]',
    flags: {
      amend: { kind: 'bool', short: 'a', help: 'Add to a list that is there already' },
      insecure: { kind: 'bool', help: 'Accept plain HTTP and unknown certificates' },
    },
    args: { min: 2 },
    examples: [
      'carve manifest create example.org/app:1 example.org/app:1-amd64 example.org/app:1-arm64',
    ],
  },
  async (context, { flags, args }) => {
    const [listText = '', ...imageTexts] = args;
    const list = referenceOf(listText);
    const lists = new ManifestLists(context.config());
    if ((await lists.read(list)) !== undefined && !flags.amend)
      throw new EngineError(
        'conflict',
        'refusing to amend an existing manifest list with no --amend flag',
      );
    // All are asked for before the first is kept: a list is begun whole or not at all.
    const found: { readonly image: Reference; readonly manifest: LocalManifest }[] = [];
    for (const image of imageTexts.map(referenceOf)) {
      const kept = await lists.find(list, image);
      const manifest = kept ?? (await fetchOne(context, image, flags.insecure));
      found.push({ image, manifest });
    }
    for (const { image, manifest } of found) await lists.write(list, image, manifest);
    await context.io.stdout.write(`Created manifest list ${formatReference(list)}\n`);
  },
);

/** Errors: `not-found`; `invalid` for a list. */
async function fetchOne(
  context: Context,
  image: Reference,
  isInsecure: boolean,
): Promise<LocalManifest> {
  const found = await fetchDocument(context, image, isInsecure);
  if (!found.isIndex) return found;
  throw new EngineError('invalid', `${formatReference(image)} is a manifest list`);
}

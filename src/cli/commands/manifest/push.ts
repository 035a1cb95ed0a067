/** `carve manifest push`. */

import { EngineError } from '../../../base/error.ts';
import { parseReference, repositoryOf } from '../../../spec/reference.ts';
import { defineCommand, type Command } from '../../command.ts';
import { ManifestLists, noSuchManifest, referenceOf } from '../../manifest/lists.ts';
import { indexOf, type LocalManifest } from '../../manifest/local-manifest.ts';
import { callOf } from '../../manifest/remote.ts';
import { neutraliseText } from '../../print/safe.ts';

/** Uploads a local list and the manifests it names. */
export const manifestPushCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] MANIFEST_LIST',
    flags: {
      insecure: { kind: 'bool', help: 'Accept plain HTTP and unknown certificates' },
      purge: { kind: 'bool', short: 'p', help: 'Forget the local list afterwards' },
    },
    args: { min: 1, max: 1 },
  },
  async (context, { flags, args }) => {
    const [text = ''] = args;
    const { client, io } = context;
    const list = referenceOf(text);
    const lists = new ManifestLists(context.config());
    const manifests = await lists.read(list);
    if (manifests === undefined || manifests.length === 0) throw noSuchManifest(list);
    for (const manifest of manifests) checkPlatform(manifest);
    const { mediaType, text: document } = indexOf(manifests);
    const { Digest } = await client.registries.putIndex(
      text,
      {
        mediaType,
        raw: Buffer.from(document).toString('base64'),
        sources: manifests.map(sourceOf),
      },
      await callOf(context, list, flags.insecure),
    );
    const repository = repositoryOf(list);
    const brought = manifests
      .filter(({ Ref }) => repositoryOf(parseReference(Ref)) !== repository)
      .map(
        ({ Descriptor: { digest } }) =>
          `Pushed ref ${repository}@${digest} with digest: ${digest}\n`,
      );
    await io.stdout.write(neutraliseText(`${brought.join('')}${Digest}\n`));
    if (flags.purge) await lists.remove(list);
  },
);

/** Errors: `invalid` for a manifest nobody could choose. */
function checkPlatform({ Ref, Descriptor: { platform } }: LocalManifest): void {
  if (platform !== undefined && platform.os !== '' && platform.architecture !== '') return;
  throw new EngineError(
    'invalid',
    `manifest ${Ref} must have an OS and Architecture to be pushed to a registry`,
  );
}

function sourceOf({ Ref, Descriptor }: LocalManifest): string {
  return `${repositoryOf(parseReference(Ref))}@${Descriptor.digest}`;
}

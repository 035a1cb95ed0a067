/** `carve manifest inspect`. */

import { formatReference, type Reference } from '../../../spec/reference.ts';
import { defineCommand, type Command, type Context } from '../../command.ts';
import { recordOf } from '../../config/config.ts';
import { ManifestLists, noSuchManifest, referenceOf } from '../../manifest/lists.ts';
import {
  decodePlatform,
  documentOf,
  goJson,
  indexOf,
  type LocalManifest,
  verboseOf,
} from '../../manifest/local-manifest.ts';
import { fetchDocument, type FoundDocument } from '../../manifest/remote.ts';
import { neutraliseJson } from '../../print/safe.ts';

/** Prints a manifest or a list, local or of a registry. */
export const manifestInspectCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] [MANIFEST_LIST] MANIFEST',
    flags: {
      insecure: { kind: 'bool', help: 'Accept plain HTTP and unknown certificates' },
      verbose: {
        kind: 'bool',
        short: 'v',
        help: 'Print references, platforms and the bytes of every manifest too',
      },
    },
    args: { min: 1, max: 2 },
    examples: ['carve manifest inspect debian:12'],
  },
  async (context, { flags, args }) => {
    const lists = new ManifestLists(context.config());
    const text = await describe(context, lists, {
      references: args.map(referenceOf),
      isInsecure: flags.insecure,
      isVerbose: flags.verbose,
    });
    await context.io.stdout.write(`${neutraliseJson(text)}\n`);
  },
);

interface Request {
  readonly references: readonly Reference[];
  readonly isInsecure: boolean;
  readonly isVerbose: boolean;
}

async function describe(
  context: Context,
  lists: ManifestLists,
  { references, isInsecure, isVerbose }: Request,
): Promise<string> {
  const [first, second] = references;
  if (first === undefined) return '';
  if (second !== undefined) {
    const manifest = await lists.find(first, second);
    if (manifest === undefined) throw noSuchManifest(second);
    return describeOne(manifest, isVerbose);
  }
  const local = await lists.read(first);
  if (local !== undefined)
    return isVerbose ? goJson(local.map(verboseOf), '\t') : indexOf(local).text;
  const found = await fetchDocument(context, first, isInsecure);
  if (!found.isIndex) return describeOne(found, isVerbose);
  if (!isVerbose) return JSON.stringify(documentOf(found), undefined, '   ');
  const members = await fetchMembers(context, { index: found, reference: first, isInsecure });
  return goJson(members.map(verboseOf), '\t');
}

function describeOne(manifest: LocalManifest, isVerbose: boolean): string {
  return isVerbose
    ? goJson(verboseOf(manifest), '\t')
    : JSON.stringify(documentOf(manifest), undefined, '\t');
}

/** Every manifest an index of a registry names, with the platform the index gives it. */
async function fetchMembers(
  context: Context,
  request: {
    readonly index: FoundDocument;
    readonly reference: Reference;
    readonly isInsecure: boolean;
  },
): Promise<readonly LocalManifest[]> {
  const { manifests } = recordOf(documentOf(request.index));
  const members: LocalManifest[] = [];
  for (const entry of Array.isArray(manifests) ? manifests : []) {
    const { digest, platform } = recordOf(entry);
    const { domain, path } = request.reference;
    const reference = referenceOf(`${domain}/${path}@${String(digest)}`);
    const found = await fetchDocument(context, reference, request.isInsecure);
    members.push({
      Ref: `${formatReference(request.reference)}@${String(digest)}`,
      Raw: found.Raw,
      Descriptor: {
        ...found.Descriptor,
        ...(platform === undefined ? {} : { platform: decodePlatform(platform) }),
      },
    });
  }
  return members;
}

/** `carve manifest annotate`. */

import { EngineError } from '../../../base/error.ts';
import type { ImageDescriptor } from '../../../spec/docker/image.ts';
import { formatReference } from '../../../spec/reference.ts';
import { defineCommand, type Command } from '../../command.ts';
import { ManifestLists, referenceOf } from '../../manifest/lists.ts';

/** Operating system → processors docker takes for it. */
const PLATFORMS: Readonly<Record<string, readonly string[]>> = {
  darwin: ['386', 'amd64', 'arm', 'arm64'],
  dragonfly: ['amd64'],
  freebsd: ['386', 'amd64', 'arm'],
  linux: ['386', 'amd64', 'arm', 'arm64', 'ppc64le', 'mips64', 'mips64le', 'riscv64', 's390x'],
  netbsd: ['386', 'amd64', 'arm'],
  openbsd: ['386', 'amd64', 'arm'],
  plan9: ['386', 'amd64'],
  solaris: ['amd64'],
  windows: ['386', 'amd64'],
};

/** Says which platform a manifest of a local list is for. */
export const manifestAnnotateCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] MANIFEST_LIST MANIFEST',
    flags: {
      arch: { kind: 'string', help: 'The processor, e.g. arm64' },
      os: { kind: 'string', help: 'The operating system, e.g. linux' },
      'os-features': {
        kind: 'list',
        help: 'A feature of the operating system; several with commas',
      },
      'os-version': { kind: 'string', help: 'The version of the operating system' },
      variant: { kind: 'string', help: 'The variant of the processor, e.g. v7' },
    },
    args: { min: 2, max: 2 },
  },
  async (context, { flags, args }) => {
    const [list, image] = args.map(referenceOf);
    if (list === undefined || image === undefined) return;
    const lists = new ManifestLists(context.config());
    const manifest = await lists.find(list, image);
    if (manifest === undefined)
      throw new EngineError(
        'not-found',
        `manifest for image ${formatReference(image)} does not exist in ${formatReference(list)}`,
      );
    const platform = annotated(manifest.Descriptor.platform, flags);
    const isKnown = PLATFORMS[platform.os]?.includes(platform.architecture) ?? false;
    if (!isKnown)
      throw new EngineError(
        'invalid',
        `manifest entry for image has unsupported os/arch combination: ${flags.os}/${flags.arch}`,
      );
    await lists.write(list, image, {
      ...manifest,
      Descriptor: { ...manifest.Descriptor, platform },
    });
  },
);

type Platform = NonNullable<ImageDescriptor['platform']>;

function annotated(
  platform: Platform | undefined,
  flags: {
    readonly arch: string;
    readonly os: string;
    readonly variant: string;
    readonly 'os-version': string;
    readonly 'os-features': readonly string[];
  },
): Platform {
  const features = flags['os-features']
    .flatMap((text) => text.split(','))
    .filter((feature) => feature !== '');
  const version = flags['os-version'];
  return {
    ...platform,
    architecture: flags.arch === '' ? (platform?.architecture ?? '') : flags.arch,
    os: flags.os === '' ? (platform?.os ?? '') : flags.os,
    ...(flags.variant === '' ? {} : { variant: flags.variant }),
    ...(version === '' ? {} : { 'os.version': version }),
    'os.features': [...new Set([...(platform?.['os.features'] ?? []), ...features])],
  };
}

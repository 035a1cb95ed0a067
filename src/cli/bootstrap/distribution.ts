/**
 * Which distribution a base image is of: names and suites as people write
 * them, the archive they come from. Pure.
 *
 * Source: Debian and Ubuntu archives; mmdebstrap(1).
 */

import { EngineError } from '../../base/error.ts';

/** A base image to make. */
export interface Bootstrap {
  /** `debian` or `ubuntu`. */
  readonly name: string;
  /** e.g. `trixie`. */
  readonly suite: string;
  /** Name of the image, with its tag. */
  readonly reference: string;
}

/** What a machine runs. Source: os-release(5), ID and VERSION_CODENAME. */
export interface HostRelease {
  /** e.g. `debian`. */
  readonly name: string;
  /** e.g. `trixie`. */
  readonly codename: string;
}

interface Distribution {
  /** Suite when none is named. */
  readonly defaultSuite: string;
  /** Archive when neither a flag nor this machine names one. */
  readonly mirror: string;
  /** Numbers people know → suites. */
  readonly versions: Readonly<Record<string, string>>;
}

const distributions: ReadonlyMap<string, Distribution> = new Map<string, Distribution>([
  [
    'debian',
    {
      defaultSuite: 'stable',
      mirror: 'http://deb.debian.org/debian',
      versions: {
        '11': 'bullseye',
        '12': 'bookworm',
        '13': 'trixie',
        '14': 'forky',
        latest: 'stable',
      },
    },
  ],
  [
    'ubuntu',
    {
      defaultSuite: 'noble',
      mirror: 'http://archive.ubuntu.com/ubuntu',
      versions: { '22.04': 'jammy', '24.04': 'noble', '26.04': 'resolute', latest: 'noble' },
    },
  ],
]);

/** Reads `debian`, `debian:bookworm`, `ubuntu:24.04`. `host`: what this machine runs; its suite is the default there. Throws `invalid`. */
export function parseBootstrap(
  text: string,
  tag: string,
  host: HostRelease | undefined,
): Bootstrap {
  const [name = '', given, ...rest] = text.split(':');
  const distribution = distributions.get(name);
  if (distribution === undefined || rest.length > 0) {
    throw new EngineError(
      'invalid',
      `Cannot make an image of '${text}': carve knows ${[...distributions.keys()].join(' and ')}`,
    );
  }
  if (given !== undefined && !/^[a-z0-9][a-z0-9.-]*$/.test(given)) {
    throw new EngineError(
      'invalid',
      `Cannot make an image of '${text}': '${given}' is not the name of a suite`,
    );
  }
  const suite =
    given === undefined
      ? host?.name === name
        ? host.codename
        : distribution.defaultSuite
      : (distribution.versions[given] ?? given);
  return { name, suite, reference: tag === '' ? `${name}:${given ?? 'latest'}` : tag };
}

/** The archive of a distribution when nothing names another. */
export function defaultMirror(name: string): string {
  return distributions.get(name)?.mirror ?? '';
}

/** One source of packages of this machine. */
export interface AptSource {
  readonly mirror: string;
  readonly suites: readonly string[];
}

/** Sources of binary packages in a `sources.list`. Source: sources.list(5), one-line style. */
export function parseSourcesList(text: string): readonly AptSource[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*deb\s+(?:\[[^\]]*\]\s+)?(?<mirror>\S+)\s+(?<suite>\S+)/.exec(line)?.groups;
    if (match === undefined) return [];
    return [{ mirror: match['mirror'] ?? '', suites: [match['suite'] ?? ''] }];
  });
}

/** Sources of binary packages in a `.sources` file. Source: sources.list(5), deb822 style. */
export function parseDeb822(text: string): readonly AptSource[] {
  return text.split(/\n\s*\n/).flatMap((paragraph) => {
    const fields = new Map(
      paragraph
        .replace(/^#.*\n?/gm, '')
        .replace(/\n[ \t]+/g, ' ')
        .split('\n')
        .map(
          (line) =>
            [
              line.slice(0, line.indexOf(':')).toLowerCase(),
              line.slice(line.indexOf(':') + 1).trim(),
            ] as const,
        ),
    );
    const isUsed =
      fields.get('enabled')?.toLowerCase() !== 'no' &&
      (fields.get('types') ?? '').split(/\s+/).includes('deb');
    if (!isUsed) return [];
    const suites = (fields.get('suites') ?? '').split(/\s+/);
    return (fields.get('uris') ?? '').split(/\s+/).map((mirror) => ({ mirror, suites }));
  });
}

/** What this machine uses for Debian: its archive and suite; `undefined` when it is no Debian. */
export function findHostSource(
  sources: readonly AptSource[],
  codename: string,
): AptSource | undefined {
  const isPlain = ({ mirror }: AptSource): boolean =>
    /^https?:\/\//.test(mirror) && !/security/.test(mirror);
  return sources.find((source) => isPlain(source) && source.suites.includes(codename));
}

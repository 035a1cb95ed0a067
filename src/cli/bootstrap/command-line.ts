/**
 * The command line of `mmdebstrap` for a base image: small, but with what a
 * user of `bash` expects. Pure.
 *
 * Source: mmdebstrap(1).
 */

import { EngineError } from '../../base/error.ts';

/** What to make. */
export interface BootstrapPlan {
  readonly suite: string;
  readonly mirror: string;
  /** Further packages. */
  readonly include: readonly string[];
  /** Options of mmdebstrap's choice of a mode: root has all rights, others use what the kernel lets them. */
  readonly isRoot: boolean;
}

/** What the smallest set of packages lacks for people at a shell: certificates, names of protocols, `ps`. */
const alwaysIncluded: readonly string[] = ['ca-certificates', 'netbase', 'procps'];

/** Paths that are of no use in a container, or must not be the same in every one. */
const leftOut: readonly string[] = [
  '/usr/share/doc/*',
  '/usr/share/info/*',
  '/usr/share/man/*',
  '/usr/share/groff/*',
  '/usr/share/lintian/*',
  '/usr/share/locale/*',
];
/** Kept of what is left out: licences say so. */
const keptIn: readonly string[] = ['/usr/share/doc/*/copyright', '/usr/share/locale/locale.alias'];

/** The words of the command; the archive goes to standard output. Throws `invalid` for a package that is no name. */
export function mmdebstrapWords({
  suite,
  mirror,
  include,
  isRoot,
}: BootstrapPlan): readonly [string, ...string[]] {
  const packages = [...alwaysIncluded, ...include];
  for (const name of packages) {
    if (!/^[a-z0-9][a-z0-9+.-]*(?::[a-z0-9-]+)?(?:[=/][A-Za-z0-9.+:~-]+)?$/.test(name)) {
      throw new EngineError('invalid', `'${name}' is not the name of a package`);
    }
  }
  return [
    'mmdebstrap',
    '--variant=minbase',
    `--mode=${isRoot ? 'root' : 'auto'}`,
    '--format=tar',
    `--include=${packages.join(',')}`,
    '--aptopt=APT::Install-Recommends "false"',
    ...leftOut.map((path) => `--dpkgopt=path-exclude=${path}`),
    ...keptIn.map((path) => `--dpkgopt=path-include=${path}`),
    // Services must not start when a package is installed in a container.
    '--customize-hook=printf \'#!/bin/sh\\nexit 101\\n\' > "$1/usr/sbin/policy-rc.d"; chmod 0755 "$1/usr/sbin/policy-rc.d"',
    '--customize-hook=rm -rf "$1"/var/log/*.log "$1"/var/log/apt "$1"/var/cache/ldconfig/aux-cache "$1"/etc/hostname "$1"/etc/resolv.conf',
    suite,
    '-',
    mirror,
  ];
}

/** Dockerfile instructions of the image. */
export function imageChanges(name: string, suite: string): readonly string[] {
  return [
    'CMD ["bash"]',
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    `LABEL org.opencontainers.image.title=${name}`,
    `LABEL org.opencontainers.image.version=${suite}`,
  ];
}

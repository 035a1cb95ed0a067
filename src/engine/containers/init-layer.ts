/**
 * A read-only layer of carve's own, between every image and its
 * containers: `/.dockerenv`, `/etc/mtab`, and empty files where hosts, hostname
 * and resolv.conf are mounted. Shared by all containers and never written to, so
 * that no container needs these inodes for itself and none shows up in `diff`.
 *
 * **Invariant:** an image whose /etc is not known to be a real directory gets
 * the layer without `etc`: a directory there would hide what a link leads to.
 *
 * Source: overlayfs.rst "Upper and Lower"; engine-api facts 8; docs/decisions/0023.
 */

import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { HostPath } from '../../base/brand.ts';
import { hostPath } from '../../base/host-path.ts';
import type { ImageRecord } from '../../images/store.ts';
import type { EnginePaths } from '../parts.ts';

/** Files of the layer below `etc`. */
const ETC_FILES = ['hosts', 'hostname', 'resolv.conf'];

/** Make both forms; idempotent. */
export function makeInitLayers(paths: EnginePaths): void {
  mkdirSync(`${paths.root}/init`, { recursive: true, mode: 0o700 });
  for (const form of ['bare', 'etc']) {
    const directory = `${paths.root}/init/${form}`;
    mkdirSync(directory, { recursive: true, mode: 0o755 });
    writeFileSync(`${directory}/.dockerenv`, '', { mode: 0o755 });
  }
  mkdirSync(`${paths.root}/init/etc/etc`, { recursive: true, mode: 0o755 });
  for (const name of ETC_FILES) {
    writeFileSync(`${paths.root}/init/etc/etc/${name}`, '', { mode: 0o644 });
  }
  const mtab = `${paths.root}/init/etc/etc/mtab`;
  rmSync(mtab, { force: true });
  symlinkSync('/proc/mounts', mtab);
}

/** The form for containers of `image`. */
export function initLayerOf(paths: EnginePaths, image: ImageRecord | undefined): HostPath {
  // Its text was found by walking real directories only.
  const hasEtc = image?.captured['etc/passwd'].kind === 'text';
  return hostPath(`${paths.root}/init/${hasEtc ? 'etc' : 'bare'}`);
}

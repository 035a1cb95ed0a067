/** What is at a path → Docker's words for it. Pure. */

import type { FoundFile } from '../../../layers/container-files.ts';
import type { WalkEntry } from '../../../layers/walk.ts';
import { goFileMode, type GoFileBit, type PathStat } from '../../../spec/docker/archive.ts';
import { formatTimeNs } from '../../../spec/time.ts';
import { baseName, linkedPath } from './path.ts';

const TYPE_BITS: Readonly<Record<WalkEntry['type'], readonly GoFileBit[]>> = {
  file: [],
  directory: ['directory'],
  symlink: ['symlink'],
  char: ['device', 'characterDevice'],
  block: ['device'],
  fifo: ['pipe'],
  socket: ['socket'],
  whiteout: ['device', 'characterDevice'],
};

const SPECIAL_BITS: readonly (readonly [bit: number, name: GoFileBit])[] = [
  [0o4000, 'setuid'],
  [0o2000, 'setgid'],
  [0o1000, 'sticky'],
];

/** `path` as {@link cleanPath} gives it. */
export function describeFile(path: string, { entry, target }: FoundFile): PathStat {
  const linkText = Buffer.from(entry.linkPath, 'latin1').toString('utf8');
  const isLink = entry.type === 'symlink';
  return {
    name: baseName(path),
    size: isLink ? entry.linkPath.length : entry.sizeBytes,
    mode: goMode(entry),
    mtime: formatTimeNs(BigInt(entry.mtimeS) * 1_000_000_000n + BigInt(entry.mtimeNs)),
    // One that leads nowhere is told by its text.
    linkTarget: isLink ? (target ?? linkedPath(path, linkText)) : '',
  };
}

function goMode({ type, mode }: WalkEntry): number {
  const names = [
    ...TYPE_BITS[type],
    ...SPECIAL_BITS.filter(([bit]) => (mode & bit) !== 0).map(([, name]) => name),
  ];
  // Bits that never overlap; `|` would make the highest a sign.
  return names.reduce((sum, name) => sum + goFileMode[name], mode & 0o777);
}

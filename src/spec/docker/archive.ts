/**
 * A file inside a container, as `cp` sees it.
 * Source: Docker Engine API 1.51, `HEAD /containers/{id}/archive`, `ContainerPathStat`.
 */

/** What a mode says beyond permissions. */
export type GoFileBit =
  | 'directory'
  | 'symlink'
  | 'device'
  | 'pipe'
  | 'socket'
  | 'setuid'
  | 'setgid'
  | 'characterDevice'
  | 'sticky';

/** Mode bits above the permissions. Source: Go `io/fs.FileMode`, which is what travels. */
export const goFileMode: Readonly<Record<GoFileBit, number>> = {
  directory: 2 ** 31,
  symlink: 2 ** 27,
  device: 2 ** 26,
  pipe: 2 ** 25,
  socket: 2 ** 24,
  setuid: 2 ** 23,
  setgid: 2 ** 22,
  characterDevice: 2 ** 21,
  sticky: 2 ** 20,
};

/** What `HEAD …/archive` tells. Travels as base64 JSON in `X-Docker-Container-Path-Stat`. */
export interface PathStat {
  /** Last component of the path. */
  readonly name: string;
  /** Bytes; of a symbolic link: the length of its target. */
  readonly size: number;
  /** Go's bits: {@link goFileMode} and the low nine permission bits. */
  readonly mode: number;
  /** RFC 3339 with nanoseconds. */
  readonly mtime: string;
  /** Absolute in the container; empty unless it is a symbolic link. */
  readonly linkTarget: string;
}

/**
 * Mount options as text → what the kernel's mount calls take, pure.
 *
 * Source: OCI runtime-spec 1.3 config.md "Linux mount options"; mount(8);
 * mount_setattr(2); fsconfig(2).
 */

import { EngineError } from '../../base/error.ts';
import { MOUNT_ATTR, MS } from '../../kernel/plan/flags.ts';

/** Options of one mount. */
export interface MountOptions {
  /** MOUNT_ATTR_* flags to set on the mount. */
  readonly set: bigint;
  /** MOUNT_ATTR_* flags to clear. */
  readonly clear: bigint;
  /** MOUNT_ATTR_* flags to set on the mount and all below it. */
  readonly setDeep: bigint;
  /** MOUNT_ATTR_* flags to clear on the mount and all below it. */
  readonly clearDeep: bigint;
  /** One of the flags MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_UNBINDABLE, or 0. */
  readonly propagation: bigint;
  /** The propagation is for all below too. */
  readonly isPropagationDeep: boolean;
  /** `undefined`: not a bind. */
  readonly bind: 'bind' | 'rbind' | undefined;
  /** `idmap` maps the mount, `ridmap` all below too. */
  readonly idmap: 'idmap' | 'ridmap' | undefined;
  /** Words for the file system itself, `key` or `key=value`. */
  readonly data: readonly string[];
}

const ATIME = MOUNT_ATTR.MOUNT_ATTR__ATIME;

/** Attribute → [set, clear]; the same word with `r` in front is for all below too. */
const ATTRIBUTES: Readonly<Record<string, readonly [bigint, bigint]>> = {
  ro: [MOUNT_ATTR.MOUNT_ATTR_RDONLY, 0n],
  rw: [0n, MOUNT_ATTR.MOUNT_ATTR_RDONLY],
  nosuid: [MOUNT_ATTR.MOUNT_ATTR_NOSUID, 0n],
  suid: [0n, MOUNT_ATTR.MOUNT_ATTR_NOSUID],
  nodev: [MOUNT_ATTR.MOUNT_ATTR_NODEV, 0n],
  dev: [0n, MOUNT_ATTR.MOUNT_ATTR_NODEV],
  noexec: [MOUNT_ATTR.MOUNT_ATTR_NOEXEC, 0n],
  exec: [0n, MOUNT_ATTR.MOUNT_ATTR_NOEXEC],
  nodiratime: [MOUNT_ATTR.MOUNT_ATTR_NODIRATIME, 0n],
  diratime: [0n, MOUNT_ATTR.MOUNT_ATTR_NODIRATIME],
  nosymfollow: [MOUNT_ATTR.MOUNT_ATTR_NOSYMFOLLOW, 0n],
  symfollow: [0n, MOUNT_ATTR.MOUNT_ATTR_NOSYMFOLLOW],
  // Access times are one field of three values; 0 is relatime.
  noatime: [MOUNT_ATTR.MOUNT_ATTR_NOATIME, ATIME],
  atime: [0n, ATIME],
  relatime: [0n, ATIME],
  norelatime: [MOUNT_ATTR.MOUNT_ATTR_STRICTATIME, ATIME],
  strictatime: [MOUNT_ATTR.MOUNT_ATTR_STRICTATIME, ATIME],
  nostrictatime: [0n, ATIME],
};

const PROPAGATIONS: Readonly<Record<string, bigint>> = {
  private: MS.MS_PRIVATE,
  slave: MS.MS_SLAVE,
  shared: MS.MS_SHARED,
  unbindable: MS.MS_UNBINDABLE,
};

/** Words of the file system as a whole, that the kernel takes under their own name. */
const SUPERBLOCK: ReadonlySet<string> = new Set([
  'sync',
  'async',
  'dirsync',
  'lazytime',
  'nolazytime',
  'mand',
  'nomand',
]);
/** Words without an effect. */
const IGNORED: ReadonlySet<string> = new Set([
  'defaults',
  'silent',
  'loud',
  'iversion',
  'noiversion',
  'remount',
]);

/** What the words say so far. */
interface Collected {
  set: bigint;
  clear: bigint;
  setDeep: bigint;
  clearDeep: bigint;
  propagation: bigint;
  isPropagationDeep: boolean;
  bind: 'bind' | 'rbind' | undefined;
  idmap: 'idmap' | 'ridmap' | undefined;
  data: string[];
}

/** Later words win over earlier ones. Errors: `invalid`, `unsupported` for `tmpcopyup`. */
export function parseMountOptions(words: readonly string[]): MountOptions {
  const result: Collected = {
    set: 0n,
    clear: 0n,
    setDeep: 0n,
    clearDeep: 0n,
    propagation: 0n,
    isPropagationDeep: false,
    bind: undefined,
    idmap: undefined,
    data: [],
  };
  for (const word of words) readWord(result, word);
  return result;
}

function readWord(result: Collected, word: string): void {
  if (word === 'bind' || word === 'rbind') result.bind = word;
  else if (word === 'idmap' || word === 'ridmap') result.idmap = word;
  else if (readAttribute(result, word) || readPropagation(result, word)) return;
  else if (!IGNORED.has(word)) result.data.push(checkData(word));
}

function readAttribute(result: Collected, word: string): boolean {
  const own = Object.hasOwn(ATTRIBUTES, word) ? ATTRIBUTES[word] : undefined;
  if (own !== undefined) {
    const [set, clear] = own;
    result.set = (result.set & ~clear) | set;
    result.clear = (result.clear & ~set) | clear;
    return true;
  }
  const name = word.slice(1);
  const deep =
    word.startsWith('r') && Object.hasOwn(ATTRIBUTES, name) ? ATTRIBUTES[name] : undefined;
  if (deep === undefined) return false;
  const [set, clear] = deep;
  result.setDeep = (result.setDeep & ~clear) | set;
  result.clearDeep = (result.clearDeep & ~set) | clear;
  return true;
}

function readPropagation(result: Collected, word: string): boolean {
  const isDeep = word.startsWith('r') && Object.hasOwn(PROPAGATIONS, word.slice(1));
  const name = isDeep ? word.slice(1) : word;
  const flag = Object.hasOwn(PROPAGATIONS, name) ? PROPAGATIONS[name] : undefined;
  if (flag === undefined) return false;
  result.propagation = flag;
  result.isPropagationDeep = isDeep;
  return true;
}

/** One word for the file system: a separator inside would smuggle in a second one. */
function checkData(word: string): string {
  if (word === 'tmpcopyup') {
    throw new EngineError('unsupported', 'Cannot mount: the option tmpcopyup is not there yet');
  }
  const isSound = SUPERBLOCK.has(word) || /^[A-Za-z_][\w.-]*(=[^\n\r]*)?$/.test(word);
  if (isSound && !word.includes('\0') && word.length <= 4000) return word;
  throw new EngineError('invalid', `Invalid mount option ${JSON.stringify(word.slice(0, 80))}`);
}

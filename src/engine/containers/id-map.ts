/**
 * `idmap` of a bind: whose files are whose, pure.
 *
 * - `idmap`: the owner of the source is the container's user. What that user
 *   makes in the bind belongs to the owner.
 * - `idmap=UID[-GID]`: these are the container's user.
 * - `idmap=uids=C-H-N[#C-H-N…];gids=C-H-N[#…]`: N ids from H on of the host are
 *   ids from C on in the container, and no others are.
 *
 * **Invariant:** an id of the host that one of the container stands for is
 * never reached by another one, so no file can be made as a user nobody named.
 *
 * Source: mount_setattr(2) MOUNT_ATTR_IDMAP; user_namespaces(7); docs/decisions/0050.
 */

import { EngineError } from '../../base/error.ts';
import type { IdMapping } from '../../spec/oci/runtime.ts';

/** What `idmap` asks. */
export type IdMapRequest =
  | { readonly kind: 'owner' }
  | { readonly kind: 'user'; readonly uid: number; readonly gid: number | undefined }
  | {
      readonly kind: 'ranges';
      readonly users: readonly IdRange[];
      readonly groups: readonly IdRange[];
    };

/** Ids in a row. */
export interface IdRange {
  /** First id in the container. */
  readonly inside: number;
  /** First id of the host. */
  readonly outside: number;
  /** Count. */
  readonly size: number;
}

/** One past the greatest id. Source: the kernel keeps 2^32-1 for "none". */
const ID_END = 0xffff_ffff;
/** Ranges of one map. Source: user_namespaces(7) takes 340. */
const RANGES_MAX = 340;

/** The text after `idmap=`; `undefined` or empty: the owner of the source. Errors: `invalid`. */
export function parseIdMap(text: string | undefined): IdMapRequest {
  if (text === undefined || text === '') return { kind: 'owner' };
  const [, uid, gid] = /^(\d{1,10})(?:-(\d{1,10}))?$/.exec(text) ?? [];
  if (uid === undefined) return parseRangeLists(text);
  return {
    kind: 'user',
    uid: parseId(uid, text),
    gid: gid === undefined ? undefined : parseId(gid, text),
  };
}

function parseRangeLists(text: string): IdMapRequest {
  const lists = new Map<string, readonly IdRange[]>();
  for (const part of text.split(';')) {
    const [, key = '', list = ''] = /^(uids|gids)=(.+)$/.exec(part) ?? [];
    if (key === '' || lists.has(key)) throw badMap(text);
    lists.set(key, parseRanges(list, text));
  }
  const users = lists.get('uids');
  const groups = lists.get('gids') ?? users;
  if (users === undefined || groups === undefined) throw badMap(text);
  return { kind: 'ranges', users, groups };
}

function parseRanges(list: string, text: string): readonly IdRange[] {
  const ranges = list.split('#').map((part) => {
    const [, inside = '', outside = '', size = ''] =
      /^@?(\d{1,10})-@?(\d{1,10})-(\d{1,10})$/.exec(part) ?? [];
    const range = {
      inside: parseId(inside, text),
      outside: parseId(outside, text),
      size: parseId(size, text),
    };
    const end = Math.max(range.inside, range.outside) + range.size;
    if (range.size === 0 || end > ID_END) throw badMap(text);
    return range;
  });
  if (ranges.length > RANGES_MAX || overlap(ranges, 'inside') || overlap(ranges, 'outside'))
    throw badMap(text);
  return ranges;
}

function overlap(ranges: readonly IdRange[], side: 'inside' | 'outside'): boolean {
  const sorted = ranges.toSorted((a, b) => a[side] - b[side]);
  return sorted.some((range, index) => {
    const next = sorted[index + 1];
    return next !== undefined && range[side] + range.size > next[side];
  });
}

function parseId(digits: string, text: string): number {
  const id = Number(digits);
  if (digits === '' || id >= ID_END) throw badMap(text);
  return id;
}

function badMap(text: string): EngineError {
  return new EngineError(
    'invalid',
    `invalid idmap ${JSON.stringify(text.slice(0, 80))}: it is empty, UID[-GID], or uids=INSIDE-OUTSIDE-COUNT[#…];gids=…`,
  );
}

/** Maps from ids of the files to ids that the container sees. */
export function mapIds(
  request: IdMapRequest,
  of: {
    /** The container's process. */
    readonly user: { readonly uid: number; readonly gid: number };
    /** Of the source. */
    readonly owner: { readonly uid: number; readonly gid: number };
  },
): { readonly users: readonly IdMapping[]; readonly groups: readonly IdMapping[] } {
  if (request.kind === 'ranges') {
    return { users: request.users.map(toMapping), groups: request.groups.map(toMapping) };
  }
  const host =
    request.kind === 'owner' ? of.owner : { uid: request.uid, gid: request.gid ?? of.owner.gid };
  return {
    users: oneForOther(host.uid, of.user.uid),
    groups: oneForOther(host.gid, of.user.gid),
  };
}

/** A file's `outside` is seen as `inside`. Source: OCI runtime-spec: `containerID` is the file's, `hostID` the mount's. */
function toMapping({ inside, outside, size }: IdRange): IdMapping {
  return { containerID: outside, hostID: inside, size };
}

/** `outside` is seen as `inside`, every third id as itself; the two others of the pair are nobody's. */
function oneForOther(outside: number, inside: number): readonly IdMapping[] {
  if (outside === inside) return [toMapping({ inside: 0, outside: 0, size: ID_END })];
  const [low, high] = [Math.min(outside, inside), Math.max(outside, inside)];
  const same = (from: number, end: number): readonly IdMapping[] =>
    end > from ? [toMapping({ inside: from, outside: from, size: end - from })] : [];
  return [
    ...same(0, low),
    ...same(low + 1, high),
    toMapping({ inside, outside, size: 1 }),
    ...same(high + 1, ID_END),
  ];
}

/**
 * `user[:group]` → numbers, by the text of the container's own /etc/passwd and
 * /etc/group. Pure: the files are read elsewhere, safely.
 *
 * **Invariant:** what is all digits is a number and never a name; a number is
 * 0 to 2^31-1; what looks like another form of a number is refused. The primary
 * group is always among the supplementary groups, so that a process cannot
 * shed it (and what it denies).
 *
 * Source: passwd(5), group(5); Engine API `Config.User`; security matrix R11–R13.
 */

import { EngineError } from '../../../base/error.ts';
import type { ResolvedUser } from './input.ts';

/** Where names are looked up. */
export interface UserSources {
  /** Text of /etc/passwd; empty when there is none. */
  readonly passwd: string;
  /** Text of /etc/group; empty when there is none. */
  readonly group: string;
  /** Names or numbers of further groups (`--group-add`). */
  readonly groupAdd: readonly string[];
}

const ID_MAX = 2 ** 31 - 1;
const LINE_MAX = 64 * 1024;

interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** Errors: `invalid` in Docker's words where it has some. An empty text is user 0. */
export function resolveUser(text: string, sources: UserSources): ResolvedUser {
  const [userText = '', groupText, ...rest] = text.split(':');
  if (rest.length > 0 || groupText === '') throw badUser(text);
  const groups = parseGroup(sources.group);
  const user = findUser(userText === '' ? '0' : userText, parsePasswd(sources.passwd));
  const gid = groupText === undefined ? user.gid : findGroup(groupText, groups);
  const implied =
    groupText === undefined && user.name !== undefined ? memberships(user.name, groups) : [];
  const added = sources.groupAdd.map((each) => findGroup(each, groups));
  return {
    uid: user.uid,
    gid,
    additionalGids: [...new Set([gid, ...implied, ...added])].sort((a, b) => a - b),
    home: user.home === '' ? '/' : user.home,
  };
}

function findUser(
  text: string,
  entries: readonly PasswdEntry[],
): { readonly uid: number; readonly gid: number; readonly home: string; readonly name?: string } {
  const uid = parseId(text);
  const entry = entries.find((each) => (uid === undefined ? each.name === text : each.uid === uid));
  if (entry !== undefined) return entry;
  if (uid !== undefined) return { uid, gid: 0, home: '/' };
  throw new EngineError(
    'invalid',
    `unable to find user ${text}: no matching entries in passwd file`,
  );
}

function findGroup(text: string, entries: readonly GroupEntry[]): number {
  const gid = parseId(text);
  if (gid !== undefined) return gid;
  const entry = entries.find((each) => each.name === text);
  if (entry !== undefined) return entry.gid;
  throw new EngineError(
    'invalid',
    `unable to find group ${text}: no matching entries in group file`,
  );
}

function memberships(name: string, groups: readonly GroupEntry[]): readonly number[] {
  return groups.filter(({ members }) => members.includes(name)).map(({ gid }) => gid);
}

/** The number; `undefined` for a name. */
function parseId(text: string): number | undefined {
  if (/^\d+$/.test(text)) {
    const id = Number(text);
    if (id <= ID_MAX) return id;
    throw new EngineError(
      'invalid',
      `uids and gids must be in range 0-${ID_MAX}: ${text.slice(0, 40)}`,
    );
  }
  // What another parser would take for a number is not a name here.
  const isName = /^[^\s:+\-/][^\s:/]*$/.test(text) && !text.includes('\0');
  if (!isName || /^0x[0-9a-f]*$/i.test(text)) throw badUser(text);
  return undefined;
}

function parsePasswd(text: string): readonly PasswdEntry[] {
  return records(text, 'passwd').flatMap(([name, , uid, gid, , home]) => {
    const ids = { uid: entryId(uid), gid: entryId(gid) };
    if (name === undefined || name === '' || ids.uid === undefined || ids.gid === undefined) {
      return [];
    }
    return [{ name, uid: ids.uid, gid: ids.gid, home: checkHome(home ?? '') }];
  });
}

function parseGroup(text: string): readonly GroupEntry[] {
  return records(text, 'group').flatMap(([name, , gidText, members]) => {
    const gid = entryId(gidText);
    if (name === undefined || name === '' || gid === undefined) return [];
    return [{ name, gid, members: (members ?? '').split(',') }];
  });
}

/** Fields of every line that is not a comment. Errors: `invalid` for an absurd line. */
function records(text: string, file: string): readonly (readonly string[])[] {
  return text.split('\n').flatMap((line) => {
    if (line.length > LINE_MAX) {
      throw new EngineError(
        'invalid',
        `The container's ${file} file has a line of ${line.length} bytes`,
      );
    }
    const trimmed = line.trim();
    return trimmed === '' || trimmed.startsWith('#') ? [] : [trimmed.split(':')];
  });
}

/** An entry with a number that is none counts for nothing. */
function entryId(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= ID_MAX ? id : undefined;
}

/** It becomes the value of a variable and a path. */
function checkHome(home: string): string {
  return home.startsWith('/') && !home.includes('\0') ? home : '';
}

function badUser(text: string): EngineError {
  return new EngineError('invalid', `Invalid user or group ${JSON.stringify(text.slice(0, 80))}`);
}

/**
 * The engine's database: one SQLite file, one writer, transactions that a
 * killed daemon cannot lose.
 *
 * **Invariants**
 * - Exactly one process has it open: the exclusive lock is the engine's lock on
 *   its root. The kernel drops it with the process, however that ends.
 * - A committed transaction survives `kill -9`: WAL frames are in the page
 *   cache when COMMIT returns (docs/decisions/0003-state-in-sqlite.md).
 * - A schema newer than this engine knows is refused, never touched.
 *
 * Source: sqlite.org/wal.html ("Use of WAL Without Shared-Memory"), pragma.html.
 */

import { closeSync, openSync } from 'node:fs';
import type { StatementSync } from 'node:sqlite';
import { DatabaseSync } from 'node:sqlite';
import type { HostPath } from '../../base/brand.ts';
import { EngineError, isEngineError, messageOf } from '../../base/error.ts';
import { hostPath } from '../../base/host-path.ts';
import { DiskReserve } from './reserve.ts';

/** How to open it. */
export interface DatabaseOptions {
  /** The file; its directory exists. */
  readonly path: HostPath;
  /** See `schema.ts`. */
  readonly migrations: readonly string[];
  /** Who holds it, for the message when it is locked, e.g. `process 812`. */
  readonly describeOwner: () => string;
}

/** SQLite's primary result codes that the engine tells apart. */
const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;

/** Open, lock, and bring to the newest schema. Errors: `in-use`, `corrupt`, `unsupported`. */
export function openDatabase(options: DatabaseOptions): DatabaseSync {
  const { path } = options;
  let database: DatabaseSync | undefined;
  try {
    // Nobody else's business; the log beside it gets the same mode.
    closeSync(openSync(path, 'a', 0o600));
    database = new DatabaseSync(path, { timeout: 0 });
    // Exclusive mode before WAL: the index then lives on the heap, with no shared-memory file.
    database.exec('PRAGMA locking_mode = EXCLUSIVE');
    database.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON',
    );
    database.exec('BEGIN EXCLUSIVE; COMMIT');
    migrate(database, options);
    const reserve = new DiskReserve(hostPath(`${path}-reserve`));
    reserve.fill();
    reserves.set(database, reserve);
    return database;
  } catch (error) {
    database?.close();
    throw explain(error, options);
  }
}

/** Statements of transactions, and whether one is under way. */
interface Brackets {
  readonly begin: StatementSync;
  readonly commit: StatementSync;
  readonly rollback: StatementSync;
  isOpen: boolean;
}

const reserves = new WeakMap<DatabaseSync, DiskReserve>();
const bracketsOf = new WeakMap<DatabaseSync, Brackets>();

/** Run `work` in one transaction; a throw rolls it back. Inside another it becomes a part of that one. */
export function transaction<T>(database: DatabaseSync, work: () => T): T {
  const brackets = bracketsOf.get(database) ?? makeBrackets(database);
  if (brackets.isOpen) return work();
  brackets.begin.run();
  brackets.isOpen = true;
  try {
    const result = work();
    brackets.commit.run();
    return result;
  } catch (error) {
    rollBack(brackets);
    throw explainFull(error);
  } finally {
    brackets.isOpen = false;
  }
}

/** After some failures, a full disk among them, SQLite has rolled back itself. */
function rollBack(brackets: Brackets): void {
  try {
    brackets.rollback.run();
  } catch {
    // No transaction is open any more.
  }
}

/**
 * As `transaction`, for what has happened already and for what gives room
 * back: on a full disk it takes from the reserve. Errors: `exhausted` when that is gone too.
 */
export function essentialTransaction<T>(database: DatabaseSync, work: () => T): T {
  if (bracketsOf.get(database)?.isOpen === true) return work();
  for (;;) {
    try {
      return transaction(database, work);
    } catch (error) {
      const isFull = isEngineError(error) && resultCode(error.cause) === SQLITE_FULL;
      if (!isFull || reserves.get(database)?.give() !== true) throw error;
    }
  }
}

/** Something new was stored: the reserve is filled up again. */
export function refillReserve(database: DatabaseSync): void {
  reserves.get(database)?.fill();
}

function explainFull(error: unknown): unknown {
  if (resultCode(error) !== SQLITE_FULL) return error;
  const message = 'Cannot save the state: no space is left on the disk';
  return new EngineError('exhausted', message, { cause: error });
}

function makeBrackets(database: DatabaseSync): Brackets {
  const brackets: Brackets = {
    begin: database.prepare('BEGIN IMMEDIATE'),
    commit: database.prepare('COMMIT'),
    rollback: database.prepare('ROLLBACK'),
    isOpen: false,
  };
  bracketsOf.set(database, brackets);
  return brackets;
}

function migrate(database: DatabaseSync, options: DatabaseOptions): void {
  const { migrations, path } = options;
  const version = schemaVersion(database);
  if (version > migrations.length) {
    throw new EngineError(
      'unsupported',
      `Cannot open ${path}: it was written by a newer carve (schema ${version}, this one knows ${migrations.length})`,
      { hint: 'Install that version again, or give this one another --root' },
    );
  }
  if (version > 0 && version < migrations.length) backUp(database, `${path}.v${version}`);
  for (let step = version; step < migrations.length; step++) {
    transaction(database, () => {
      database.exec(migrations[step] ?? '');
      database.exec(`PRAGMA user_version = ${step + 1}`);
    });
  }
}

function schemaVersion(database: DatabaseSync): number {
  const row = database.prepare('PRAGMA user_version').get();
  return Number(row?.['user_version'] ?? 0);
}

/** A copy from before a migration; an existing one is from an attempt that was cut off and is as good. */
function backUp(database: DatabaseSync, copy: string): void {
  try {
    database.prepare('VACUUM INTO ?').run(copy);
  } catch (error) {
    if (!messageOf(error).includes('already exists')) throw error;
  }
}

function explain(error: unknown, options: DatabaseOptions): unknown {
  const code = resultCode(error);
  const { path } = options;
  if (code === SQLITE_BUSY) {
    return new EngineError(
      'in-use',
      `Cannot use ${path}: another carve engine (${options.describeOwner()}) has it open`,
      {
        hint: 'Talk to that engine, or start this one with another --root',
        cause: error,
      },
    );
  }
  if (code === SQLITE_CORRUPT || code === SQLITE_NOTADB) {
    return new EngineError(
      'corrupt',
      `Cannot open ${path}: it is not a sound SQLite database (${messageOf(error)})`,
      {
        hint: 'Move it away to start empty, or restore a copy; running containers are not touched by either',
        cause: error,
      },
    );
  }
  if (code === SQLITE_FULL) {
    return new EngineError('exhausted', `Cannot open ${path}: the disk is full`, { cause: error });
  }
  return error;
}

/** Primary result code of an error of `node:sqlite`; `undefined` for any other error. */
export function resultCode(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('errcode' in error)) return undefined;
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;
}

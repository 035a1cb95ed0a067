/**
 * Containers in the database. Every method is one transaction; when it
 * returns, the change survives the death of this process, but for
 * `saveStateSoon`, which says so.
 */

import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Clock } from '../../base/clock.ts';
import { isEngineError, messageOf } from '../../base/error.ts';
import type { Log } from '../../base/log.ts';
import type { ContainerRecord, LifeState } from '../containers/record.ts';
import { essentialTransaction, refillReserve, resultCode, transaction } from './database.ts';
import type { StoredContainer } from './decode-record.ts';
import { decodeContainer, encodeRequest, encodeState } from './decode-record.ts';

/** A row as it was found at the opening. */
export type LoadedContainer =
  | { readonly seq: number; readonly record: ContainerRecord }
  | { readonly seq: number; readonly damage: string; readonly id: string; readonly name: string };

/** What a table works with. */
export interface ContainerTableOptions {
  /** Open, of the newest schema. */
  readonly database: DatabaseSync;
  readonly clock: Clock;
  readonly log: Log;
}

/** Milliseconds over which states are gathered into one transaction. */
const GATHER_MS = 20;

/** Rows of containers; `seq` is a row's number, handed out by `insert`. */
export class ContainerTable {
  readonly #database: DatabaseSync;
  readonly #clock: Clock;
  readonly #log: Log;
  /** States that are not in the database yet. */
  readonly #waiting = new Map<number, LifeState>();
  readonly #insert: StatementSync;
  readonly #insertState: StatementSync;
  readonly #updateRequest: StatementSync;
  readonly #updateState: StatementSync;
  readonly #delete: StatementSync;
  readonly #deleteState: StatementSync;

  constructor(options: ContainerTableOptions) {
    const { database } = options;
    this.#database = database;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#insert = database.prepare('INSERT INTO containers (name, id, request) VALUES (?, ?, ?)');
    this.#insertState = database.prepare('INSERT INTO container_states (seq, state) VALUES (?, ?)');
    this.#updateRequest = database.prepare(
      'UPDATE containers SET name = ?, request = ? WHERE seq = ?',
    );
    this.#updateState = database.prepare('UPDATE container_states SET state = ? WHERE seq = ?');
    this.#delete = database.prepare('DELETE FROM containers WHERE seq = ?');
    this.#deleteState = database.prepare('DELETE FROM container_states WHERE seq = ?');
  }

  /** Returns the row's number. */
  insert(record: ContainerRecord): number {
    const seq = transaction(this.#database, () => {
      const { lastInsertRowid } = this.#insert.run(record.name, record.id, encodeRequest(record));
      this.#insertState.run(lastInsertRowid, encodeState(record.state));
      return Number(lastInsertRowid);
    });
    refillReserve(this.#database);
    return seq;
  }

  /** Life state only. */
  saveState(seq: number, state: LifeState): void {
    this.#waiting.delete(seq);
    essentialTransaction(this.#database, () => {
      this.#updateState.run(encodeState(state), seq);
    });
  }

  /** As `saveState`, with others of the next moments in one transaction. */
  saveStateSoon(seq: number, state: LifeState): void {
    if (this.#waiting.size === 0) this.#clock.after(GATHER_MS, () => this.flush());
    this.#waiting.set(seq, state);
  }

  /** What waits is durable when this returns. A failure is logged, and tried again with the next. */
  flush(): void {
    if (this.#waiting.size === 0) return;
    try {
      essentialTransaction(this.#database, () => {
        for (const [seq, state] of this.#waiting) this.#updateState.run(encodeState(state), seq);
      });
      this.#waiting.clear();
    } catch (error) {
      this.#log.error('cannot save states; the next engine asks the monitors', {
        error: messageOf(error),
      });
      if (!isEngineError(error) && resultCode(error) === undefined) throw error;
      this.#waiting.clear();
    }
  }

  /** Name and request. */
  saveRequest(seq: number, record: ContainerRecord): void {
    transaction(this.#database, () => {
      this.#updateRequest.run(record.name, encodeRequest(record), seq);
    });
  }

  delete(seq: number): void {
    this.#waiting.delete(seq);
    essentialTransaction(this.#database, () => {
      this.#delete.run(seq);
      this.#deleteState.run(seq);
    });
  }

  /** Several changes, these and those of other tables of the same database, as one. */
  together<T>(work: () => T): T {
    return transaction(this.#database, work);
  }

  /** As `together`, for what gives room back: on a full disk it takes from the reserve. */
  togetherFreeing<T>(work: () => T): T {
    return essentialTransaction(this.#database, work);
  }

  /** All rows, oldest first; a damaged one says so and spoils no other. */
  load(): readonly LoadedContainer[] {
    const rows = this.#database
      .prepare(
        `SELECT c.seq AS seq, c.id AS id, c.name AS name, c.request AS request,
           coalesce(s.state, '') AS state
         FROM containers c LEFT JOIN container_states s USING (seq) ORDER BY seq`,
      )
      .all();
    return rows.map((row) => {
      const seq = Number(row['seq']);
      const stored: StoredContainer = {
        id: String(row['id']),
        name: String(row['name']),
        request: String(row['request']),
        state: String(row['state']),
      };
      try {
        return { seq, record: decodeContainer(stored) };
      } catch (error) {
        return { seq, damage: messageOf(error), id: stored.id, name: stored.name };
      }
    });
  }
}

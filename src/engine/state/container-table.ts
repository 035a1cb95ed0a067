/**
 * Containers in the database. Every method is one transaction; when it
 * returns, the change survives the death of this process.
 */

import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { messageOf } from '../../base/error.ts';
import type { ContainerRecord, LifeState } from '../containers/record.ts';
import { transaction } from './database.ts';
import type { StoredContainer } from './decode-record.ts';
import { decodeContainer, encodeRequest, encodeState } from './decode-record.ts';

/** A row as it was found at the opening. */
export type LoadedContainer =
  | { readonly seq: number; readonly record: ContainerRecord }
  | { readonly seq: number; readonly damage: string; readonly id: string; readonly name: string };

/** Rows of containers; `seq` is a row's number, handed out by `insert`. */
export class ContainerTable {
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #insertState: StatementSync;
  readonly #updateRequest: StatementSync;
  readonly #updateState: StatementSync;
  readonly #delete: StatementSync;
  readonly #deleteState: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#insert = database.prepare('INSERT INTO containers (name, id, request) VALUES (?, ?, ?)');
    this.#insertState = database.prepare('INSERT INTO container_states (seq, state) VALUES (?, ?)');
    this.#updateRequest = database.prepare('UPDATE containers SET name = ?, request = ? WHERE seq = ?');
    this.#updateState = database.prepare('UPDATE container_states SET state = ? WHERE seq = ?');
    this.#delete = database.prepare('DELETE FROM containers WHERE seq = ?');
    this.#deleteState = database.prepare('DELETE FROM container_states WHERE seq = ?');
  }

  /** Returns the row's number. */
  insert(record: ContainerRecord): number {
    return transaction(this.#database, () => {
      const { lastInsertRowid } = this.#insert.run(record.name, record.id, encodeRequest(record));
      this.#insertState.run(lastInsertRowid, encodeState(record.state));
      return Number(lastInsertRowid);
    });
  }

  /** Life state only. */
  saveState(seq: number, state: LifeState): void {
    this.#updateState.run(encodeState(state), seq);
  }

  /** Name and request. */
  saveRequest(seq: number, record: ContainerRecord): void {
    this.#updateRequest.run(record.name, encodeRequest(record), seq);
  }

  delete(seq: number): void {
    transaction(this.#database, () => {
      this.#delete.run(seq);
      this.#deleteState.run(seq);
    });
  }

  /** Several changes, these and those of other tables of the same database, as one. */
  together<T>(work: () => T): T {
    return transaction(this.#database, work);
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

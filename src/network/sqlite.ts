/**
 * Networks in the engine's database, a row each.
 *
 * **Invariants**
 * - The predefined networks are there as soon as the store is open.
 * - A name belongs to one network: taking it is one insert.
 * - What is read is what the database says, also after the caller's
 *   transaction was rolled back: nothing that was read or written inside one is
 *   remembered.
 */

import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { EngineError, messageOf } from '../base/error.ts';
import { type Log, silentLog } from '../base/log.ts';
import { decodeNetwork, encodeNetwork } from './decode-network.ts';
import type { NetworkRecord, NetworkStore } from './store.ts';

/** What the store works with. */
export interface SqliteNetworksOptions {
  readonly database: DatabaseSync;
  /** Inserted, in this order, when a network of the id is absent. */
  readonly predefined: readonly NetworkRecord[];
  /** Default: nothing is told. */
  readonly log?: Log;
}

/** Makes the store's table; idempotent. */
export function createNetworkSchema(database: DatabaseSync): void {
  database.exec(
    `CREATE TABLE IF NOT EXISTS networks (
       seq INTEGER PRIMARY KEY,
       id TEXT NOT NULL UNIQUE,
       name TEXT NOT NULL UNIQUE,
       network TEXT NOT NULL
     ) STRICT`,
  );
}

/** Networks in a database. */
export class SqliteNetworks implements NetworkStore {
  readonly #database: DatabaseSync;
  readonly #log: Log;
  readonly #select: StatementSync;
  readonly #owner: StatementSync;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;
  /** All of them, as they were last read; `undefined`: to be read again. */
  #known: ReadonlyMap<string, NetworkRecord> | undefined;

  constructor({ database, predefined, log = silentLog }: SqliteNetworksOptions) {
    this.#database = database;
    this.#log = log;
    createNetworkSchema(database);
    this.#select = database.prepare('SELECT id, name, network FROM networks ORDER BY seq');
    this.#owner = database.prepare('SELECT id FROM networks WHERE name = ? OR id = ?');
    this.#insert = database.prepare('INSERT INTO networks (id, name, network) VALUES (?, ?, ?)');
    this.#update = database.prepare('UPDATE networks SET name = ?, network = ? WHERE id = ?');
    this.#delete = database.prepare('DELETE FROM networks WHERE id = ?');
    for (const network of predefined) {
      if (this.find(network.id) !== undefined) continue;
      // A damaged row may be in its place.
      database
        .prepare('DELETE FROM networks WHERE id = ? OR name = ?')
        .run(network.id, network.name);
      this.insert(network);
    }
  }

  list(): readonly NetworkRecord[] {
    return [...this.#all().values()];
  }

  find(id: string): NetworkRecord | undefined {
    return this.#all().get(id);
  }

  insert(network: NetworkRecord): void {
    const owner = this.#owner.get(network.name, network.id);
    if (owner !== undefined) {
      throw new EngineError('conflict', `network with name ${network.name} already exists`, {
        details: { name: network.name, owner: String(owner['id']) },
      });
    }
    this.#known = undefined;
    this.#insert.run(network.id, network.name, encodeNetwork(network));
  }

  update(network: NetworkRecord): void {
    this.#known = undefined;
    const { changes } = this.#update.run(network.name, encodeNetwork(network), network.id);
    if (Number(changes) === 0) {
      throw new EngineError('not-found', `network ${network.name} not found`);
    }
  }

  remove(id: string): void {
    this.#known = undefined;
    this.#delete.run(id);
  }

  #all(): ReadonlyMap<string, NetworkRecord> {
    if (this.#known !== undefined) return this.#known;
    const all = new Map<string, NetworkRecord>();
    for (const row of this.#select.all()) {
      const network = this.#decode(row);
      if (network !== undefined) all.set(network.id, network);
    }
    // A transaction may be rolled back, and nobody would tell.
    if (!this.#database.isTransaction) this.#known = all;
    return all;
  }

  /** A damaged row spoils no other; `undefined` for it. */
  #decode(row: Readonly<Record<string, unknown>>): NetworkRecord | undefined {
    try {
      return decodeNetwork(String(row['network']));
    } catch (error) {
      const { id, name } = row;
      this.#log.error('a network is damaged and left out', { id, name, error: messageOf(error) });
      return undefined;
    }
  }
}

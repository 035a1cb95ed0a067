/**
 * Networks in the engine's database, a row each.
 *
 * **Invariants**
 * - The predefined networks are there as soon as the store is open.
 * - A name belongs to one network: taking it is one insert.
 * - What is read is what the database says, also after the caller's
 *   transaction was rolled back; only the decoding is remembered.
 */

import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { EngineError } from '../base/error.ts';
import { decodeNetwork, encodeNetwork } from './decode-network.ts';
import type { NetworkRecord, NetworkStore } from './store.ts';

/** What the store works with. */
export interface SqliteNetworksOptions {
  readonly database: DatabaseSync;
  /** Inserted, in this order, when a network of the id is absent. */
  readonly predefined: readonly NetworkRecord[];
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
  readonly #all: StatementSync;
  readonly #one: StatementSync;
  readonly #owner: StatementSync;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;
  /** By id: the text a record was decoded from. */
  readonly #decoded = new Map<string, { readonly text: string; readonly network: NetworkRecord }>();

  constructor({ database, predefined }: SqliteNetworksOptions) {
    createNetworkSchema(database);
    this.#all = database.prepare('SELECT id, network FROM networks ORDER BY seq');
    this.#one = database.prepare('SELECT id, network FROM networks WHERE id = ?');
    this.#owner = database.prepare('SELECT id FROM networks WHERE name = ? OR id = ?');
    this.#insert = database.prepare('INSERT INTO networks (id, name, network) VALUES (?, ?, ?)');
    this.#update = database.prepare('UPDATE networks SET name = ?, network = ? WHERE id = ?');
    this.#delete = database.prepare('DELETE FROM networks WHERE id = ?');
    for (const network of predefined) {
      if (this.find(network.id) === undefined) this.insert(network);
    }
  }

  list(): readonly NetworkRecord[] {
    return this.#all.all().map((row) => this.#decode(row));
  }

  find(id: string): NetworkRecord | undefined {
    const row = this.#one.get(id);
    return row === undefined ? undefined : this.#decode(row);
  }

  insert(network: NetworkRecord): void {
    const owner = this.#owner.get(network.name, network.id);
    if (owner !== undefined) {
      throw new EngineError('conflict', `network with name ${network.name} already exists`, {
        details: { name: network.name, owner: String(owner['id']) },
      });
    }
    this.#insert.run(network.id, network.name, encodeNetwork(network));
  }

  update(network: NetworkRecord): void {
    const { changes } = this.#update.run(network.name, encodeNetwork(network), network.id);
    if (Number(changes) === 0) {
      throw new EngineError('not-found', `network ${network.name} not found`);
    }
  }

  remove(id: string): void {
    this.#delete.run(id);
    this.#decoded.delete(id);
  }

  #decode(row: Record<string, unknown>): NetworkRecord {
    const id = String(row['id']);
    const text = String(row['network']);
    const known = this.#decoded.get(id);
    if (known?.text === text) return known.network;
    const network = decodeNetwork(text);
    this.#decoded.set(id, { text, network });
    return network;
  }
}

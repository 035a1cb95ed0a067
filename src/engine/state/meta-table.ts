/** Small facts of one engine that never change once written: its own id. */

import type { DatabaseSync } from 'node:sqlite';

/** The value of `key`; `make` gives it when there is none yet, and it is kept. */
export function ensureMeta(database: DatabaseSync, key: string, make: () => string): string {
  const found = database.prepare('SELECT value FROM meta WHERE key = ?').get(key);
  if (found !== undefined) return String(found['value']);
  const value = make();
  database.prepare('INSERT INTO meta (key, value) VALUES (?, ?)').run(key, value);
  return value;
}

/**
 * The image store's own tables in the engine's database. Values that are
 * documents are JSON text; times are milliseconds since the epoch.
 */
import type { DatabaseSync } from 'node:sqlite';

/** Create what is missing. Idempotent; later versions add columns, never change one. */
export function createImageSchema(database: DatabaseSync): void {
  database.exec(`
    CREATE TABLE IF NOT EXISTS images (
      id TEXT PRIMARY KEY,
      manifest TEXT NOT NULL,
      config_descriptor TEXT NOT NULL,
      config TEXT NOT NULL,
      layers TEXT NOT NULL,
      layer_sizes TEXT NOT NULL,
      captured TEXT NOT NULL,
      parent TEXT,
      added_at_ms INTEGER NOT NULL,
      last_tagged_at_ms INTEGER
    ) STRICT;
    CREATE TABLE IF NOT EXISTS image_names (
      name TEXT PRIMARY KEY,
      image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
      target TEXT NOT NULL,
      given_at_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS image_names_by_image ON image_names (image_id);
  `);
  addColumn(database, 'last_used_at_ms', 'INTEGER');
}

/** A column of `images` that databases of earlier versions have not; absent values are NULL. */
function addColumn(database: DatabaseSync, name: string, type: string): void {
  const columns = database.prepare('PRAGMA table_info(images)').all();
  if (columns.some((column) => column['name'] === name)) return;
  database.exec(`ALTER TABLE images ADD COLUMN ${name} ${type}`);
}

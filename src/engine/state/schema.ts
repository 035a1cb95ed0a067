/**
 * Schema of the engine's database, as a list of steps. Step N brings version N
 * to N+1; a released step is never edited.
 *
 * The life state lives in a table of its own: it is a few hundred bytes that
 * change at every transition, beside a request of several KiB that never does.
 */

/** SQL of every step, oldest first. */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE containers (
     seq INTEGER PRIMARY KEY,
     name TEXT NOT NULL UNIQUE,
     id TEXT NOT NULL,
     request TEXT NOT NULL
   ) STRICT;
   CREATE TABLE container_states (
     seq INTEGER PRIMARY KEY,
     state TEXT NOT NULL
   ) STRICT;`,
];

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import type { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { hostPath } from '../../base/host-path.ts';
import { openDatabase, transaction } from './database.ts';

/** A directory of its own. */
class Place {
  readonly directory: string = mkdtempSync(`${tmpdir()}/carve-db-`);

  open(migrations: readonly string[] = ['CREATE TABLE a (x)']): DatabaseSync {
    return openDatabase({
      path: hostPath(`${this.directory}/state.db`),
      migrations,
      describeOwner: () => 'process 7',
    });
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true });
  }
}

test('steps are applied once, in order, with a copy from before', () => {
  using place = new Place();
  place.open().close();
  const second = place.open([
    'CREATE TABLE a (x)',
    'ALTER TABLE a ADD COLUMN y',
    "INSERT INTO a VALUES (1, 'z')",
  ]);
  assert.deepEqual({ ...second.prepare('SELECT x, y FROM a').get() }, { x: 1, y: 'z' });
  second.close();
  place.open(['1', '2', '3']).close();
  assert.ok(readdirSync(place.directory).includes('state.db.v1'));
});

test('a step that fails changes nothing and is tried again', () => {
  using place = new Place();
  place.open().close();
  assert.throws(() => place.open(['', 'CREATE TABLE b (x); CREATE TABLE a (x)']));
  const database = place.open(['', 'CREATE TABLE b (x)']);
  assert.equal(
    database.prepare("SELECT count(*) AS n FROM sqlite_master WHERE name = 'b'").get()?.['n'],
    1,
  );
  database.close();
});

test('a newer schema is refused', () => {
  using place = new Place();
  place.open(['CREATE TABLE a (x)', 'CREATE TABLE b (x)']).close();
  assert.throws(() => place.open(), {
    kind: 'unsupported',
    message: `Cannot open ${place.directory}/state.db: it was written by a newer carve (schema 2, this one knows 1)`,
  });
});

test('a file that is no database is refused and kept', () => {
  using place = new Place();
  writeFileSync(
    `${place.directory}/state.db`,
    'not a database, and longer than a header'.repeat(100),
  );
  assert.throws(() => place.open(), { kind: 'corrupt' });
  assert.ok(readdirSync(place.directory).includes('state.db'));
});

test('a second opener is refused while the first lives', () => {
  using place = new Place();
  const first = place.open();
  assert.throws(() => place.open(), {
    kind: 'in-use',
    message: /another carve engine \(process 7\)/,
  });
  first.close();
  place.open().close();
});

test('a throw rolls the whole transaction back, also what an inner one did', () => {
  using place = new Place();
  const database = place.open();
  const insert = database.prepare('INSERT INTO a VALUES (?)');
  assert.throws(() =>
    transaction(database, () => {
      insert.run(1);
      transaction(database, () => insert.run(2));
      throw new Error('no');
    }),
  );
  transaction(database, () => transaction(database, () => insert.run(3)));
  assert.deepEqual(
    database
      .prepare('SELECT x FROM a')
      .all()
      .map((row) => row['x']),
    [3],
  );
  database.close();
});

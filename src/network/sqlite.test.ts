import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { isEngineError } from '../base/error.ts';
import { silentLog } from '../base/log.ts';
import { parseAddress, parseNetwork } from '../spec/cidr.ts';
import { predefinedNetworks } from './predefined.ts';
import { SqliteNetworks } from './sqlite.ts';
import type { NetworkRecord } from './store.ts';

const ENGINE = 'e'.repeat(32);

function open(database: DatabaseSync, createdAtNs = 5n): SqliteNetworks {
  return new SqliteNetworks({ database, predefined: predefinedNetworks(ENGINE, createdAtNs) });
}

const web: NetworkRecord = {
  id: 'ab'.repeat(32),
  name: 'web',
  createdAtNs: 1_700_000_000_123_456_789n,
  driver: 'bridge',
  isPredefined: false,
  hasIpv4: true,
  hasIpv6: true,
  subnets: [
    {
      subnet: parseNetwork('10.1.0.0/16'),
      range: parseNetwork('10.1.5.0/24'),
      gateway: parseAddress('10.1.0.1'),
      reserved: { router: parseAddress('10.1.5.1') },
    },
    {
      subnet: parseNetwork('fd00:1::/64'),
      range: undefined,
      gateway: parseAddress('fd00:1::1'),
      reserved: {},
    },
  ],
  isInternal: false,
  isAttachable: true,
  ipamOptions: { a: 'b' },
  options: { 'com.docker.network.driver.mtu': '1400' },
  labels: JSON.parse('{"__proto__":"x","k":"v"}') as Record<string, string>,
};

test('a new store has the three predefined networks, an old one keeps its own', () => {
  using database = new DatabaseSync(':memory:');
  const first = open(database);
  assert.deepEqual(
    first.list().map(({ name, driver, isPredefined }) => [name, driver, isPredefined]),
    [
      ['bridge', 'bridge', true],
      ['host', 'host', true],
      ['none', 'null', true],
    ],
  );
  assert.equal(new Set(first.list().map(({ id }) => id.slice(0, 12))).size, 3);
  const [bridge] = first.list();
  assert.ok(bridge !== undefined && /^[0-9a-f]{64}$/.test(bridge.id));
  const used = { ...bridge, subnets: web.subnets };
  first.update(used);
  first.insert(web);
  const again = open(database, 9n);
  assert.deepEqual(again.list().at(0), used);
  assert.deepEqual(again.list().at(-1), web);
  assert.deepEqual(again.find(web.id), web);
});

test('a name and an id belong to one network', () => {
  using database = new DatabaseSync(':memory:');
  const networks = open(database);
  networks.insert(web);
  for (const twin of [
    { ...web, id: 'cd'.repeat(32) },
    { ...web, name: 'other' },
    { ...web, id: 'cd'.repeat(32), name: 'bridge' },
  ]) {
    assert.throws(
      () => networks.insert(twin),
      (error) => isEngineError(error) && error.kind === 'conflict',
    );
  }
  assert.throws(
    () => networks.update({ ...web, id: 'cd'.repeat(32) }),
    (error) => isEngineError(error) && error.kind === 'not-found',
  );
  networks.remove(web.id);
  networks.remove(web.id);
  assert.equal(networks.find(web.id), undefined);
  networks.insert({ ...web, id: 'cd'.repeat(32) });
  assert.equal(networks.list().length, 4);
});

test('what a caller rolls back was never there', () => {
  using database = new DatabaseSync(':memory:');
  const networks = open(database);
  networks.insert(web);
  database.exec('BEGIN');
  networks.update({ ...web, isInternal: true });
  networks.insert({ ...web, id: 'cd'.repeat(32), name: 'db' });
  assert.equal(networks.find(web.id)?.isInternal, true);
  database.exec('ROLLBACK');
  assert.deepEqual(networks.find(web.id), web);
  assert.equal(networks.list().length, 4);
  database.exec('BEGIN');
  networks.remove(web.id);
  assert.equal(networks.find(web.id), undefined);
  database.exec('ROLLBACK');
  assert.deepEqual(networks.find(web.id), web);
  database.exec('BEGIN');
  networks.update({ ...web, isInternal: true });
  assert.equal(networks.find(web.id)?.isInternal, true);
  database.exec('COMMIT');
  assert.equal(networks.find(web.id)?.isInternal, true);
});

test('a damaged row is told, spoils no other, and a predefined network comes back', () => {
  using database = new DatabaseSync(':memory:');
  const networks = open(database);
  networks.insert(web);
  networks.insert({ ...web, id: 'cd'.repeat(32), name: 'db' });
  database.exec("UPDATE networks SET network = '{\"name\":' WHERE name IN ('web', 'none')");
  const told: unknown[] = [];
  const log = { ...silentLog, error: (...[, facts]: readonly unknown[]) => void told.push(facts) };
  const predefined = predefinedNetworks(ENGINE, 0n);
  const again = new SqliteNetworks({ database, predefined, log });
  assert.deepEqual(
    again.list().map(({ name }) => name),
    ['bridge', 'host', 'db', 'none'],
  );
  assert.match(JSON.stringify(told), /"name":"web"/);
  again.remove(web.id);
  again.insert(web);
  assert.deepEqual(again.find(web.id), web);
});

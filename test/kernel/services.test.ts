/** A, AAAA, PTR and SRV of containers, asked by a resolver program of others. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { execFile } from 'node:child_process';
import type { ContainerConfig } from '../../src/spec/docker/container.ts';
import { type EngineFixture, openFixture } from './engine-fixture.ts';

const run = promisify(execFile);

/** A container on the network `front`, by what it is asked. */
async function start(
  fixture: EngineFixture,
  name: string,
  config: ContainerConfig = {},
): Promise<string> {
  const id = await fixture.create(
    { Cmd: ['sleep', '300'], ...config },
    { NetworkMode: 'front', PortBindings: name === 'db' ? { '5433/tcp': [{}] } : {} },
    name,
  );
  await fixture.engine.containers.start(id);
  return id;
}

/** The answer's records, sorted, as `TYPE DATA`. */
async function drill(
  fixture: EngineFixture,
  id: string,
  ...question: readonly string[]
): Promise<readonly string[]> {
  const { State } = await fixture.engine.containers.inspect(id);
  const network = `--net=/proc/${State.Pid}/ns/net`;
  const { stdout } = await run('nsenter', [network, 'drill', '@127.0.0.11', ...question]);
  assert.match(stdout, /rcode: NOERROR/);
  const [, answer = ''] = /ANSWER SECTION:\n(.*?);; AUTHORITY/s.exec(stdout) ?? [];
  const records = answer.split('\n').filter((line) => line !== '');
  return records.map((line) => line.split('\t').slice(3).join(' ')).toSorted();
}

test('a resolver program is told addresses of both families, names, and ports by number, registered name and service', async () => {
  await using fixture = await openFixture();
  await fixture.engine.networks.create({
    Name: 'front',
    Internal: true,
    EnableIPv6: true,
    IPAM: { Config: [{ Subnet: '10.61.0.0/24' }, { Subnet: 'fd61::/64' }] },
  });
  const db = await start(fixture, 'db', {
    ExposedPorts: { '5432/tcp': {}, '53/udp': {} },
    Labels: { 'com.docker.compose.service': 'Store' },
  });
  const web = await start(fixture, 'web');
  assert.deepEqual(await drill(fixture, web, 'db', 'A'), ['A 10.61.0.2']);
  assert.deepEqual(await drill(fixture, web, 'db', 'AAAA'), ['AAAA fd61::2']);
  assert.deepEqual(await drill(fixture, web, '-x', '10.61.0.2'), ['PTR db.front.']);
  assert.deepEqual(await drill(fixture, web, '-x', 'fd61::2'), ['PTR db.front.']);
  assert.deepEqual(await drill(fixture, web, '_postgresql._tcp.db', 'SRV'), ['SRV 0 0 5432 db.']);
  assert.deepEqual(await drill(fixture, web, '_5433._tcp.db', 'SRV'), ['SRV 0 0 5433 db.']);
  assert.deepEqual(await drill(fixture, web, '_domain._udp.db.front', 'SRV'), [
    'SRV 0 0 53 db.front.',
  ]);
  assert.deepEqual(await drill(fixture, web, '_store._tcp.db', 'SRV'), [
    'SRV 0 0 5432 db.',
    'SRV 0 0 5433 db.',
  ]);
  assert.deepEqual(await drill(fixture, web, '_http._tcp.db', 'SRV'), []);
  assert.deepEqual(await drill(fixture, db, '_http._tcp.web', 'SRV'), []);
});

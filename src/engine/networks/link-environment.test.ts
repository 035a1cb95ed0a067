/** Variables of links, as Docker 20.10 makes them. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseContainerPort } from '../../spec/port.ts';
import { linkEnvironment } from './link-environment.ts';

function variables(alias: string, ports: readonly string[], env: readonly string[] = []): string {
  const address = '172.17.0.2';
  const link = { name: 'web', alias, address, ports: ports.map(parseContainerPort), env };
  return linkEnvironment(link).join('\n');
}

test('linkEnvironment(): one port, its name, its environment without PATH and HOME', () => {
  const env = ['PATH=/bin', 'HOME=/root', 'PASSWORD=a=b', 'EMPTY=', 'gone'];
  assert.equal(
    variables('my-db', ['5432/tcp'], env),
    `MY_DB_PORT=tcp://172.17.0.2:5432
MY_DB_PORT_5432_TCP=tcp://172.17.0.2:5432
MY_DB_PORT_5432_TCP_ADDR=172.17.0.2
MY_DB_PORT_5432_TCP_PORT=5432
MY_DB_PORT_5432_TCP_PROTO=tcp
MY_DB_NAME=/web/my-db
MY_DB_ENV_PASSWORD=a=b
MY_DB_ENV_EMPTY=`,
  );
});

test('linkEnvironment(): the first port is the lowest, of two protocols tcp; ranges are told', () => {
  const told = variables('db', ['9001/tcp', '9000/tcp', '53/udp', '53/tcp', '9002/udp']);
  assert.match(told, /^DB_PORT=tcp:\/\/172\.17\.0\.2:53$/m);
  assert.match(told, /^DB_PORT_53_UDP=udp:/m);
  const ranges = told.split('\n').filter((line) => /_(?:START|END)=/.test(line));
  assert.deepEqual(ranges, [
    'DB_PORT_9000_TCP_START=tcp://172.17.0.2:9000',
    'DB_PORT_9000_TCP_PORT_START=9000',
    'DB_PORT_9000_TCP_END=tcp://172.17.0.2:9001',
    'DB_PORT_9000_TCP_PORT_END=9001',
  ]);
});

test('linkEnvironment(): without ports there is the name alone', () => {
  assert.equal(variables('db', []), 'DB_NAME=/web/db');
});

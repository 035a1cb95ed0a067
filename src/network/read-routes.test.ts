import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatNetwork } from '../spec/cidr.ts';
import { readRoutes } from './read-routes.ts';

test('routes of both families are read; a family that is not there has none', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'carve-routes-'));
  t.after(() => rmSync(directory, { recursive: true }));
  assert.deepEqual(readRoutes(directory), []);
  const head = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n';
  writeFileSync(
    join(directory, 'route'),
    `${head}eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\neth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n`,
  );
  assert.deepEqual(readRoutes(directory).map(formatNetwork), ['10.0.0.0/24']);
  writeFileSync(
    join(directory, 'ipv6_route'),
    `fd000000000000000000000000000000 40 ${'0'.repeat(32)} 00 ${'0'.repeat(32)} 00000100 00000001 00000000 00000001 eth0\n`,
  );
  assert.deepEqual(readRoutes(directory).map(formatNetwork), ['10.0.0.0/24', 'fd00::/64']);
});

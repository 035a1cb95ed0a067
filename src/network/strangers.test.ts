import { test } from 'node:test';
import assert from 'node:assert/strict';
import { strangersWarnings } from './strangers.ts';

const DOCKERS = {
  family: 'ipv4',
  table: 'filter',
  chain: 'FORWARD',
  hook: 'forward',
  policy: 'drop',
} as const;

test('strangersWarnings() names chains of others that drop what is passed on, while there are networks', () => {
  const [warning = '', ...more] = strangersWarnings(
    [
      DOCKERS,
      { ...DOCKERS, policy: 'accept' },
      { ...DOCKERS, hook: 'input' },
      { ...DOCKERS, family: 'bridge' },
      { ...DOCKERS, table: 'carve-0123' },
    ],
    ['carve-1', 'br-2'],
  );
  assert.deepEqual(more, []);
  assert.match(
    warning,
    /chain FORWARD of table ip filter.*\(carve-1, br-2\).*-i carve-1 -j ACCEPT/,
  );
  assert.deepEqual(strangersWarnings([DOCKERS], []), []);
});

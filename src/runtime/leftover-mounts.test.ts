import { test } from 'node:test';
import assert from 'node:assert/strict';
import { mountsBelow } from './leftover-mounts.ts';

const line = (point: string): string => `40 23 0:28 / ${point} rw - tmpfs tmpfs rw`;

test('mountsBelow() finds what is strictly below a place, by whole names, the last first', () => {
  const info = [
    '/run/carve',
    '/run/carve/c',
    '/run/carve/c/one/x',
    '/run/carve/c/one/x/y',
    '/run/carve/c2/x',
    '/run/carve/cx',
    '/run',
    String.raw`/run/carve/c/with\040space\012line`,
    '/other/run/carve/c/x',
  ].map(line);
  assert.deepEqual(mountsBelow(`${info.join('\n')}\n`, ['/run/carve/c']), [
    '/run/carve/c/with space\nline',
    '/run/carve/c/one/x/y',
    '/run/carve/c/one/x',
  ]);
  assert.deepEqual(mountsBelow(info.join('\n'), []), []);
});

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { hidesMounts } from './machine.ts';

const line = (point: string, optional: string): string =>
  `22 1 8:1 / ${point} rw,relatime${optional} - ext4 /dev/sda1 rw`;

test('hidesMounts() is true where nothing that is mounted on / later comes to other namespaces', () => {
  for (const [optional, hides] of [
    [' shared:1', false],
    [' shared:1 master:2', false],
    ['', true],
    [' master:2', true],
  ] as const)
    assert.equal(hidesMounts(`${line('/proc', ' shared:9')}\n${line('/', optional)}\n`), hides);
  // The last one on / is the one that is seen.
  assert.equal(hidesMounts(`${line('/', '')}\n${line('/', ' shared:1')}\n`), false);
  assert.equal(hidesMounts(''), false);
});

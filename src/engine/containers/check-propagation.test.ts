import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMountInfo } from '../../kernel/procfs.ts';
import { propagationRefusal } from './check-propagation.ts';

const TABLE = parseMountInfo(`1 0 8:1 / / rw - ext4 /dev/sda rw
2 1 8:2 / /srv rw shared:5 - ext4 /dev/sdb rw
3 2 8:3 / /srv/in rw master:5 - ext4 /dev/sdc rw
4 1 8:4 / /over rw shared:7 - ext4 /dev/sdd rw
5 1 8:5 / /over rw - ext4 /dev/sde rw
`);

test('propagation needs a mount that passes on: the deepest and latest that holds the path', () => {
  const rows: readonly (readonly [string, string, string | undefined])[] = [
    ['/srv', 'rshared', undefined],
    ['/srv/a', 'shared', undefined],
    ['/srv/a', 'rslave', undefined],
    ['/srv/in/a', 'slave', undefined],
    ['/srv/in/a', 'shared', 'path /srv/in/a is mounted on /srv/in but it is not a shared mount'],
    ['/srvx', 'rshared', 'path /srvx is mounted on / but it is not a shared mount'],
    ['/x', 'rslave', 'path /x is mounted on / but it is not a shared or slave mount'],
    ['/over/x', 'rshared', 'path /over/x is mounted on /over but it is not a shared mount'],
  ];
  for (const [path, propagation, refusal] of rows)
    assert.equal(propagationRefusal(TABLE, { path, propagation }), refusal, path);
});

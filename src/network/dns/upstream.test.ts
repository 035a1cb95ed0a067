/** Which servers are asked: as resolv.conf says now. */

import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { HostUpstreams, ownUpstreams, upstreamsOf } from './upstream.ts';

const addressesOf = (list: readonly { readonly address: string }[]): string =>
  list.map(({ address }) => address).join(' ');

test('upstreamsOf() takes three addresses at most, and none that is nobody’s', () => {
  const given = ['10.0.0.1', 'x', '0.0.0.0', '::', 'fe80::1%eth0', '127.0.0.53', '10.0.0.9'];
  assert.equal(addressesOf(upstreamsOf(given)), '10.0.0.1 fe80::1%eth0 127.0.0.53');
  assert.equal(addressesOf(ownUpstreams(['127.0.0.11', '10.0.0.2'])), '10.0.0.2');
});

test('HostUpstreams looks again when the file changed, once a second at most, and keeps what it knew', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'carve-resolv-'));
  const path = join(dir, 'resolv.conf');
  let nowMs = 0;
  const host = new HostUpstreams(path, () => nowMs);
  const replace = async (text: string): Promise<void> => {
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
  };
  try {
    assert.equal(addressesOf(host.list()), '127.0.0.1', 'no file: this machine');
    await replace('nameserver 10.0.0.1\nnameserver 10.0.0.2\n');
    assert.equal(addressesOf(host.list()), '127.0.0.1');
    nowMs += 1000;
    assert.equal(addressesOf(host.list()), '10.0.0.1 10.0.0.2');
    await replace('nameserver 10.0.0.3\n');
    nowMs += 1000;
    assert.equal(addressesOf(host.list()), '10.0.0.3');
    await rm(path);
    nowMs += 1000;
    assert.equal(addressesOf(host.list()), '10.0.0.3', 'it is being replaced');
    await replace('# nothing\n');
    nowMs += 1000;
    assert.equal(addressesOf(host.list()), '127.0.0.1');
  } finally {
    await rm(dir, { recursive: true });
  }
});

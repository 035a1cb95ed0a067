/** A host whose `/` is private: file systems that it mounts after the daemon began are nobody's but its own. */

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { DaemonFixture } from './daemon-fixture.ts';

/** A mount namespace of its own, until it is disposed. */
async function openHost(propagation: string): Promise<AsyncDisposable & { readonly pid: number }> {
  const words = ['-m', '--propagation', propagation, 'sh', '-c', 'echo; exec cat'];
  const holder = spawn('unshare', words, { stdio: ['pipe', 'pipe', 'inherit'] });
  const closed = once(holder, 'close');
  await once(holder.stdout, 'data');
  return {
    pid: holder.pid ?? 0,
    async [Symbol.asyncDispose]() {
      holder.stdin.end();
      await closed;
    },
  };
}

for (const propagation of ['private', 'shared'])
  test(`what a host with a ${propagation} / mounts after the daemon began is seen through -v, in all its ways, and by cp`, async () => {
    await using host = await openHost(propagation);
    const inside = ['nsenter', '-t', String(host.pid), '-m'];
    const on = (script: string): string =>
      execFileSync('nsenter', [...inside.slice(1), 'sh', '-ec', script], { encoding: 'utf8' });
    await using engine = new DaemonFixture({ inside });
    await engine.start();
    await engine.importBusybox();
    const disk = join(engine.folder, 'disk');
    mkdirSync(disk);
    on(`mount -t tmpfs tmpfs '${disk}'; mkdir -p '${disk}/deep/on'; echo disk > '${disk}/file'
      mount -t tmpfs tmpfs '${disk}/deep/on'; echo deep > '${disk}/deep/on/file'`);
    const run = async (...args: string[]): Promise<string> => {
      const { code, output, stdout } = await engine.carve(
        'run',
        '--rm',
        '--network',
        'none',
        ...args,
      );
      assert.equal(code, 0, output);
      return stdout;
    };
    const show = ['bb', 'cat', '/v/file', '/v/deep/on/file'];
    // Of a private mount nothing can be a slave: refused, as with Docker.
    for (const how of ['', ':ro', ...(propagation === 'shared' ? [':rslave', ':rshared'] : [])])
      assert.equal(await run('-v', `${disk}:/v${how}`, ...show), 'disk\ndeep\n', how);
    assert.equal(await run('-v', `${disk}/file:/v:ro`, 'bb', 'cat', '/v'), 'disk\n');
    assert.equal(
      await run('-v', `${disk}:/v`, 'bb', 'sh', '-c', 'echo new > /v/new; cat /v/new'),
      'new\n',
    );
    assert.equal(on(`cat '${disk}/new'`), 'new\n');
    // A volume whose directory the operator put on a disk of its own.
    await engine.carve('volume', 'create', 'data');
    on(
      `mount -t tmpfs tmpfs '${engine.root}/volumes/data/_data'; echo volume > '${engine.root}/volumes/data/_data/file'`,
    );
    assert.equal(await run('-v', 'data:/v', 'bb', 'cat', '/v/file'), 'volume\n');
    on(`umount '${engine.root}/volumes/data/_data'`);
    const made = await engine.carve('create', '--name', 'still', '-v', `${disk}:/v`, 'bb', 'true');
    assert.equal(made.code, 0, made.output);
    const copied = await engine.carve('cp', 'still:/v/file', '-');
    assert.equal(copied.code, 0, copied.output);
    assert.match(copied.stdout, /disk\n/);
  });

/** A full disk, and too few file descriptors: one clear sentence, what must work works, and it heals. */

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, statfsSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { runChild } from '../../scripts/child.ts';
import { DaemonFixture, until } from './daemon-fixture.ts';

/** Size of the file system, in bytes. */
const DISK_BYTES = 48 * 2 ** 20;

/** A small ext4 file system in a file, mounted; unmounted and removed afterwards. */
async function onSmallDisk(body: (mountPoint: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'carve-disk-'));
  const mountPoint = join(folder, 'disk');
  const run = async (...argv: string[]): Promise<void> => {
    const { code, output } = await runChild(argv);
    assert.equal(code, 0, output);
  };
  try {
    mkdirSync(mountPoint);
    await run('truncate', '-s', String(DISK_BYTES), join(folder, 'image'));
    await run('mkfs.ext4', '-q', '-m', '0', join(folder, 'image'));
    await run('mount', '-o', 'loop', join(folder, 'image'), mountPoint);
    try {
      await body(mountPoint);
    } finally {
      await run('umount', mountPoint);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Fills a file system to the last block; `room` bytes stay free. */
function fill(mountPoint: string, room = 0): void {
  const path = join(mountPoint, 'ballast');
  for (let bytes = 1 << 20; bytes >= 4096; bytes /= 2) {
    const { bavail, bsize } = statfsSync(mountPoint);
    const blocks = Math.max(0, Math.floor((bavail * bsize - room) / bytes));
    try {
      for (let count = 0; count < blocks; count++)
        writeFileSync(path, new Uint8Array(bytes), { flag: 'a' });
    } catch {
      // Full.
    }
  }
}

test('a full disk: create and load say so, stop, logs and rm work, and all of it heals', () =>
  onSmallDisk(async (disk) => {
    const leaks = await DaemonFixture.using(
      async (engine) => {
        const chatty = await engine.create('chatty', ['sh', '-c', 'echo first; yes']);
        const quiet = await engine.create('quiet', ['sh', '-c', 'echo first; exec sleep 1000']);
        await engine.startContainer(quiet);
        await until('it writes', async () => (await engine.carve('logs', quiet)).stdout !== '');
        fill(disk);
        await engine.startContainer(chatty).catch(() => undefined);
        const bare = { Image: 'bb', Cmd: ['true'], HostConfig: { NetworkMode: 'none' } };
        const failures = new Set<string>();
        for (let count = 0; count < 40; count++) {
          const { status, text } = await engine.api('POST', '/containers/create', bare);
          if (status !== 201) failures.add(`${status} ${text.trim()}`);
        }
        for (const failure of failures) {
          assert.match(
            failure,
            /^(500|507) \{"message":"[^"]*(disk is full|no space is left on the disk)/i,
          );
        }
        assert.ok(failures.size > 0, 'a full disk has room for 40 containers');
        const load = await engine.carve('import', await engine.busyboxTar(), 'other');
        assert.equal(load.code, 1);
        assert.match(load.output, /space|disk is full/);
        assert.equal((await engine.api('GET', '/containers/json')).status, 200);
        assert.equal((await engine.carve('logs', 'quiet')).stdout, 'first\n');
        assert.equal((await engine.carve('exec', 'quiet', 'echo', 'inside')).stdout, 'inside\n');
        assert.equal((await engine.api('POST', `/containers/${quiet}/stop?t=0`)).status, 204);
        assert.equal((await engine.state(quiet)).ExitCode, 137);
        // The daemon itself comes back on the full disk.
        await engine.end('SIGKILL');
        await engine.start();
        assert.equal((await engine.state(quiet)).ExitCode, 137);
        for (const { Id } of await engine.list()) {
          const { status, text } = await engine.api('DELETE', `/containers/${Id}?force=1`);
          assert.equal(status, 204, text);
        }
        await until('directories are removed', () => engine.leftovers().length === 0);
        unlinkSync(join(disk, 'ballast'));
        const healed = await engine.carve('run', '--rm', '--network', 'none', 'bb', 'echo', 'well');
        assert.equal(healed.stdout, 'well\n', healed.output);
      },
      { root: join(disk, 'root') },
    );
    assert.deepEqual(leaks, []);
  }));

test('an archive that does not fit is refused and leaves nothing', () =>
  onSmallDisk(async (disk) => {
    await using engine = await DaemonFixture.open({ root: join(disk, 'root') });
    const big = join(engine.folder, 'big');
    mkdirSync(big);
    writeFileSync(join(big, 'data'), new Uint8Array(2 * DISK_BYTES).fill(7));
    const tar = join(engine.folder, 'big.tar');
    await runChild(['tar', '-cf', tar, '-C', big, '.']);
    const free = (): number => statfsSync(disk).bavail;
    const before = free();
    const { code, output } = await engine.carve('import', tar, 'big');
    assert.equal(code, 1);
    assert.match(output, /no space is left on the disk|disk is full/);
    const images = await engine.api('GET', '/images/json');
    assert.equal((images.json as unknown[]).length, 1);
    await until('its room is free again', () => free() > before - 64);
    const { stdout } = await engine.carve('run', '--rm', '--network', 'none', 'bb', 'echo', 'well');
    assert.equal(stdout, 'well\n');
  }));

test('too few file descriptors: what does not fit is refused, nothing ends, and it heals', async () => {
  const leaks = await DaemonFixture.using(
    async (engine) => {
      const { pid } = engine;
      const id = await engine.create('one', ['sleep', '1000']);
      await engine.startContainer(id);
      const sockets = [];
      for (let count = 0; count < 100; count++)
        sockets.push(await engine.raw('GET /events HTTP/1.1\r\nHost: x\r\n\r\n'));
      // A connection that is reset before it was answered says nothing; the next one does.
      let said = '';
      await until('it says that there are too many', async () => {
        const refused = await engine.raw('');
        refused.setEncoding('utf8').on('data', (text: string) => (said += text));
        if (!refused.destroyed)
          await new Promise((resolve) => refused.once('close', resolve).once('end', resolve));
        refused.destroy();
        return said !== '';
      });
      for (const socket of sockets) socket.destroy();
      assert.match(said, /^HTTP\/1\.1 503 [^]*Too many connections/);
      await until('it answers again', async () =>
        engine.api('GET', '/_ping').then(
          ({ status }) => status === 200,
          () => false,
        ),
      );
      assert.equal(engine.pid, pid);
      assert.ok(engine.isAlive());
      assert.equal((await engine.carve('exec', 'one', 'echo', 'inside')).stdout, 'inside\n');
      const ran = await engine.carve('run', '--rm', '--network', 'none', 'bb', 'echo', 'well');
      assert.equal(ran.stdout, 'well\n', ran.output);
    },
    { wrapper: ['prlimit', '--nofile=64'] },
  );
  assert.deepEqual(leaks, []);
});

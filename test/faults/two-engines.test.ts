/** Two daemons on one root, on one run directory, side by side, and several commands that find none. */

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runChild } from '../../scripts/child.ts';
import { CARVE, DaemonFixture } from './daemon-fixture.ts';

function daemon(
  fixture: DaemonFixture,
  places: { readonly root?: string; readonly run?: string; readonly socket?: string },
): ReturnType<typeof runChild> {
  const { root = fixture.root, run = fixture.run, socket = fixture.socket } = places;
  const words = ['daemon', '--root', root, '--run', run, '--host', `unix://${socket}`];
  return runChild([...CARVE, ...words], { timeoutMs: 10_000 });
}

test('a second daemon on one root, run directory or socket is refused in a sentence and harms nothing', async () => {
  const leaks = await DaemonFixture.using(async (engine) => {
    const id = await engine.create('one', ['sleep', '1000']);
    await engine.startContainer(id);
    const at = (name: string): string => join(engine.folder, name);
    const sameRoot = await daemon(engine, { run: at('run2'), socket: at('2.sock') });
    assert.equal(sameRoot.code, 1);
    assert.match(sameRoot.output, new RegExp(`another carve engine \\(process ${engine.pid}\\)`));
    assert.ok(!existsSync(at('run2')));
    const sameRun = await daemon(engine, { root: at('root2'), socket: at('2.sock') });
    assert.equal(sameRun.code, 1);
    assert.match(sameRun.output, /it belongs to the engine with root /);
    const sameSocket = await daemon(engine, { root: at('root2'), run: at('run2') });
    assert.equal(sameSocket.code, 1);
    assert.match(sameSocket.output, /another server answers there/);
    assert.equal((await engine.carve('exec', 'one', 'echo', 'inside')).stdout, 'inside\n');
    // Whose daemon is dead keeps its run directory all the same.
    await engine.end('SIGKILL');
    assert.equal((await daemon(engine, { root: at('root2') })).code, 1);
    await engine.start();
    assert.equal((await engine.state(id)).Running, true);
  });
  assert.deepEqual(leaks, []);
});

test('places that cannot be used are told in one sentence', async () => {
  await using place = new DaemonFixture();
  const file = join(place.folder, 'file');
  writeFileSync(file, '');
  const cases: readonly (readonly [Parameters<typeof daemon>[1], RegExp])[] = [
    [
      { root: file },
      /^carve daemon: Cannot make the directory .*\/file: something else has that name\n$/,
    ],
    [
      { run: join(file, 'run') },
      /Cannot make the directory .*: a part of the path is not a directory\n$/,
    ],
    [{ socket: file }, /Cannot listen on .*\/file: it exists and is not a socket\n$/],
    [
      { socket: join(place.folder, 'no/carve.sock') },
      /Cannot listen on .*: its directory does not exist\n$/,
    ],
    [
      { socket: join(place.folder, 'x'.repeat(120)) },
      /Cannot listen on .*: a socket's path has at most 107 bytes\n$/,
    ],
  ];
  for (const [places, sentence] of cases) {
    const { code, output } = await daemon(place, places);
    assert.equal(code, 1);
    assert.match(output, sentence);
  }
});

test('two engines run side by side and never meet', async () => {
  const leaks = await DaemonFixture.using(async (one) => {
    const others = await DaemonFixture.using(async (other) => {
      for (const engine of [one, other])
        await engine.startContainer(await engine.create('same', ['sleep', '1000']));
      const [mine, theirs] = await Promise.all([one.state('same'), other.state('same')]);
      assert.notEqual(mine.Pid, theirs.Pid);
      await other.end('SIGKILL');
      await one.end('SIGKILL');
      await Promise.all([one.start(), other.start()]);
      assert.deepEqual(await one.state('same'), mine);
      assert.deepEqual(await other.state('same'), theirs);
      assert.equal((await other.api('DELETE', '/containers/same?force=1')).status, 204);
      assert.deepEqual(await one.state('same'), mine);
    });
    assert.deepEqual(others, []);
    assert.equal((await one.carve('exec', 'same', 'echo', 'inside')).stdout, 'inside\n');
  });
  assert.deepEqual(leaks, []);
});

test('commands that find no daemon on the default socket start exactly one, also after it was killed', async () => {
  // Over the machine's own directories lie empty ones, in a mount namespace of the test's own.
  const script = `
    for dir in /var/lib/carve /run/carve /var/log/carve; do mount -t tmpfs none $dir; done
    daemons() {
      for process in /proc/[0-9]*; do
        [ "$(readlink $process/ns/mnt)" = "$(readlink /proc/$$/ns/mnt)" ] &&
          tr '\\0' '\\n' < $process/cmdline 2> /dev/null | grep -qx daemon && echo $process
      done | wc -l
    }
    for i in 1 2 3 4 5; do "$@" ps -q & done; wait
    # Those that came too late may still be on their way to the lock.
    while [ $(daemons) -gt 1 ]; do sleep 0.02; done
    echo ready: $(grep -c ' ready ' /var/log/carve/daemon.log)
    first=$(tr -dc 0-9 < /var/lib/carve/daemon.json)
    kill -9 $first
    "$@" ps -q && echo again: $?
    second=$(tr -dc 0-9 < /var/lib/carve/daemon.json)
    [ $first != $second ] && echo another
    kill $second
    while [ $(daemons) -gt 0 ]; do sleep 0.02; done
    ls /run/carve/carve.sock 2> /dev/null
    echo end`;
  const made = ['/var/lib/carve', '/run/carve', '/var/log/carve'].filter(
    (path) => !existsSync(path),
  );
  for (const path of made) mkdirSync(path, { recursive: true });
  const { output } = await runChild(
    ['unshare', '-m', '--propagation', 'private', 'sh', '-c', script, 'sh', ...CARVE],
    { env: { CARVE_HOST: '', DOCKER_HOST: '' }, timeoutMs: 30_000 },
  );
  assert.equal(output, 'ready: 1\nagain: 0\nanother\nend\n');
});

/** The daemon, a monitor and the chisel host killed with SIGKILL while containers run. */

import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import { DaemonFixture, isGone, parentOf, until } from './daemon-fixture.ts';

const ticking = ['sh', '-c', 'i=0; while :; do echo $i; i=$((i+1)); usleep 5000; done'];

test('a killed daemon: 100 containers are back within a second, what ended meanwhile ended as it did', async () => {
  const leaks = await DaemonFixture.using(async (engine) => {
    const names = Array.from({ length: 100 }, (_, index) => `c${index}`);
    const ids = await Promise.all(
      names.map((name, index) => {
        if (index < 10) return engine.create(name, ticking);
        // Ends when it is told, with a code of its own.
        const script = `trap 'echo bye; exit ${index}' TERM; echo up; while :; do sleep 1000 & wait $!; done`;
        return engine.create(name, ['sh', '-c', script]);
      }),
    );
    await Promise.all(ids.map((id) => engine.startContainer(id)));
    const states = await Promise.all(ids.map((id) => engine.state(id)));
    const [paused = ''] = ids;
    assert.equal((await engine.api('POST', `/containers/${paused}/pause`)).status, 204);
    await until('all of them say that they are up', async () => {
      const logs = await Promise.all(
        ids.slice(90).map((id) => engine.api('GET', `/containers/${id}/logs?stdout=1`)),
      );
      return logs.every(({ text }) => text.includes('up'));
    });
    await engine.end('SIGKILL');
    for (const index of [90, 91, 92, 93, 94]) process.kill(states[index]?.Pid ?? 0, 'SIGTERM');
    for (const index of [95, 96]) process.kill(states[index]?.Pid ?? 0, 'SIGKILL');
    await until('they are gone', () =>
      [90, 91, 92, 93, 94, 95, 96].every((index) => isGone(states[index]?.Pid ?? 0)),
    );
    const tookMs = await engine.start();
    // The machine may be busy: an empty engine's start is the measure then.
    assert.ok(tookMs < Math.max(1000, 2 * engine.firstStartMs), `took ${tookMs} ms`);
    for (const [index, id] of ids.entries()) {
      const { Status, Pid, ExitCode } = await engine.state(id);
      if (index === 0) assert.equal(Status, 'paused');
      else if (index < 90 || index > 96) {
        assert.deepEqual([Status, Pid], ['running', states[index]?.Pid]);
      } else assert.deepEqual([Status, ExitCode], ['exited', index < 95 ? index : 137]);
    }
    assert.deepEqual(await engine.logLines('c90'), ['up', 'bye']);
    const sofar = (await engine.logLines('c1')).length;
    await until('the log goes on', async () => (await engine.logLines('c1')).length > sofar);
    const lines = await engine.logLines('c1');
    assert.deepEqual(
      lines,
      lines.map((_, index) => String(index)),
      'a line is lost or doubled',
    );
    assert.equal((await engine.carve('exec', 'c50', 'echo', 'inside')).stdout, 'inside\n');
    await Promise.all(ids.map((id) => engine.api('DELETE', `/containers/${id}?force=1`)));
    assert.deepEqual(await engine.list(), []);
    await until('directories are removed', () => engine.leftovers().length === 0);
  });
  assert.deepEqual(leaks, []);
});

test('a killed monitor, with or without the daemon: no process stays, and the container starts again', async () => {
  const leaks = await DaemonFixture.using(async (engine) => {
    const id = await engine.create('one', ['sleep', '1000']);
    for (const isDaemonKilled of [false, true]) {
      await engine.startContainer(id);
      const { Pid } = await engine.state(id);
      const monitor = parentOf(Pid);
      process.kill(monitor, 'SIGKILL');
      if (isDaemonKilled) {
        await engine.end('SIGKILL');
        await engine.start();
      }
      await until('it is told', async () => !(await engine.state(id)).Running, 1000);
      await until('its process is gone', () => isGone(Pid), 1000);
      const { Status, ExitCode } = await engine.state(id);
      assert.equal(Status, 'exited');
      assert.ok([137, 255].includes(ExitCode), String(ExitCode));
      await engine.end('SIGKILL');
      await engine.start();
      assert.equal((await engine.state(id)).ExitCode, ExitCode, 'another end of the same run');
    }
    await engine.startContainer(id);
    assert.equal((await engine.carve('exec', 'one', 'echo', 'inside')).stdout, 'inside\n');
  });
  assert.deepEqual(leaks, []);
});

test('a killed chisel host: what runs is not touched, and the next requests find a new one', async () => {
  const leaks = await DaemonFixture.using(async (engine) => {
    const id = await engine.create('one', ['sleep', '1000']);
    await engine.startContainer(id);
    const { Pid } = await engine.state(id);
    for (const host of childrenOf(engine.pid)) process.kill(host, 'SIGKILL');
    assert.equal((await engine.state(id)).Pid, Pid);
    assert.equal((await engine.carve('exec', 'one', 'echo', 'inside')).stdout, 'inside\n');
    const ran = await engine.carve('run', '--rm', '--network', 'none', 'bb', 'echo', 'new');
    assert.equal(ran.stdout, 'new\n', ran.output);
    assert.equal((await engine.api('POST', `/containers/${id}/stop?t=0`)).status, 204);
    assert.equal((await engine.state(id)).ExitCode, 137);
    assert.ok(engine.isAlive());
  });
  assert.deepEqual(leaks, []);
});

function childrenOf(pid: number): readonly number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text === '' ? [] : text.split(' ').map(Number);
}

test('daemon, monitor and process killed together: an acknowledged start is not forgotten', async () => {
  await using engine = await DaemonFixture.open();
  const id = await engine.create('one', ['sleep', '1000']);
  await engine.startContainer(id);
  const { Pid } = await engine.state(id);
  await engine.end('SIGKILL');
  process.kill(parentOf(Pid), 'SIGKILL');
  process.kill(Pid, 'SIGKILL');
  await until('it is gone', () => isGone(Pid));
  await engine.start();
  const state = await engine.state(id);
  assert.deepEqual([state.Status, state.Pid], ['exited', 0]);
  await engine.startContainer(id);
  assert.equal((await engine.state(id)).Running, true);
});

test('after a boot: nothing of the old one is believed, and policies are honoured', async () => {
  await using engine = await DaemonFixture.open();
  const HostConfig = { NetworkMode: 'none', RestartPolicy: { Name: 'always' } };
  const plain = await engine.create('plain', ['sleep', '1000']);
  const always = await engine.create('always', ['sleep', '1000'], { HostConfig });
  const pids = new Map<string, number>();
  for (const id of [plain, always]) {
    await engine.startContainer(id);
    pids.set(id, (await engine.state(id)).Pid);
  }
  await engine.end('SIGKILL');
  for (const pid of pids.values()) {
    process.kill(parentOf(pid), 'SIGKILL');
    process.kill(pid, 'SIGKILL');
  }
  await until('they are gone', () => [...pids.values()].every((pid) => isGone(pid)));
  rmSync(engine.run, { recursive: true });
  await engine.start();
  const { Status, ExitCode, Pid } = await engine.state(plain);
  assert.deepEqual([Status, ExitCode, Pid], ['exited', 255, 0]);
  await until('it runs again', async () => (await engine.state(always)).Running, 5000);
  assert.notEqual((await engine.state(always)).Pid, pids.get(always));
});

test('a container killed for its memory says so, also when no daemon saw it', async () => {
  await using engine = await DaemonFixture.open();
  const HostConfig = { NetworkMode: 'none', Memory: 16 * 2 ** 20, MemorySwap: 16 * 2 ** 20 };
  const script = 'sleep 1; dd if=/dev/zero of=/dev/null bs=64M count=1';
  for (const isDown of [false, true]) {
    const id = await engine.create(`greedy${isDown}`, ['sh', '-c', `${script}; exit $?`], {
      HostConfig,
    });
    await engine.startContainer(id);
    const { Pid } = await engine.state(id);
    if (isDown) await engine.end('SIGKILL');
    await until('it is gone', () => isGone(Pid));
    if (isDown) await engine.start();
    await until('it is told', async () => !(await engine.state(id)).Running);
    const { ExitCode, OOMKilled } = await engine.state(id);
    assert.deepEqual([ExitCode, OOMKilled], [137, true]);
  }
});

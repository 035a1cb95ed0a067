import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { isEngineError } from '../../src/base/error.ts';
import type { EngineFixture } from './engine-fixture.ts';
import { collect, openFixture } from './engine-fixture.ts';

/** Pid of the monitor of a container: the parent of its process. */
async function monitorOf(fixture: EngineFixture, id: string): Promise<number> {
  const { Pid } = (await fixture.engine.containers.inspect(id)).State;
  return Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${Pid}/status`, 'utf8'))?.[1]);
}

/** Gone, or a zombie that its new parent has not looked at yet. */
async function dead(pid: number): Promise<void> {
  const end = performance.now() + 5000;
  const isAlive = (): boolean =>
    existsSync(`/proc/${pid}/stat`) &&
    !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  while (isAlive()) {
    assert.ok(performance.now() < end, `process ${pid} lives on`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('a container runs on without an engine and is found again', async () => {
  await using fixture = await openFixture();
  const id = await fixture.create({
    Cmd: ['sh', '-c', 'echo before; cat; echo after; exit 6'],
    OpenStdin: true,
    StdinOnce: true,
  });
  await fixture.engine.containers.start(id);
  const before = (await fixture.engine.containers.inspect(id)).State;
  await fixture.close();
  assert.equal(existsSync(`/proc/${before.Pid}`), true);
  const { containers, execs } = await fixture.open();
  assert.deepEqual((await containers.inspect(id)).State, before);
  const { id: execId } = await execs.create(id, { Cmd: ['echo', 'again'], AttachStdout: true });
  const exec = await execs.start(execId, { detach: false, tty: false });
  assert.ok(exec !== undefined);
  assert.equal((await collect(exec.stream)).stdout, 'again\n');
  const wait = containers.wait(id, 'not-running');
  const { stream } = await containers.attach(id, {
    stdin: true,
    stdout: true,
    stderr: true,
    logs: true,
    stream: true,
  });
  stream.end('typed\n');
  assert.equal((await collect(stream)).stdout, 'before\ntyped\nafter\n');
  assert.deepEqual(await wait.result, { statusCode: 6 });
  assert.deepEqual(fixture.warnings, []);
});

test('an exit without an engine is told by the next one', async () => {
  await using fixture = await openFixture();
  const id = await fixture.create({ Cmd: ['sh', '-c', 'sleep 0.3; exit 42'] });
  await fixture.engine.containers.start(id);
  const { Pid } = (await fixture.engine.containers.inspect(id)).State;
  await fixture.close();
  await dead(Pid);
  const { containers } = await fixture.open();
  const { State } = await containers.inspect(id);
  assert.deepEqual([State.Status, State.ExitCode, State.Pid], ['exited', 42, 0]);
  assert.ok(State.FinishedAt > State.StartedAt);
});

test('a killed monitor: its container is killed, cleared away and exited with 137', async () => {
  await using fixture = await openFixture();
  const { containers } = fixture.engine;
  const id = await fixture.create({ Cmd: ['sleep', '100'] });
  await containers.start(id);
  const { Pid } = (await containers.inspect(id)).State;
  const wait = containers.wait(id, 'not-running');
  process.kill(await monitorOf(fixture, id), 'SIGKILL');
  assert.deepEqual(await wait.result, { statusCode: 137 });
  await dead(Pid);
  await containers.start(id);
  await containers.remove(id, { force: true });
});

test('a monitor killed without an engine leaves no process behind the next open', async () => {
  await using fixture = await openFixture();
  const id = await fixture.create({ Cmd: ['sleep', '100'] });
  await fixture.engine.containers.start(id);
  const { Pid } = (await fixture.engine.containers.inspect(id)).State;
  const monitor = await monitorOf(fixture, id);
  await fixture.close();
  process.kill(monitor, 'SIGKILL');
  const { containers } = await fixture.open();
  assert.equal((await containers.inspect(id)).State.ExitCode, 255);
  await dead(Pid);
});

test('a killed chisel host: what runs is not touched, the next start has a new host', async () => {
  await using fixture = await openFixture();
  const { containers } = fixture.engine;
  const id = await fixture.create({
    Cmd: ['sh', '-c', 'cat; exit 5'],
    OpenStdin: true,
    StdinOnce: true,
  });
  await containers.start(id);
  const monitor = await monitorOf(fixture, id);
  const host = Number(
    /^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${monitor}/status`, 'utf8'))?.[1],
  );
  process.kill(host, 'SIGKILL');
  await dead(host);
  assert.equal((await containers.inspect(id)).State.Running, true);
  // A start that was on its way to the dead host fails; the one after it does not.
  await fixture
    .run({ Cmd: ['true'] })
    .catch((error: unknown) => assert.ok(isEngineError(error) && error.kind === 'unavailable'));
  assert.equal((await fixture.run({ Cmd: ['echo', 'new host'] })).stdout, 'new host\n');
  const wait = containers.wait(id, 'not-running');
  const { stream } = await containers.attach(id, {
    stdin: true,
    stdout: true,
    stderr: true,
    logs: false,
    stream: true,
  });
  stream.end();
  assert.deepEqual(await wait.result, { statusCode: 5 });
});

test('AutoRemove and restart policies are applied to what ended without an engine', async () => {
  await using fixture = await openFixture();
  const gone = await fixture.create({ Cmd: ['sleep', '2'] }, { AutoRemove: true });
  const again = await fixture.create(
    { Cmd: ['sleep', '2'] },
    { RestartPolicy: { Name: 'always' } },
  );
  for (const id of [gone, again]) await fixture.engine.containers.start(id);
  const pids: number[] = [];
  for (const id of [gone, again])
    pids.push((await fixture.engine.containers.inspect(id)).State.Pid);
  await fixture.close();
  for (const pid of pids) await dead(pid);
  const { containers } = await fixture.open();
  await assert.rejects(containers.inspect(gone), { kind: 'not-found' });
  const end = performance.now() + 5000;
  while ((await containers.inspect(again)).RestartCount === 0 && performance.now() < end)
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok((await containers.inspect(again)).RestartCount >= 1);
  await containers.stop(again, { timeoutSeconds: 0 });
});

test('hundred running containers are found again within a second', async () => {
  await using fixture = await openFixture();
  const ids = await Promise.all(
    Array.from({ length: 100 }, () => fixture.create({ Cmd: ['sleep', '1000'] })),
  );
  for (let at = 0; at < ids.length; at += 10) {
    await Promise.all(ids.slice(at, at + 10).map((id) => fixture.engine.containers.start(id)));
  }
  await fixture.close();
  const begin = performance.now();
  const { containers } = await fixture.open();
  const tookMs = performance.now() - begin;
  assert.equal((await containers.list({ all: false, size: false, filters: {} })).length, 100);
  assert.ok(tookMs < 1000, `took ${tookMs} ms`);
  await Promise.all(ids.map((id) => containers.remove(id, { force: true })));
  assert.deepEqual(readdirSync(`${fixture.directory}/root/containers`), []);
});

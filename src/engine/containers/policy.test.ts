import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from '../../../test/fakes/clock.ts';
import { openRig } from '../../../test/fakes/opened-engine.ts';
import { judgeProbe } from './health-verdict.ts';
import { CREATED } from './life.ts';
import { nextDelayMs, wantsRestart } from './restart-policy.ts';

test('back-off doubles from 100 ms to 60 s and begins anew after a run of 10 s', () => {
  const delays = [0];
  for (let run = 0; run < 12; run++) delays.push(nextDelayMs(delays.at(-1) ?? 0, 50));
  assert.deepEqual(
    delays.slice(1),
    [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000],
  );
  assert.equal(nextDelayMs(60_000, 10_000), 100);
});

test('which exits call for a restart', () => {
  const state = { ...CREATED, phase: 'running' as const };
  const rows: readonly [
    Parameters<typeof wantsRestart>[0],
    number,
    Partial<typeof state>,
    boolean,
  ][] = [
    [{}, 1, {}, false],
    [{ Name: 'no' }, 1, {}, false],
    [{ Name: 'always' }, 0, {}, true],
    [{ Name: 'always' }, 0, { isStoppedByUser: true }, false],
    [{ Name: 'unless-stopped' }, 0, {}, true],
    [{ Name: 'unless-stopped' }, 0, { isStoppedByUser: true }, false],
    [{ Name: 'on-failure' }, 0, {}, false],
    [{ Name: 'on-failure' }, 1, {}, true],
    [{ Name: 'on-failure', MaximumRetryCount: 2 }, 1, { restartCount: 1 }, true],
    [{ Name: 'on-failure', MaximumRetryCount: 2 }, 1, { restartCount: 2 }, false],
  ];
  for (const [policy, code, change, expected] of rows) {
    assert.equal(
      wantsRestart(policy, { ...state, ...change }, code),
      expected,
      JSON.stringify([policy, code, change]),
    );
  }
});

test('on-failure:3 starts three times more and gives up', async () => {
  await using rig = await openRig();
  const { containers } = rig.engine;
  const id = await rig.create({}, { RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 } });
  await containers.start(id);
  for (const delayMs of [100, 200, 400]) {
    rig.process(id).exit(1);
    await settle();
    assert.equal((await containers.inspect(id)).State.Status, 'restarting');
    await rig.clock.advance(delayMs - 1);
    assert.equal((await containers.inspect(id)).State.Status, 'restarting');
    await rig.clock.advance(1);
    assert.equal((await containers.inspect(id)).State.Status, 'running');
  }
  rig.process(id).exit(1);
  await settle();
  const { State, RestartCount } = await containers.inspect(id);
  assert.deepEqual([State.Status, RestartCount], ['exited', 3]);
  await containers.start(id);
  assert.equal((await containers.inspect(id)).RestartCount, 0);
});

test('stop ends a wait for a restart; the policy does not start it again', async () => {
  await using rig = await openRig();
  const { containers } = rig.engine;
  const id = await rig.create({}, { RestartPolicy: { Name: 'always' } });
  await containers.start(id);
  rig.process(id).exit(1);
  await settle();
  assert.equal(await containers.stop(id), true);
  assert.equal((await containers.inspect(id)).State.Status, 'exited');
  await rig.clock.advance(1000);
  assert.equal((await containers.inspect(id)).State.Status, 'exited');
});

test('kill with the stop signal suspends the policy, with another it does not', async () => {
  await using rig = await openRig();
  const { containers } = rig.engine;
  const id = await rig.create({}, { RestartPolicy: { Name: 'always' } });
  await containers.start(id);
  await containers.kill(id, 'HUP');
  rig.process(id).exit(1);
  await settle();
  await rig.clock.advance(100);
  assert.equal((await containers.inspect(id)).State.Status, 'running');
  await containers.kill(id, 'KILL');
  await rig.clock.advance(1000);
  assert.equal((await containers.inspect(id)).State.Status, 'exited');
});

test('a verdict needs `retries` failures in a row, and none in the start period', () => {
  const run = { exitCode: 1, retries: 2, isInStartPeriod: false };
  const start = { status: 'starting', failingStreak: 0 } as const;
  assert.deepEqual(judgeProbe(start, { ...run, isInStartPeriod: true }), { counters: start });
  const once = judgeProbe(start, run);
  assert.deepEqual(once, { counters: { status: 'starting', failingStreak: 1 } });
  const twice = judgeProbe(once.counters, run);
  assert.deepEqual(twice, {
    counters: { status: 'unhealthy', failingStreak: 2 },
    changedTo: 'unhealthy',
  });
  assert.deepEqual(judgeProbe(twice.counters, { ...run, exitCode: 0 }), {
    counters: { status: 'healthy', failingStreak: 0 },
    changedTo: 'healthy',
  });
});

test('health: starting, healthy, unhealthy, with events and the last five runs', async () => {
  await using rig = await openRig();
  const { containers } = rig.engine;
  const second = 1e9;
  const id = await rig.create({
    Healthcheck: { Test: ['CMD-SHELL', 'check'], Interval: second, Timeout: second, Retries: 2 },
  });
  await containers.start(id);
  let code = 0;
  rig.process(id).onExec = (exec) => {
    exec.onAttach = (inside) => {
      inside.write(Buffer.concat([Buffer.from([1, 0, 0, 0, 0, 0, 0, 2]), Buffer.from('ok')]));
      exec.end(code);
    };
  };
  const health = async (): Promise<string | undefined> =>
    (await containers.inspect(id)).State.Health?.Status;
  assert.equal(await health(), 'starting');
  await rig.clock.advance(1000);
  assert.equal(await health(), 'healthy');
  assert.deepEqual(rig.process(id).execs[0]?.request.process.args, ['/bin/sh', '-c', 'check']);
  code = 1;
  await rig.clock.advance(1000);
  assert.equal(await health(), 'healthy');
  await rig.clock.advance(1000);
  assert.equal(await health(), 'unhealthy');
  await rig.clock.advance(3000);
  const { State } = await containers.inspect(id);
  assert.equal(State.Health?.FailingStreak, 5);
  assert.equal(State.Health.Log?.length, 5);
  assert.equal(State.Health.Log.at(-1)?.Output, 'ok');
  const states = rig.actions.filter((action) => action.startsWith('health_status'));
  assert.deepEqual(states, ['health_status: healthy', 'health_status: unhealthy']);
  rig.process(id).exit(0);
  await rig.clock.advance(5000);
  assert.equal(rig.process(id).execs.length, 6);
});

test('a probe that hangs is killed at its timeout and counts as a failure', async () => {
  await using rig = await openRig();
  const { containers } = rig.engine;
  const id = await rig.create({
    Healthcheck: { Test: ['CMD', 'hang'], Interval: 1e9, Timeout: 2e9, Retries: 1 },
  });
  await containers.start(id);
  await rig.clock.advance(1000);
  assert.equal((await containers.inspect(id)).State.Health?.Status, 'starting');
  await rig.clock.advance(2000);
  const { Health } = (await containers.inspect(id)).State;
  assert.equal(Health?.Status, 'unhealthy');
  assert.deepEqual(
    [Health.Log?.[0]?.ExitCode, Health.Log?.[0]?.Output],
    [-1, 'Health check exceeded timeout (2s)'],
  );
});

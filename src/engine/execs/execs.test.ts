import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from '../../../test/fakes/clock.ts';
import { openRig } from '../../../test/fakes/opened-engine.ts';
import { EngineError } from '../../base/error.ts';

const attached = { AttachStdout: true, AttachStderr: true };
const start = { detach: false, tty: false };

test('an exec runs, its code is known before its stream ends', async () => {
  await using rig = await openRig();
  const { containers, execs } = rig.engine;
  const id = await rig.create({ Env: ['A=1'], User: 'app' });
  await containers.start(id);
  const { id: execId } = await execs.create(id, { ...attached, Cmd: ['echo', 'hi'], Env: ['B=2'] });
  assert.equal((await execs.inspect(execId)).ExitCode, null);
  const attachment = await execs.start(execId, start);
  assert.equal(attachment?.framing, 'multiplexed');
  const [exec] = rig.process(id).execs;
  assert.deepEqual(exec?.request.process.args, ['echo', 'hi']);
  assert.equal(exec.request.process.user.uid, 1000);
  const env = exec.request.process.env ?? [];
  assert.deepEqual([env.includes('A=1'), env.includes('B=2')], [true, true]);
  assert.deepEqual((await containers.inspect(id)).ExecIDs, [execId]);
  const ended = new Promise((resolve) => attachment.stream.resume().once('end', resolve));
  exec.end(3);
  await ended;
  const inspect = await execs.inspect(execId);
  assert.deepEqual([inspect.Running, inspect.ExitCode, inspect.CanRemove], [false, 3, true]);
  await settle();
  const actions = rig.actions.filter((action) => action.startsWith('exec'));
  assert.deepEqual(actions, ['exec_create: echo hi', 'exec_start: echo hi', 'exec_die']);
});

test('what cannot be executed in is refused in the right words', async () => {
  await using rig = await openRig();
  const { containers, execs } = rig.engine;
  const id = await rig.create();
  await assert.rejects(execs.create('none', { Cmd: ['x'] }), {
    message: 'No such container: none',
  });
  await assert.rejects(execs.create(id, { Cmd: ['x'] }), {
    kind: 'conflict',
    message: `container ${id} is not running`,
  });
  await containers.start(id);
  await assert.rejects(execs.create(id, {}), {
    kind: 'invalid',
    message: 'no exec command specified',
  });
  await assert.rejects(execs.inspect('f'.repeat(64)), {
    kind: 'not-found',
    message: `No such exec instance: ${'f'.repeat(64)}`,
  });
  const { id: execId } = await execs.create(id, { Cmd: ['x'] });
  await containers.pause(id);
  await assert.rejects(execs.start(execId, start), {
    message: `container ${id} is paused, unpause the container before exec`,
  });
  await containers.unpause(id);
  await execs.start(execId, { detach: true, tty: false });
  await assert.rejects(execs.start(execId, start), {
    kind: 'conflict',
    message: `exec ${execId} is already running`,
  });
});

test('an exec as nobody known ends with 126, as one that cannot be invoked', async () => {
  await using rig = await openRig();
  const { containers, execs } = rig.engine;
  const id = await rig.create();
  await containers.start(id);
  const { id: execId } = await execs.create(id, { ...attached, Cmd: ['id'], User: 'ghost' });
  await assert.rejects(execs.start(execId, start), {
    kind: 'invalid',
    message: 'unable to find user ghost: no matching entries in passwd file',
    details: { exitCode: 126 },
  });
  assert.equal((await execs.inspect(execId)).ExitCode, 126);
});

test('another user is looked up in the running container', async () => {
  await using rig = await openRig();
  const { containers, execs } = rig.engine;
  const id = await rig.create();
  await containers.start(id);
  rig.runtime.files.set('/etc/passwd', 'late:x:77:88::/home/late:/bin/sh\n');
  const { id: execId } = await execs.create(id, { Cmd: ['id'], User: 'late', Tty: true });
  await execs.start(execId, { detach: true, tty: true });
  const process = rig.process(id).execs[0]?.request.process;
  assert.deepEqual([process?.user.uid, process?.user.gid], [77, 88]);
  const env = process?.env ?? [];
  assert.deepEqual([env.includes('HOME=/home/late'), env.includes('TERM=xterm')], [true, true]);
  assert.deepEqual(process?.capabilities?.effective, []);
  const other = await execs.create(id, { Cmd: ['id'], User: 'nobody-here' });
  await assert.rejects(execs.start(other.id, start), { kind: 'invalid' });
  assert.equal((await execs.inspect(other.id)).ExitCode, 126);
});

test('a program that cannot run gives its exit code', async () => {
  await using rig = await openRig();
  const { containers, execs } = rig.engine;
  const id = await rig.create();
  await containers.start(id);
  rig.process(id).onExec = () => {
    throw new EngineError('invalid', 'not found', { details: { exitCode: 127 } });
  };
  const { id: execId } = await execs.create(id, { Cmd: ['nope'] });
  await assert.rejects(execs.start(execId, start), { message: 'not found' });
  assert.deepEqual(
    [(await execs.inspect(execId)).Running, (await execs.inspect(execId)).ExitCode],
    [false, 127],
  );
});

test('the exit of the container ends its execs', async () => {
  await using rig = await openRig();
  const { containers, execs } = rig.engine;
  const id = await rig.create();
  await containers.start(id);
  const { id: execId } = await execs.create(id, { Cmd: ['x'] });
  await execs.start(execId, { detach: true, tty: false });
  rig.process(id).exit(0);
  await settle();
  assert.deepEqual(
    [(await execs.inspect(execId)).Running, (await execs.inspect(execId)).ExitCode],
    [false, 137],
  );
  await containers.start(id);
  await assert.rejects(execs.start(execId, start), { kind: 'conflict' });
});

test('a resize that comes before the start waits for it', async () => {
  await using rig = await openRig();
  const { containers, execs } = rig.engine;
  const id = await rig.create();
  await containers.start(id);
  const { id: execId } = await execs.create(id, { Cmd: ['x'], Tty: true });
  const resized = execs.resize(execId, { rows: 24, columns: 80 });
  await execs.start(execId, { detach: true, tty: true });
  await rig.clock.advance(20);
  await resized;
  assert.deepEqual(rig.process(id).sizes, [{ rows: 24, columns: 80 }]);
});

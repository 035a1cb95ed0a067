/** Execs on the real kernel: codes, kills, consoles, streams, and who hears of their end. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../../src/base/error.ts';
import { attachMonitor, type MonitorControl, type StartedExec } from '../../src/kernel/monitor.ts';
import {
  isAlive,
  MonitorFixture,
  payloadOf,
  processOps,
  readAll,
  readUntil,
  type TestProcess,
} from './monitor-fixture.ts';

interface ExecOptions {
  readonly tty?: { readonly rows: number; readonly columns: number };
  readonly openStdin?: boolean;
  readonly expectedClients?: number;
}

type StartExec = (
  execNumber: number,
  script: string,
  options?: ExecOptions,
) => Promise<StartedExec>;

/** Starts shell scripts as execs of one monitor. */
function execIn(control: MonitorControl): StartExec {
  return async (execNumber, script, options = {}) =>
    await control.exec({
      execNumber,
      plan: processOps(['/bin/busybox', 'sh', '-c', script], options.tty),
      tty: options.tty !== undefined,
      openStdin: options.openStdin === true,
      expectedClients: options.expectedClients ?? 0,
    });
}

async function startIdle(fixture: MonitorFixture): Promise<{
  readonly process: TestProcess;
  readonly control: MonitorControl;
  readonly exec: StartExec;
}> {
  const process = await fixture.start('exec sleep 600');
  const control = await fixture.control(process);
  return { process, control, exec: execIn(control) };
}

test('fifty execs at once give their own codes', async () => {
  await using fixture = await MonitorFixture.create();
  const { exec } = await startIdle(fixture);
  const codes = Array.from({ length: 50 }, (_, index) => index + 1);
  const records = await Promise.all(
    codes.map(async (code) =>
      (await exec(code, `exit ${code}`)).exited.then((record) => record.code),
    ),
  );
  assert.deepEqual(records, codes);
});

test('exec numbers can be used again, and many more than there are places follow each other', async () => {
  await using fixture = await MonitorFixture.create();
  const { exec } = await startIdle(fixture);
  for (let i = 1; i <= 300; i++) {
    const started = await exec(1 + (i % 3), `exit ${i % 200}`);
    assert.equal((await started.exited).code, i % 200);
  }
});

test('an exec is killed by its own number, the container goes on', async () => {
  await using fixture = await MonitorFixture.create();
  const { process, control, exec } = await startIdle(fixture);
  const started = await exec(5, 'exec sleep 600');
  await control.signal(9, 5);
  const record = await started.exited;
  assert.equal(record.code, 137);
  assert.equal(record.signal, 9);
  assert.equal(record.pid, started.process.pid);
  await assert.rejects(
    control.signal(9, 5),
    (error) => isEngineError(error) && error.kind === 'wrong-state',
  );
  assert.ok(isAlive(process.process.pid));
});

test('output of an exec comes framed, with both streams, and ends when it ends', async () => {
  await using fixture = await MonitorFixture.create();
  const { process, exec } = await startIdle(fixture);
  const started = await exec(1, 'echo out; echo err >&2; exit 3', { expectedClients: 1 });
  const bytes = await readAll(
    await fixture.keep(
      attachMonitor(process.runDir, { execNumber: 1, stdout: true, stderr: true }),
    ),
  );
  assert.equal(payloadOf(bytes, 1).toString(), 'out\n');
  assert.equal(payloadOf(bytes, 2).toString(), 'err\n');
  assert.equal((await started.exited).code, 3);
});

test('a large input goes through an exec and comes back whole', async () => {
  await using fixture = await MonitorFixture.create();
  const { process, exec } = await startIdle(fixture);
  const started = await exec(1, 'cat', { openStdin: true, expectedClients: 1 });
  const stream = await fixture.keep(
    attachMonitor(process.runDir, { execNumber: 1, stdin: true, stdout: true }),
  );
  const input = Buffer.alloc(5_000_000, 'the quick brown fox\n');
  stream.end(input);
  assert.ok(payloadOf(await readAll(stream), 1).equals(input));
  assert.equal((await started.exited).code, 0);
});

test('an exec waits for its slow client and loses nothing', async () => {
  await using fixture = await MonitorFixture.create();
  const { process, exec } = await startIdle(fixture);
  const started = await exec(1, 'head -c 20000000 /dev/zero', { expectedClients: 1 });
  const stream = await fixture.keep(attachMonitor(process.runDir, { execNumber: 1, stdout: true }));
  stream.pause();
  const quick = await exec(2, 'exit 9');
  assert.equal((await quick.exited).code, 9);
  assert.ok(isAlive(started.process.pid), 'it waits');
  assert.equal(payloadOf(await readAll(stream), 1).byteLength, 20_000_000);
  assert.equal((await started.exited).code, 0);
});

test('two clients of an exec get identical bytes', async () => {
  await using fixture = await MonitorFixture.create();
  const { process, exec } = await startIdle(fixture);
  const started = await exec(1, 'seq 1 300000; echo end >&2', { expectedClients: 2 });
  const streams = { execNumber: 1, stdout: true, stderr: true };
  const [one, two] = await Promise.all([
    fixture.keep(attachMonitor(process.runDir, streams)),
    fixture.keep(attachMonitor(process.runDir, streams)),
  ]);
  const [first, second] = await Promise.all([readAll(one), readAll(two)]);
  assert.ok(payloadOf(first, 1).toString().endsWith('300000\n'));
  assert.equal(payloadOf(first, 2).toString(), 'end\n');
  assert.ok(payloadOf(second, 1).equals(payloadOf(first, 1)));
  assert.equal((await started.exited).code, 0);
});

test('a background child that writes on does not keep the client', async () => {
  await using fixture = await MonitorFixture.create();
  const { process, exec } = await startIdle(fixture);
  const started = await exec(1, 'echo start; yes & exit 7', { expectedClients: 1 });
  const stream = await fixture.keep(attachMonitor(process.runDir, { execNumber: 1, stdout: true }));
  assert.equal((await started.exited).code, 7);
  assert.match(payloadOf(await readAll(stream), 1).toString(), /^start\n(y\n)*y?$/);
});

test('an exec without clients writes to nowhere', async () => {
  await using fixture = await MonitorFixture.create();
  const { exec } = await startIdle(fixture);
  const started = await exec(1, 'head -c 20000000 /dev/zero; exit 4');
  assert.equal((await started.exited).code, 4);
});

test('background children that keep the pipe do not keep the client', async () => {
  await using fixture = await MonitorFixture.create();
  const { process, exec } = await startIdle(fixture);
  const started = await exec(1, 'sleep 600 & echo $!; exit 6', { expectedClients: 1 });
  const bytes = await readAll(
    await fixture.keep(attachMonitor(process.runDir, { execNumber: 1, stdout: true })),
  );
  const child = Number(payloadOf(bytes, 1).toString());
  assert.equal((await started.exited).code, 6);
  assert.ok(isAlive(child));
  globalThis.process.kill(child, 'SIGKILL');
});

test('an exec has its own console', async () => {
  await using fixture = await MonitorFixture.create();
  const { process, control, exec } = await startIdle(fixture);
  const script = 'stty size; read x; stty size; exit 8';
  const started = await exec(1, script, {
    tty: { rows: 10, columns: 20 },
    openStdin: true,
    expectedClients: 1,
  });
  const stream = await fixture.keep(
    attachMonitor(process.runDir, { execNumber: 1, stdin: true, stdout: true }),
  );
  await readUntil(stream, '10 20\r\n');
  await control.resize({ rows: 11, columns: 22 }, 1);
  stream.write('go\n');
  assert.match((await readAll(stream)).toString(), /11 22\r\n$/);
  assert.equal((await started.exited).code, 8);
});

test('a program that does not exist fails the exec and leaves its number free', async () => {
  await using fixture = await MonitorFixture.create();
  const { control, exec } = await startIdle(fixture);
  const request = {
    execNumber: 1,
    plan: processOps(['/no/such']),
    tty: false,
    openStdin: false,
    expectedClients: 0,
  };
  await assert.rejects(
    control.exec(request),
    (error) => isEngineError(error) && error.details['errno'] === 'ENOENT',
  );
  assert.equal((await (await exec(1, 'exit 2')).exited).code, 2);
});

test('a number in use, a plan with namespaces and a wrong plan are refused', async () => {
  await using fixture = await MonitorFixture.create();
  const { control, exec } = await startIdle(fixture);
  await exec(1, 'exec sleep 600');
  await assert.rejects(
    exec(1, 'exit 0'),
    (error) => isEngineError(error) && error.kind === 'conflict',
  );
  const plan = processOps(['/bin/busybox', 'true']).map((op) =>
    op.op === 'clone' ? { ...op, flags: 0x20000000n } : op,
  );
  await assert.rejects(
    control.exec({ execNumber: 2, plan, tty: false, openStdin: false, expectedClients: 0 }),
    isEngineError,
  );
  await assert.rejects(
    control.exec({ execNumber: 2, plan: [], tty: false, openStdin: false, expectedClients: 0 }),
    isEngineError,
  );
});

test('the end of an exec is told to the next control connection when nobody heard it', async () => {
  await using fixture = await MonitorFixture.create();
  const { process, control, exec } = await startIdle(fixture);
  const started = await exec(77, 'read x; exit 11', {
    openStdin: true,
    expectedClients: 1,
  });
  const stream = await fixture.keep(
    attachMonitor(process.runDir, { execNumber: 77, stdin: true, stdout: true }),
  );
  control.close();
  await assert.rejects(
    started.exited,
    (error) => isEngineError(error) && error.kind === 'unavailable',
  );
  stream.end('\n');
  await readAll(stream);
  const next = await fixture.control(process);
  assert.equal((await next.execEnd(77)).code, 11);
});

test('execs end with the container, and everybody hears', async () => {
  await using fixture = await MonitorFixture.create();
  const { process, control, exec } = await startIdle(fixture);
  const started = await exec(1, 'exec sleep 600');
  await control.signal(15);
  assert.equal((await started.exited).signal, 9);
  assert.equal((await control.exited).signal, 15);
  assert.equal((await process.exited).signal, 15);
  await assert.rejects(exec(2, 'exit 0'), isEngineError);
});

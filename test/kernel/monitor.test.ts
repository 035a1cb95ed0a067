/** The monitor on the real kernel: exits, signals, start failures, records. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { constants, openSync } from 'node:fs';
import { access, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isEngineError } from '../../src/base/error.ts';
import { readExitRecord } from '../../src/kernel/exit-record.ts';
import { attachMonitor } from '../../src/kernel/monitor.ts';
import { MonitorFixture, payloadOf, readAll } from './monitor-fixture.ts';

test('a process that exits gives its code, its times and its record', async () => {
  await using fixture = await MonitorFixture.create();
  for (const code of [0, 1, 7, 255]) {
    const before = BigInt(Date.now()) * 1_000_000n;
    const process = await fixture.start(`exit ${code}`);
    const record = await process.exited;
    assert.equal(record.code, code);
    assert.equal(record.signal, 0);
    assert.equal(record.isOomKilled, false);
    assert.equal(record.pid, process.process.pid);
    assert.ok(record.startedAtNs >= before - 1_000_000n && record.exitedAtNs >= record.startedAtNs);
    assert.deepEqual(await readExitRecord(process.stateDir), record);
  }
});

test('a monitor shows in the process list whose it is', async () => {
  await using fixture = await MonitorFixture.create();
  const started = await fixture.start('exec sleep 600');
  const cmdline = await readFile(`/proc/${started.process.monitorPid}/cmdline`, 'utf8');
  assert.equal(cmdline.replaceAll('\0', ''), 'carve-monitor test');
});

test('a process killed by a signal gives 128+n and n', async () => {
  await using fixture = await MonitorFixture.create();
  for (const [name, number] of [
    ['KILL', 9],
    ['TERM', 15],
    ['SEGV', 11],
  ] as const) {
    const record = await (await fixture.start(`kill -${name} $$`)).exited;
    assert.equal(record.code, 128 + number);
    assert.equal(record.signal, number);
  }
});

test('signals reach the process by the control connection', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start(
    'trap "exit 42" USR1; echo ready; while :; do sleep 0.01; done',
    { expectedClients: 1 },
  );
  const output = await fixture.keep(attachMonitor(process.runDir, { stdout: true }));
  await new Promise((resolve) => output.once('data', resolve));
  const control = await fixture.control(process);
  assert.equal(control.state.pid, process.process.pid);
  assert.equal(control.state.startTicks, process.process.startTicks);
  await assert.rejects(
    control.signal(65),
    (error) => isEngineError(error) && error.kind === 'invalid',
  );
  await control.signal(10);
  assert.equal((await process.exited).code, 42);
  assert.equal((await control.exited).code, 42);
});

test('a program that does not exist fails the start and leaves nothing', async () => {
  await using fixture = await MonitorFixture.create();
  const made = join(fixture.dir, 'made');
  await assert.rejects(
    fixture.start(['/no/such/program'], {
      before: [{ op: 'mkdir', path: made, mode: 0o700 }],
      afterPlan: [{ op: 'rmdir', path: made, busyMs: 0 }],
    }),
    (error) => {
      assert.ok(isEngineError(error));
      assert.equal(error.details['errno'], 'ENOENT');
      return true;
    },
  );
  await assert.rejects(access(made), 'the after-plan ran');
  assert.deepEqual(await readdir(join(fixture.dir, 'run1')), []);
  assert.deepEqual(await readdir(join(fixture.dir, 'state1')), []);
});

test('a process that does not come to its program in time is killed, and nothing is left', async () => {
  await using fixture = await MonitorFixture.create();
  const fifo = join(fixture.dir, 'fifo');
  const made = join(fixture.dir, 'made');
  execFileSync('mkfifo', [fifo]);
  await assert.rejects(
    fixture.start('true', {
      startMs: 50,
      before: [{ op: 'mkdir', path: made, mode: 0o700 }],
      // As good as being stopped by another process of a pid namespace that it joined.
      inside: [{ op: 'open', slot: 0, path: fifo, flags: 0 }],
      afterPlan: [{ op: 'rmdir', path: made, busyMs: 0 }],
    }),
    (error) => {
      assert.ok(isEngineError(error));
      assert.deepEqual([error.details['errno'], error.details['call']], ['ETIMEDOUT', 'waitpid()']);
      assert.match(error.hint ?? '', /did not come to its program in time/);
      return true;
    },
  );
  await assert.rejects(access(made), 'the after-plan ran');
  assert.deepEqual(await readdir(join(fixture.dir, 'run1')), []);
  assert.deepEqual(await readdir(join(fixture.dir, 'state1')), []);
  // Nobody reads the pipe: the process is gone.
  assert.throws(() => openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK), { code: 'ENXIO' });
});

test('the after-plan runs every operation though one fails', async () => {
  await using fixture = await MonitorFixture.create();
  const [first, busy, last] = ['first', 'busy', 'last'].map((name) => join(fixture.dir, name));
  for (const dir of [first, busy, last]) await mkdir(dir ?? '');
  await writeFile(join(busy ?? '', 'file'), '');
  const afterPlan = [first, busy, last].map((path) => ({
    op: 'rmdir' as const,
    path: path ?? '',
    busyMs: 0,
  }));
  const process = await fixture.start('exit 3', { afterPlan });
  assert.equal((await process.exited).code, 3);
  await assert.rejects(access(first ?? ''));
  await access(busy ?? '');
  await assert.rejects(access(last ?? ''));
});

test('the output of a short process is in the log and at the expected client', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start('echo out; echo err >&2', { expectedClients: 1 });
  const bytes = await readAll(
    await fixture.keep(attachMonitor(process.runDir, { stdout: true, stderr: true })),
  );
  assert.equal(payloadOf(bytes, 1).toString(), 'out\n');
  assert.equal(payloadOf(bytes, 2).toString(), 'err\n');
  await process.exited;
  const log = await readFile(join(process.stateDir, '00000001.log'));
  assert.ok(log.includes('out\n') && log.includes('err\n'));
});

test('a record of an earlier run is gone while the next one runs', async () => {
  await using fixture = await MonitorFixture.create();
  const first = await fixture.start('exit 1');
  await first.exited;
  const second = await fixture.start('sleep 60', {
    place: { runDir: first.runDir, stateDir: first.stateDir },
  });
  assert.equal(await readExitRecord(first.stateDir), undefined);
  await (await fixture.control(second)).signal(9);
  assert.equal((await second.exited).code, 137);
});

test('a state directory that is removed does not disturb the process', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start('read x; echo done', { openStdin: true, expectedClients: 1 });
  const stream = await fixture.keep(attachMonitor(process.runDir, { stdin: true, stdout: true }));
  await rm(process.stateDir, { recursive: true });
  stream.write('go\n');
  assert.equal(payloadOf(await readAll(stream), 1).toString(), 'done\n');
  assert.equal((await process.exited).code, 0);
});

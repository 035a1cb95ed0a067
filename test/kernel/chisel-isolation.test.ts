/** What a container could reach of the host or of its monitor through what the chisel gives it. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { test } from 'node:test';
import { connectMonitor } from '../../src/kernel/monitor.ts';
import { ContainerFixture } from './container-fixture.ts';
import { isAlive, MonitorFixture, processOps } from './monitor-fixture.ts';

const SIGSTOP = 19;
const SIGKILL = 9;

test('the null device that a process gets as stdin is not the host its to change', async () => {
  const before = await stat('/dev/null');
  await using fixture = await ContainerFixture.create();
  fixture.addProgram(
    'fchmod0',
    '#include <sys/stat.h>\n#include <stdio.h>\n#include <errno.h>\n' +
      'int main() { struct stat st; fstat(0, &st); int err = fchmod(0, st.st_mode & 07777) ? errno : 0;' +
      ' printf("%o %lx %d\\n", st.st_mode, (long)st.st_rdev, err); return 0; }',
  );
  const container = await fixture.start({ command: 'fchmod0; echo go; exec sleep 600' });
  await container.written('go');
  const ended = await fixture.exec(container, { args: ['fchmod0'] });
  process.kill(container.started.process.pid, SIGKILL);
  const [first = ''] = (await container.output).split('\n');
  assert.equal(first, '20666 103 30');
  assert.equal(ended.output, '20666 103 30\n');
  assert.equal((await stat('/dev/null')).ctimeMs, before.ctimeMs);
});

test('an exec that does not get to its program does not keep its monitor from anything', async () => {
  await using fixture = await MonitorFixture.create();
  const target = await fixture.start('exec sleep 600');
  const control = await fixture.control(target);
  const fifo = `${fixture.dir}/fifo`;
  execFileSync('mkfifo', [fifo]);
  // Opening a pipe that nobody writes to: as good as being stopped by another process of the container.
  const [clone, ...rest] = processOps(['/bin/busybox', 'true']);
  assert.ok(clone !== undefined);
  const plan = [clone, { op: 'open', slot: 0, path: fifo, flags: 0 } as const, ...rest];
  const options = { tty: false, openStdin: false, expectedClients: 0 };
  const stuck = control.exec({ ...options, execNumber: 1, plan });
  stuck.catch(() => undefined);
  const other = await control.exec({
    ...options,
    execNumber: 2,
    plan: processOps(['/bin/busybox', 'sh', '-c', 'exit 7']),
  });
  assert.equal((await other.exited).code, 7);
  // Its way goes on when there is a writer.
  execFileSync('sh', ['-c', `: > ${fifo}`]);
  assert.equal((await (await stuck).exited).code, 0);
  const again = control.exec({ ...options, execNumber: 3, plan });
  const outcome = again.then(
    () => 'started',
    () => 'failed',
  );
  await control.signal(SIGKILL);
  assert.equal((await target.exited).signal, SIGKILL);
  assert.equal(await outcome, 'failed');
});

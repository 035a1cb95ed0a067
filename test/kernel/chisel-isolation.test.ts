/** What a container could reach of the host or of its monitor through what the chisel gives it. */

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { attachMonitor } from '../../src/kernel/monitor.ts';
import type { Plan } from '../../src/kernel/plan/op.ts';
import type { Spec } from '../../src/spec/oci/runtime.ts';
import { ContainerFixture } from './container-fixture.ts';
import { MonitorFixture, payloadOf, processOps, readAll } from './monitor-fixture.ts';

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

/** Attaches to exec 1 with stdin and stdout, reads the answer, then refuses to read more. */
const DEAF_CLIENT = `#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
int main(int argc, char **argv) {
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  struct { uint32_t length; uint16_t kind, flags; uint32_t id[2], streams; } frame = { 16, 17, 0, { 1, 0 }, 3 };
  char answer[28];
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  strcpy(address.sun_path, argv[1]);
  if (connect(fd, (void *)&address, sizeof address) || write(fd, &frame, sizeof frame) != sizeof frame) return 1;
  if (recv(fd, answer, sizeof answer, MSG_WAITALL) != sizeof answer || shutdown(fd, SHUT_RD)) return 2;
  write(1, "ready", 5);
  return read(0, answer, 1) != 0;
}
`;

test('a client of an exec that reads no more does not keep the others from its output', async () => {
  await using fixture = await MonitorFixture.create();
  const program = `${fixture.dir}/deaf`;
  execFileSync('gcc', ['-w', '-x', 'c', '-o', program, '-'], { input: DEAF_CLIENT });
  const target = await fixture.start('exec sleep 600');
  const control = await fixture.control(target);
  const started = await control.exec({
    execNumber: 1,
    tty: false,
    openStdin: true,
    expectedClients: 2,
    plan: processOps(['/bin/busybox', 'sh', '-c', 'echo one; echo two >&2; echo three']),
  });
  const deaf = spawn(program, [`${target.runDir}/monitor.sock`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    await once(deaf.stdout, 'data');
    const options = { execNumber: 1, stdout: true, stderr: true };
    const stream = await fixture.keep(attachMonitor(target.runDir, options));
    const bytes = await readAll(stream);
    assert.equal(payloadOf(bytes, 1).toString(), 'one\nthree\n');
    assert.equal(payloadOf(bytes, 2).toString(), 'two\n');
    assert.equal((await started.exited).code, 0);
  } finally {
    deaf.stdin.end();
    await once(deaf, 'exit');
  }
});

test('a container has a session keyring of its own, the same for its execs', async () => {
  const source =
    '#include <stdio.h>\n#include <unistd.h>\n#include <sys/syscall.h>\n' +
    'int main() { printf("%ld\\n", syscall(SYS_keyctl, 0, -3, 0)); return 0; }';
  await using fixture = await ContainerFixture.create();
  fixture.addProgram('keyring', source);
  const host = execFileSync(`${fixture.root}/bin/keyring`).toString();
  const hostConfig = { SecurityOpt: ['seccomp=unconfined'] };
  const spec = (each: Spec): Spec => {
    const { seccomp: _, ...linux } = each.linux ?? {};
    return { ...each, linux };
  };
  const container = await fixture.start({
    command: 'keyring; echo go; exec sleep 600',
    hostConfig,
    spec,
  });
  await container.written('go');
  const ended = await fixture.exec(container, { args: ['keyring'] });
  process.kill(container.started.process.pid, SIGKILL);
  const [first = ''] = (await container.output).split('\n');
  assert.ok(Number(first) > 0, first);
  assert.notEqual(`${first}\n`, host);
  assert.equal(ended.output, `${first}\n`);
});

test('an operation of the after-plan whose directory was not opened does not take its path for the host’s', async () => {
  await using fixture = await MonitorFixture.create();
  const path = `${fixture.dir}/file`;
  const other = `${fixture.dir}/other`;
  await writeFile(path, 'as it was');
  await writeFile(other, '');
  const data = new TextEncoder().encode('changed');
  const afterPlan: Plan = [
    { op: 'open', slot: 0, path: `${fixture.dir}/missing`, flags: 0 },
    { op: 'write', dir: 0, path, data, skipMissing: 0 },
    { op: 'write', path: other, data, skipMissing: 0 },
  ];
  const target = await fixture.start('exit 0', { afterPlan });
  await target.exited;
  assert.equal(await readFile(path, 'utf8'), 'as it was');
  assert.equal(await readFile(other, 'utf8'), 'changed');
});

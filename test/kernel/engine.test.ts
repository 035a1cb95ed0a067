import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { collect, groupsOf, openFixture } from './engine-fixture.ts';

test('run prints, ends with its code and leaves nothing', async () => {
  await using fixture = await openFixture();
  const { code, stdout, stderr, id } = await fixture.run({
    Cmd: ['sh', '-c', 'echo out; echo err >&2; exit 3'],
  });
  assert.deepEqual([code, stdout, stderr], [3, 'out\n', 'err\n']);
  assert.deepEqual(groupsOf(fixture), []);
  await fixture.engine.containers.remove(id);
  await fixture.close();
  assert.deepEqual(readdirSync(`${fixture.directory}/root/containers`), []);
  assert.deepEqual(readdirSync(`${fixture.directory}/root/snapshots/snapshots`), []);
  assert.deepEqual(readdirSync(`${fixture.directory}/run/c`), []);
  assert.deepEqual(fixture.warnings, []);
});

test('what cannot run is 127 or 126 with the words clients look for', async () => {
  await using fixture = await openFixture();
  const { containers } = fixture.engine;
  const rows: readonly [readonly string[], number, RegExp][] = [
    [[''], 127, /exec: "": executable file not found in \$PATH/],
    [['nope'], 127, /exec: "nope": executable file not found in \$PATH/],
    [['/no/such'], 127, /exec: "\/no\/such": stat \/no\/such: no such file or directory/],
    [['/etc'], 126, /exec: "\/etc": permission denied/],
    [['/etc/passwd'], 126, /permission denied/],
    [['script'], 127, /no such file or directory: the program is there/],
  ];
  for (const [Cmd, exitCode, message] of rows) {
    const id = await fixture.create({ Cmd });
    await assert.rejects(
      containers.start(id),
      (error: Error & { details: Record<string, unknown>; kind: string }) => {
        assert.match(error.message, message);
        assert.deepEqual([error.kind, error.details['exitCode']], ['invalid', exitCode]);
        return true;
      },
    );
    const { State } = await containers.inspect(id);
    assert.deepEqual([State.Status, State.ExitCode, State.Pid], ['created', exitCode, 0]);
  }
  for (const [name, value, reason] of [
    ['net.nosuch', '1', 'the kernel has no such parameter here'],
    ['net.ipv4.ip_forward', 'x', 'the kernel does not take this value'],
  ] as const) {
    const tuned = await fixture.create({ Cmd: ['true'] }, { Sysctls: { [name]: value } });
    await assert.rejects(containers.start(tuned), (error: Error & { kind: string }) => {
      assert.match(error.message, new RegExp(`: cannot set sysctl "${name}": ${reason}`));
      assert.equal(error.kind, 'invalid');
      return true;
    });
  }
  const id = await fixture.create({ Cmd: ['true'], WorkingDir: '/etc/passwd' });
  await assert.rejects(
    containers.start(id),
    /chdir to cwd \("\/etc\/passwd"\) failed: not a directory/,
  );
  assert.deepEqual(groupsOf(fixture), []);
});

test('stdin: half-close is end of file, output goes on', async () => {
  await using fixture = await openFixture();
  const { code, stdout } = await fixture.run(
    { Cmd: ['sh', '-c', 'wc -c; echo after'] },
    {},
    'hello',
  );
  assert.deepEqual([code, stdout], [0, '5\nafter\n']);
});

test('a console has a size, a name and the right owner', async () => {
  await using fixture = await openFixture();
  const { containers } = fixture.engine;
  const { stdout, code } = await fixture.run(
    { Cmd: ['sh', '-c', 'tty; stty size; ls -l /dev/console | head -c 1'], Tty: true },
    { ConsoleSize: [24, 80] },
  );
  assert.deepEqual([code, stdout.replaceAll('\r\n', '\n')], [0, '/dev/pts/0\n24 80\nc']);
  const id = await fixture.create({
    Cmd: ['sh', '-c', 'trap "stty size; exit 0" WINCH; echo ready; while :; do sleep 0.05; done'],
    Tty: true,
  });
  const { stream } = await containers.attach(id, {
    stdin: false,
    stdout: true,
    stderr: true,
    logs: false,
    stream: true,
  });
  await containers.start(id);
  let text = '';
  for await (const chunk of stream) {
    text += String(chunk);
    if (text === 'ready\r\n') await containers.resize(id, { rows: 30, columns: 100 });
  }
  assert.equal(text, 'ready\r\n30 100\r\n');
});

test('environment, host name, user, directory and files are as asked', async () => {
  await using fixture = await openFixture();
  const { stdout } = await fixture.run({
    Cmd: [
      'sh',
      '-c',
      'id -u; id -g; echo $HOME $FOO $HOSTNAME; hostname; pwd; cat /etc/hostname; grep -c localhost /etc/hosts; ls -d /.dockerenv; stat -c %N /etc/mtab',
    ],
    User: 'app',
    Env: ['FOO=bar'],
    Hostname: 'box',
    WorkingDir: '/made/here',
  });
  assert.equal(
    stdout,
    "1000\n1000\n/home/app bar box\nbox\n/made/here\nbox\n2\n/.dockerenv\n'/etc/mtab' -> '/proc/mounts'\n",
  );
});

test('exit codes and signals: 128+n, stop, kill', async () => {
  await using fixture = await openFixture();
  const { containers } = fixture.engine;
  const id = await fixture.create({ Cmd: ['sleep', '100'] }, { Init: true });
  await containers.start(id);
  assert.equal(await containers.stop(id), true);
  assert.equal((await containers.inspect(id)).State.ExitCode, 143);
  await containers.start(id);
  await containers.kill(id, 'KILL');
  const { State } = await containers.inspect(id);
  assert.deepEqual([State.ExitCode, State.OOMKilled, State.Status], [137, false, 'exited']);
  assert.equal(await containers.stop(id), false);
  // PID 1 without a handler ignores SIGTERM.
  const stubborn = await fixture.create({ Cmd: ['sleep', '100'] });
  await containers.start(stubborn);
  assert.equal(await containers.stop(stubborn, { timeoutSeconds: 0 }), true);
  assert.equal((await containers.inspect(stubborn)).State.ExitCode, 137);
  assert.deepEqual(groupsOf(fixture), []);
});

test('exec: output, codes fifty times, user, failure, kill with the container', async () => {
  await using fixture = await openFixture();
  const { containers, execs } = fixture.engine;
  const id = await fixture.create({ Cmd: ['sleep', '100'], Env: ['A=1'] });
  await containers.start(id);
  const exec = async (
    config: Parameters<typeof execs.create>[1],
  ): Promise<{ code: number | null; stdout: string; stderr: string }> => {
    const { id: execId } = await execs.create(id, {
      AttachStdout: true,
      AttachStderr: true,
      ...config,
    });
    const attachment = await execs.start(execId, { detach: false, tty: false });
    assert.ok(attachment !== undefined);
    attachment.stream.end();
    const output = await collect(attachment.stream);
    return { code: (await execs.inspect(execId)).ExitCode, ...output };
  };
  for (let code = 0; code < 50; code++) {
    assert.deepEqual(await exec({ Cmd: ['sh', '-c', `echo ${code}; exit ${code}`] }), {
      code,
      stdout: `${code}\n`,
      stderr: '',
    });
  }
  assert.equal(
    (
      await exec({
        Cmd: ['sh', '-c', 'id -u; echo $A $B $HOME; pwd'],
        User: 'app',
        Env: ['B=2'],
        WorkingDir: '/tmp',
      })
    ).stdout,
    '1000\n1 2 /home/app\n/tmp\n',
  );
  assert.match((await exec({ Cmd: ['ps'] })).stdout, /sleep 100/);
  const { id: lost } = await execs.create(id, { Cmd: ['nope'] });
  await assert.rejects(
    execs.start(lost, { detach: true, tty: false }),
    /executable file not found in \$PATH/,
  );
  assert.equal((await execs.inspect(lost)).ExitCode, 127);
  const { id: long } = await execs.create(id, { Cmd: ['sleep', '50'] });
  await execs.start(long, { detach: true, tty: false });
  assert.ok((await execs.inspect(long)).Pid > 0);
  await containers.remove(id, { force: true });
  assert.deepEqual(groupsOf(fixture), []);
});

test('R27: exec is held to the policy of the container', async () => {
  await using fixture = await openFixture();
  const { containers, execs } = fixture.engine;
  const script = "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status";
  const { stdout: own, id } = await fixture.run({ Cmd: ['sh', '-c', script] });
  await containers.remove(id);
  const other = await fixture.create({ Cmd: ['sleep', '100'] });
  await containers.start(other);
  const { id: execId } = await execs.create(other, {
    Cmd: ['sh', '-c', script],
    AttachStdout: true,
  });
  const attachment = await execs.start(execId, { detach: false, tty: false });
  attachment?.stream.end();
  assert.ok(attachment !== undefined);
  assert.equal((await collect(attachment.stream)).stdout, own);
  assert.match(own, /CapInh:\t0{16}\n/);
  assert.match(own, /Seccomp:\t2\n/);
});

test('logs: whole, tail, follow to the end', async () => {
  await using fixture = await openFixture();
  const { containers } = fixture.engine;
  const id = await fixture.create({
    Cmd: ['sh', '-c', 'for i in 1 2 3; do echo $i; done; cat; echo end'],
    OpenStdin: true,
    StdinOnce: true,
  });
  const { stream } = await containers.attach(id, {
    stdin: true,
    stdout: false,
    stderr: false,
    logs: false,
    stream: true,
  });
  await containers.start(id);
  const base = { stdout: true, stderr: true, timestamps: false, details: false };
  const text = async (options: Partial<Parameters<typeof containers.logs>[1]>): Promise<string> => {
    const { chunks } = await containers.logs(id, { ...base, follow: false, ...options });
    const { Readable } = await import('node:stream');
    return (await collect(Readable.from(chunks))).stdout;
  };
  const follow = text({ follow: true });
  stream.end();
  assert.equal(await follow, '1\n2\n3\nend\n');
  assert.equal(await text({}), '1\n2\n3\nend\n');
  assert.equal(await text({ tail: 2 }), '3\nend\n');
  assert.match(
    await text({ tail: 1, timestamps: true }),
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z end\n$/,
  );
  await assert.rejects(
    containers.logs(id, { ...base, stdout: false, stderr: false, follow: false }),
    { kind: 'invalid' },
  );
});

test('pause stops every process, unpause lets them go on', async () => {
  await using fixture = await openFixture();
  const { containers } = fixture.engine;
  const id = await fixture.create({ Cmd: ['sh', '-c', 'while :; do echo x; sleep 0.01; done'] });
  await containers.start(id);
  const size = (): number =>
    readFileSync(`${fixture.directory}/root/containers/${id}/00000001.log`).length;
  const { chunks } = await containers.logs(id, {
    stdout: true,
    stderr: false,
    timestamps: false,
    details: false,
    follow: true,
  });
  for await (const chunk of chunks) {
    assert.ok(chunk.length > 0);
    break;
  }
  await containers.pause(id);
  const before = size();
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.equal(size(), before);
  await containers.unpause(id);
  const end = performance.now() + 5000;
  while (size() === before && performance.now() < end)
    await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(size() > before);
  await containers.pause(id);
  await containers.remove(id, { force: true });
  assert.deepEqual(groupsOf(fixture), []);
});

test('a container killed for memory says so', async () => {
  await using fixture = await openFixture();
  const { code, id } = await fixture.run(
    { Cmd: ['sh', '-c', 'dd if=/dev/zero of=/dev/shm/x bs=1M count=64; exit 0'] },
    { Memory: 16 * 2 ** 20, MemorySwap: 16 * 2 ** 20, ShmSize: 128 * 2 ** 20 },
  );
  const { State } = await fixture.engine.containers.inspect(id);
  assert.equal(State.OOMKilled, true);
  assert.ok(code === 137 || code === 0);
});

test('binds, tmpfs, volumes and a read-only root', async () => {
  await using fixture = await openFixture();
  const source = `${fixture.directory}/data`;
  mkdirSync(source);
  writeFileSync(`${source}/file`, 'content');
  const { stdout, stderr, code } = await fixture.run(
    {
      Cmd: [
        'sh',
        '-c',
        'cat /ro/file; touch /ro/x; touch /root/x; touch /tmp/x /vol/x && echo wrote; mount | grep -c " /tmp "',
      ],
    },
    { Binds: [`${source}:/ro:ro`, 'vol:/vol'], Tmpfs: { '/tmp': 'size=1m' }, ReadonlyRootfs: true },
  );
  assert.equal(stdout, 'contentwrote\n1\n');
  assert.equal(code, 0);
  assert.match(stderr, /\/ro\/x: Read-only file system[\s\S]*\/root\/x: Read-only file system/);
  assert.deepEqual(readdirSync(`${fixture.directory}/root/volumes/vol/_data`), ['x']);
});

test('namespaces of another container are joined', async () => {
  await using fixture = await openFixture();
  const { containers } = fixture.engine;
  const one = await fixture.create({ Cmd: ['sleep', '100'] }, { IpcMode: 'shareable' }, 'one');
  await containers.start(one);
  const links = async (hostConfig: object): Promise<string> =>
    (
      await fixture.run(
        {
          Cmd: [
            'sh',
            '-c',
            'for n in net ipc pid uts; do stat -c %N /proc/self/ns/$n; done; ps | grep -c "sleep 100"',
          ],
        },
        hostConfig,
      )
    ).stdout;
  const joined = await links({
    NetworkMode: 'container:one',
    PidMode: 'container:one',
    IpcMode: 'container:one',
    UTSMode: 'container:one',
  });
  const own = await links({});
  assert.notEqual(joined, own);
  const pid = (await containers.inspect(one)).State.Pid;
  const { readlinkSync } = await import('node:fs');
  for (const kind of ['net', 'ipc', 'pid', 'uts'])
    assert.match(
      joined,
      new RegExp(readlinkSync(`/proc/${pid}/ns/${kind}`).replace(/[[\]]/g, '\\$&')),
    );
  const closed = await fixture.create({ Cmd: ['sleep', '100'] }, {}, 'closed');
  await containers.start(closed);
  const guest = await fixture.create({ Cmd: ['true'] }, { IpcMode: 'container:closed' });
  await assert.rejects(containers.start(guest), {
    kind: 'conflict',
    message: `can't join IPC of container ${closed}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
  });
  const named = await fixture.run(
    { Cmd: ['sh', '-c', 'hostname; echo $HOSTNAME'] },
    { UTSMode: 'container:one' },
  );
  assert.equal(named.stdout, `${one.slice(0, 12)}\n`.repeat(2));
  await assert.rejects(
    fixture.create({ Hostname: 'mine' }, { UTSMode: 'container:one' }),
    /conflicting options: hostname and the UTS mode/,
  );
  await containers.stop(one, { timeoutSeconds: 0 });
  const late = await fixture.create({ Cmd: ['true'] }, { NetworkMode: 'container:one' });
  await assert.rejects(containers.start(late), {
    kind: 'conflict',
    message: `cannot join network namespace of a non running container: ${one}`,
  });
});

test('top, stats and update', async () => {
  await using fixture = await openFixture();
  const { containers } = fixture.engine;
  const id = await fixture.create({ Cmd: ['sleep', '100'] }, { Memory: 64 * 2 ** 20 });
  await containers.start(id);
  const top = await containers.top(id, '');
  assert.deepEqual(top.Titles, ['UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD']);
  assert.deepEqual(
    top.Processes.map((row) => row.at(-1)),
    ['sleep 100'],
  );
  assert.deepEqual((await containers.top(id, '-o pid,comm')).Processes[0]?.[1], 'sleep');
  await assert.rejects(containers.top(id, '--sort=x'), { kind: 'invalid' });
  for await (const stats of containers.stats(id, { stream: false, oneShot: true })) {
    assert.equal(stats.memory_stats.limit, BigInt(64 * 2 ** 20));
    assert.equal(stats.pids_stats.current, 1n);
    assert.ok(stats.cpu_stats.cpu_usage.total_usage > 0n);
  }
  await containers.update(id, { Memory: 32 * 2 ** 20, MemorySwap: 32 * 2 ** 20, PidsLimit: 7 });
  for await (const stats of containers.stats(id, { stream: false, oneShot: true })) {
    assert.equal(stats.memory_stats.limit, BigInt(32 * 2 ** 20));
    assert.equal(stats.pids_stats.limit, 7n);
  }
  await assert.rejects(containers.update(id, { Memory: 1 }), { kind: 'invalid' });
});

test('a restarted container keeps its files and its changed users', async () => {
  await using fixture = await openFixture();
  const { containers } = fixture.engine;
  const id = await fixture.create({
    Cmd: [
      'sh',
      '-c',
      'id -u; echo "late:x:77:77::/:/bin/sh" >> /etc/passwd; ls -d /x 2>/dev/null; touch /x',
    ],
    User: 'root',
  });
  const run = async (): Promise<string> => {
    const { stream } = await containers.attach(id, {
      stdin: false,
      stdout: true,
      stderr: true,
      logs: false,
      stream: true,
    });
    const wait = containers.wait(id, 'next-exit');
    await containers.start(id);
    stream.end();
    const { stdout } = await collect(stream);
    await wait.result;
    return stdout;
  };
  assert.equal(await run(), '0\n');
  assert.equal(await run(), '0\n/x\n');
  assert.equal((await containers.inspect(id)).RestartCount, 0);
});

test('the plan of a run is shown and makes nothing', async () => {
  await using fixture = await openFixture();
  const { containers, execs } = fixture.engine;
  const plan = await containers.planRun({
    config: { Image: 'busybox' },
    hostConfig: { Binds: ['/no/such/dir:/d'] },
    endpoints: {},
  });
  assert.deepEqual([plan.steps[0]?.op, plan.steps.at(-1)?.op], ['monitor', 'exec']);
  assert.equal(existsSync('/no/such'), false);
  assert.deepEqual(readdirSync(`${fixture.directory}/root/containers`), []);
  const id = await fixture.create({ Cmd: ['sleep', '9'] });
  assert.equal((await containers.planStart(id)).steps.at(-1)?.op, 'exec');
  await containers.start(id);
  assert.equal((await execs.plan(id, { Cmd: ['true'] })).steps.at(-1)?.op, 'exec');
});

test('a client whose input ends leaves a stdin that outlives it', async () => {
  await using fixture = await openFixture();
  const { containers } = fixture.engine;
  const id = await fixture.create({ Cmd: ['cat'], OpenStdin: true });
  await containers.start(id);
  for (const text of ['one\n', 'two\n']) {
    const { stream } = await containers.attach(id, {
      stdin: true,
      stdout: true,
      stderr: true,
      logs: false,
      stream: true,
    });
    let output = '';
    const closed = new Promise((resolve) => stream.once('close', resolve));
    const answered = new Promise<void>((resolve) => {
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        if (output.includes(text)) resolve();
      });
    });
    stream.write(text);
    await answered;
    stream.end();
    await closed;
  }
  assert.equal((await containers.inspect(id)).State.Running, true);
});

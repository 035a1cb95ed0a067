/** What may die or run full around a container: the daemon, the host, the monitor, memory, the disk. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isEngineError } from '../../src/base/error.ts';
import { readExitRecord } from '../../src/kernel/exit-record.ts';
import { encodeFrame, FRAME_KIND } from '../../src/kernel/frame.ts';
import { attachMonitor, connectMonitor } from '../../src/kernel/monitor.ts';
import { type LogEntry } from '../../src/runtime/log/lines.ts';
import { readLogs } from '../../src/runtime/log/read.ts';
import {
  isAlive,
  MonitorFixture,
  payloadOf,
  processOps,
  readAll,
  readUntil,
} from './monitor-fixture.ts';

test('the daemon is gone: the process goes on and its record is true', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start('read x; echo after; exit 23', { openStdin: true });
  await fixture.chisel.close();
  await assert.rejects(
    process.exited,
    (error) => isEngineError(error) && error.kind === 'unavailable',
  );
  assert.ok(isAlive(process.process.pid));
  const control = await fixture.control(process);
  const stream = await fixture.keep(attachMonitor(process.runDir, { stdin: true, stdout: true }));
  stream.write('\n');
  assert.equal((await control.exited).code, 23);
  assert.equal((await readExitRecord(process.stateDir))?.code, 23);
  await assert.rejects(
    connectMonitor(process.runDir),
    (error) => isEngineError(error) && error.kind === 'not-found',
  );
});

test('the host is killed: its monitors still tell, and the next request has a new host', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start('read x; exit 5', { openStdin: true, stdinOnce: true });
  const hostPid = fixture.chisel.hostPid;
  assert.ok(hostPid !== undefined);
  globalThis.process.kill(hostPid, 'SIGKILL');
  const stream = await fixture.keep(attachMonitor(process.runDir, { stdin: true }));
  stream.end('\n');
  assert.equal((await process.exited).code, 5);
  // Perhaps the host is still dying: then this one fails, and the next finds it dead.
  await fixture.chisel.apply([]).catch(() => undefined);
  assert.equal((await (await fixture.start('exit 6')).exited).code, 6);
  assert.notEqual(fixture.chisel.hostPid, hostPid);
});

test('the monitor is killed: the wait ends, and says that it was lost', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start('exec sleep 600');
  const control = await fixture.control(process);
  globalThis.process.kill(process.process.monitorPid, 'SIGKILL');
  await assert.rejects(
    process.exited,
    (error) => isEngineError(error) && error.kind === 'unavailable',
  );
  await assert.rejects(
    control.exited,
    (error) => isEngineError(error) && error.kind === 'unavailable',
  );
  globalThis.process.kill(process.process.pid, 'SIGKILL');
});

test('the monitor ignores the signals that end daemons', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start('trap "" HUP INT; read x; exit 4', { openStdin: true });
  const control = await fixture.control(process);
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGPIPE'] as const) {
    globalThis.process.kill(process.process.monitorPid, signal);
  }
  const stream = await fixture.keep(attachMonitor(process.runDir, { stdin: true }));
  stream.write('\n');
  assert.equal((await control.exited).code, 4);
});

/** Count of open descriptors. */
async function descriptorsOf(pid: number): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length;
}

/** Clock ticks a process has used. */
async function ticksOf(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'latin1')).split(') ')[1]?.split(' ') ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

test('clients and execs that come and go leave no descriptor behind', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start('while :; do echo line; sleep 0.01; done', {
    openStdin: true,
  });
  const { monitorPid } = process.process;
  const control = await fixture.control(process);
  const round = async (execNumber: number): Promise<void> => {
    const streams = { stdin: true, stdout: true, stderr: true, replay: true };
    const stream = await fixture.keep(attachMonitor(process.runDir, streams));
    stream.write('x');
    const plan = processOps(['/bin/busybox', 'sh', '-c', 'echo hello']);
    const exec = { execNumber, plan, tty: false, openStdin: true, expectedClients: 1 };
    const { exited } = await control.exec(exec);
    const output = await fixture.keep(
      attachMonitor(process.runDir, { execNumber, stdin: true, stdout: true }),
    );
    await Promise.all([exited, readAll(output)]);
    output.destroy();
    stream.destroy();
  };
  await round(1);
  await new Promise((done) => setTimeout(done, 50));
  const before = await descriptorsOf(monitorPid);
  for (let i = 0; i < 40; i++) await round(2 + i);
  for (let i = 0; i < 100 && (await descriptorsOf(monitorPid)) > before; i++) {
    await new Promise((done) => setTimeout(done, 20));
  }
  assert.ok((await descriptorsOf(monitorPid)) <= before);
});

test('a monitor out of descriptors neither spins nor fails, and serves again later', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start('exec sleep 600');
  const { monitorPid } = process.process;
  const control = await fixture.control(process);
  const limit = (await descriptorsOf(monitorPid)) + 4;
  execFileSync('prlimit', ['--pid', String(monitorPid), `--nofile=${limit}:${limit}`]);
  const attached = await Promise.allSettled(
    Array.from({ length: 12 }, () =>
      attachMonitor(process.runDir, { stdout: true, timeoutMs: 300 }),
    ),
  );
  const before = await ticksOf(monitorPid);
  await new Promise((done) => setTimeout(done, 400));
  assert.ok((await ticksOf(monitorPid)) - before <= 5, 'less than 50 ms of work in 400 ms');
  assert.equal(attached.filter((each) => each.status === 'fulfilled').length < 12, true);
  await assert.rejects(control.resize({ rows: 1, columns: 1 }));
  for (const each of attached) if (each.status === 'fulfilled') each.value.destroy();
  const late = await fixture.control(process);
  assert.equal(late.state.pid, process.process.pid);
});

test('random frames do not disturb the monitor', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start('exec sleep 600');
  let seed = 12345;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    return seed % below;
  };
  for (let i = 0; i < 60; i++) {
    const socket = connect(join(process.runDir, 'monitor.sock'));
    socket.on('error', () => undefined).resume();
    socket.write(encodeFrame(FRAME_KIND.control, 0));
    for (let j = 0; j < 20; j++) {
      const payload = Buffer.from(Array.from({ length: random(200) }, () => random(256)));
      // Not SIGNAL: a random number may well be that of SIGKILL.
      socket.write(encodeFrame(random(3) === 0 ? random(256) & ~18 : 19 + random(2), j, [payload]));
    }
    const closed = new Promise((done) => socket.once('close', done));
    socket.end();
    await closed;
  }
  assert.ok(isAlive(process.process.pid));
  const control = await fixture.control(process);
  await control.signal(9);
  assert.equal((await process.exited).signal, 9);
});

test('no signal disposition of the monitor reaches the process', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start(
    ['/bin/busybox', 'grep', '-E', '^Sig(Blk|Ign|Cgt)', '/proc/self/status'],
    { expectedClients: 1 },
  );
  const bytes = await readAll(await fixture.keep(attachMonitor(process.runDir, { stdout: true })));
  for (const line of payloadOf(bytes, 1).toString().trim().split('\n'))
    assert.match(line, /\t0{16}$/);
});

test('a cancelled start leaves no process', async () => {
  await using fixture = await MonitorFixture.create();
  const abort = new AbortController();
  const marker = join(fixture.dir, 'pid');
  const place = { runDir: join(fixture.dir, 'r'), stateDir: join(fixture.dir, 's') };
  await mkdir(place.runDir);
  await mkdir(place.stateDir);
  const monitor = {
    op: 'monitor',
    ...place,
    logKind: 1,
    logMaxBytes: 0n,
    logMaxFiles: 1,
    tty: 0,
    openStdin: 0,
    stdinOnce: 0,
    expectedClients: 0,
    startMs: 30_000,
    oomPath: '',
    title: 't',
  } as const;
  const pending = fixture.chisel.start(
    [
      monitor,
      { op: 'clone', flags: 0n, uidMap: '', gidMap: '', denySetgroups: 0 },
      { op: 'stdio', uid: 0, gid: 0 },
      {
        op: 'exec',
        argv: ['/bin/busybox', 'sh', '-c', `echo $$ > ${marker}; exec sleep 600`],
        env: [],
        search: [],
        init: 0,
      },
    ],
    [],
    { signal: abort.signal },
  );
  abort.abort();
  await assert.rejects(pending, (error) => isEngineError(error) && error.kind === 'cancelled');
  let record = await readExitRecord(place.stateDir);
  for (let i = 0; i < 500 && record === undefined; i++) {
    await new Promise((done) => setTimeout(done, 10));
    record = await readExitRecord(place.stateDir);
  }
  assert.equal(record?.signal, 9);
});

/** A memory cgroup of our own with a limit; `undefined` where there is no memory controller. */
async function makeMemoryGroup(): Promise<
  { readonly dir: string; readonly procs: string; readonly events: string } | undefined
> {
  const isV1 = existsSync('/sys/fs/cgroup/memory/memory.limit_in_bytes');
  const parent = isV1 ? '/sys/fs/cgroup/memory/carve' : '/sys/fs/cgroup/carve';
  if (
    !isV1 &&
    !(await readFile('/sys/fs/cgroup/cgroup.controllers', 'utf8').catch(() => '')).includes(
      'memory',
    )
  )
    return undefined;
  await mkdir(parent, { recursive: true });
  if (!isV1) await writeFile(join(parent, 'cgroup.subtree_control'), '+memory');
  const dir = join(parent, `oom-test-${process.pid}`);
  await mkdir(dir);
  await writeFile(join(dir, isV1 ? 'memory.limit_in_bytes' : 'memory.max'), '16777216');
  return {
    dir,
    procs: join(dir, 'cgroup.procs'),
    events: join(dir, isV1 ? 'memory.oom_control' : 'memory.events'),
  };
}

test('a process killed for memory has an oom record, its neighbour has not', async (t) => {
  const group = await makeMemoryGroup();
  if (group === undefined) {
    t.skip('no memory controller');
    return;
  }
  try {
    await using fixture = await MonitorFixture.create();
    const grow = `echo $$ > ${group.procs}; exec tail /dev/zero`;
    const record = await (await fixture.start(grow, { oomPath: group.events })).exited;
    assert.equal(record.code, 137);
    assert.equal(record.isOomKilled, true);
    const next = await (
      await fixture.start(`echo $$ > ${group.procs}; kill -9 $$`, { oomPath: group.events })
    ).exited;
    assert.equal(next.code, 137);
    assert.equal(next.isOomKilled, false, 'kills before it started do not count');
  } finally {
    await rmdir(group.dir);
    await rmdir(join(group.dir, '..')).catch(() => undefined);
  }
});

async function collect(entries: AsyncIterable<LogEntry>): Promise<readonly LogEntry[]> {
  const all: LogEntry[] = [];
  for await (const entry of entries) all.push(entry);
  return all;
}

test('a full disk: the process and its client go on, what was lost is counted', async () => {
  const disk = await mkdtemp(join(tmpdir(), 'carve-full-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'carve-test', disk]);
  try {
    await using fixture = await MonitorFixture.create();
    const place = { runDir: join(fixture.dir, 'run'), stateDir: join(disk, 'state') };
    await mkdir(place.runDir);
    await mkdir(place.stateDir);
    const filler = join(disk, 'filler');
    const line = `${'x'.repeat(99)}\n`;
    const script = `yes ${line.trim()} | head -n 100; read x; yes ${line.trim()} | head -n 20000; read x; echo end; read x; echo over`;
    const process = await fixture.start(script, { openStdin: true, expectedClients: 1, place });
    const stream = await fixture.keep(
      attachMonitor(place.runDir, { stdin: true, stdout: true, stderr: true, lossless: true }),
    );
    let received = 0;
    let wanted = Promise.withResolvers<void>();
    let goal = 10_000;
    stream.on('data', (chunk: Buffer) => {
      received += parsePayloadBytes(chunk);
      if (received >= goal) wanted.resolve();
    });
    await wanted.promise;
    await writeFile(filler, Buffer.alloc(1024 * 1024)).catch(() => undefined);
    wanted = Promise.withResolvers<void>();
    goal = 10_000 + 2_000_000;
    stream.write('\n');
    await wanted.promise;
    await rm(filler);
    wanted = Promise.withResolvers<void>();
    goal += 4;
    stream.write('\n');
    await wanted.promise;
    const follow = readLogs(place, { stdout: false, stderr: true, follow: true, bulk: false });
    const note = (await follow.next()).value;
    const lost = Number(
      /(\d+) bytes of output before this line were not logged: no space left on device/.exec(
        note?.bytes.toString() ?? '',
      )?.[1],
    );
    stream.end('\n');
    await collect(follow);
    assert.equal((await process.exited).code, 0);
    const kept = await collect(
      readLogs(place, { stdout: true, stderr: false, follow: false, bulk: true }),
    );
    const keptBytes = kept.reduce((sum, entry) => sum + entry.bytes.byteLength, 0);
    assert.ok(lost > 0);
    assert.equal(keptBytes + lost, 10_000 + 2_000_000 + 4 + 5);
    assert.ok(
      Buffer.concat(kept.map((entry) => entry.bytes))
        .toString()
        .endsWith('over\n'),
    );
  } finally {
    execFileSync('umount', [disk]);
    await rm(disk, { recursive: true });
  }
});

/** Payload bytes of output whose frames may begin and end in other chunks. */
const parsePayloadBytes = ((): ((chunk: Buffer) => number) => {
  let header = Buffer.alloc(0);
  let left = 0;
  return (chunk) => {
    let bytes = 0;
    for (let at = 0; at < chunk.byteLength; ) {
      if (left > 0) {
        const step = Math.min(left, chunk.byteLength - at);
        bytes += step;
        left -= step;
        at += step;
        continue;
      }
      const step = Math.min(8 - header.byteLength, chunk.byteLength - at);
      header = Buffer.concat([header, chunk.subarray(at, at + step)]);
      at += step;
      if (header.byteLength < 8) continue;
      left = header.readUInt32BE(4);
      header = Buffer.alloc(0);
    }
    return bytes;
  };
})();

test('the exit record is written though the disk is full', async () => {
  const disk = await mkdtemp(join(tmpdir(), 'carve-full-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'carve-test', disk]);
  try {
    await using fixture = await MonitorFixture.create();
    const place = { runDir: join(fixture.dir, 'run'), stateDir: join(disk, 'state') };
    await mkdir(place.runDir);
    await mkdir(place.stateDir);
    const process = await fixture.start('echo hello; read x; exit 31', {
      openStdin: true,
      expectedClients: 1,
      place,
    });
    const stream = await fixture.keep(attachMonitor(place.runDir, { stdin: true, stdout: true }));
    await readUntil(stream, 'hello');
    await writeFile(join(disk, 'filler'), Buffer.alloc(1024 * 1024)).catch(() => undefined);
    stream.end('\n');
    assert.equal((await process.exited).code, 31);
    assert.equal((await readExitRecord(place.stateDir))?.code, 31);
  } finally {
    execFileSync('umount', [disk]);
    await rm(disk, { recursive: true });
  }
});

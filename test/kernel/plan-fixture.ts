/**
 * What the tests of the executor share: a chisel, a directory, plans applied
 * or started, what they read, and a wrapper that denies system calls.
 *
 * **Invariant:** when a fixture is disposed nothing that it made is left.
 */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { isEngineError } from '../../src/base/error.ts';
import { Chisel } from '../../src/kernel/chisel.ts';
import type { ExitRecord } from '../../src/kernel/exit-record.ts';
import { attachMonitor } from '../../src/kernel/monitor.ts';
import { CLONE, MOUNT_ATTR, MS, O } from '../../src/kernel/plan/flags.ts';
import type { Plan, PlanOp } from '../../src/kernel/plan/op.ts';
import { CHISEL_PATH, killQuietly, payloadOf, readAll } from './monitor-fixture.ts';

/** What an `op: 'read'` gave. */
export interface ReadResult {
  readonly errno: number;
  readonly bytes: Buffer;
}

/** How a program of a test ended. */
export interface Ended extends ExitRecord {
  readonly output: string;
}

/** A process of a test that runs. */
export interface TestProcess {
  readonly pid: number;
  readonly runDir: string;
  /** Its output, framed unless it has a console. */
  readonly stream: Duplex;
  exited(): Promise<ExitRecord>;
}

/** Everything that the C library calls to make mounts, processes and descriptors in the new ways. */
export const NEW_CALLS: Readonly<Record<string, number>> = {
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  clone3: 435,
  close_range: 436,
  mount_setattr: 442,
};

/** A chisel and a directory. */
export class PlanFixture implements AsyncDisposable {
  readonly chisel: Chisel;
  readonly dir: string;
  readonly #running = new Map<number, Promise<ExitRecord>>();
  #count = 0;

  private constructor(chisel: Chisel, dir: string) {
    this.chisel = chisel;
    this.dir = dir;
  }

  /** `denied`: system calls that the chisel and all it starts do not have; they fail with `errno`. */
  static async create(
    denied: readonly number[] = [],
    errno: 'ENOSYS' | 'EPERM' = 'ENOSYS',
  ): Promise<PlanFixture> {
    const dir = await mkdtemp(join(tmpdir(), 'carve-plan-'));
    const path = denied.length === 0 ? CHISEL_PATH : compileDenier(dir, denied, errno);
    return new PlanFixture(new Chisel(path), dir);
  }

  /** Path below the fixture's directory. */
  path(...parts: string[]): string {
    return join(this.dir, ...parts);
  }

  /** A directory below the fixture's. */
  async makeDir(...parts: string[]): Promise<string> {
    const path = this.path(...parts);
    await mkdir(path, { recursive: true });
    return path;
  }

  /** Apply a plan: what its reads gave. */
  async apply(plan: Plan): Promise<readonly ReadResult[]> {
    return readResults(await this.chisel.apply(plan));
  }

  /** Apply a plan that must fail: `index errno call`. */
  async failure(plan: Plan): Promise<string> {
    return await failureOf(this.chisel.apply(plan));
  }

  /** Start a process by the operations after `monitor`, wait for its end. */
  async run(ops: Plan, options: { readonly tty?: boolean } = {}): Promise<Ended> {
    const started = await this.start(ops, options);
    const bytes = await readAll(started.stream);
    const output =
      options.tty === true ? bytes : Buffer.concat([payloadOf(bytes, 1), payloadOf(bytes, 2)]);
    return { ...(await started.exited()), output: output.toString() };
  }

  /** Start a process by the operations after `monitor`; it dies with the fixture. */
  async start(ops: Plan, options: { readonly tty?: boolean } = {}): Promise<TestProcess> {
    this.#count += 1;
    const runDir = await this.makeDir(`run${this.#count}`);
    const stateDir = await this.makeDir(`state${this.#count}`);
    const monitor: PlanOp = {
      op: 'monitor',
      runDir,
      stateDir,
      logKind: 1,
      logMaxBytes: 1n << 20n,
      logMaxFiles: 2,
      tty: options.tty === true ? 1 : 0,
      openStdin: 0,
      stdinOnce: 0,
      expectedClients: 1,
      startMs: 30_000,
      oomPath: '',
      title: 'carve-monitor test',
    };
    const { process, exited } = await this.chisel.start([monitor, ...ops], []);
    this.#running.set(process.pid, exited);
    const forget = (): boolean => this.#running.delete(process.pid);
    exited.then(forget, forget);
    const stream = await attachMonitor(runDir, { stdout: true, stderr: true });
    return { pid: process.pid, runDir, stream, exited: async () => await exited };
  }

  /** Start a process that must not start: `index errno call`. */
  async startFailure(ops: Plan): Promise<string> {
    return await failureOf(this.start(ops));
  }

  /** A root with busybox and the directories of a container; extra files are the test's. */
  async makeRoot(name: string): Promise<string> {
    const root = await this.makeDir(name);
    for (const part of ['bin', 'proc', 'dev', 'tmp', 'etc']) await mkdir(join(root, part));
    await copyFile('/bin/busybox', join(root, 'bin/busybox'));
    await chmod(join(root, 'bin/busybox'), 0o755);
    for (const tool of [
      'sh',
      'cat',
      'id',
      'ls',
      'mount',
      'sleep',
      'stat',
      'hostname',
      'stty',
      'tty',
      'ps',
      'true',
    ]) {
      await symlink('busybox', join(root, 'bin', tool));
    }
    return root;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ends = [...this.#running].map(async ([pid, exited]) => {
      killQuietly(pid);
      await exited;
    });
    await Promise.allSettled(ends);
    await this.chisel.close();
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** Splits the data of a reply. */
export function readResults(data: Uint8Array): readonly ReadResult[] {
  const bytes = Buffer.from(data);
  const results: ReadResult[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at + 4);
    results.push({ errno: bytes.readUInt32LE(at), bytes: bytes.subarray(at + 8, at + 8 + length) });
    at += 8 + length;
  }
  return results;
}

async function failureOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => assert.fail('the plan did not fail'),
    (reason: unknown) => reason,
  );
  assert.ok(isEngineError(error), String(error));
  const { index, errno, call } = error.details;
  return `${String(index)} ${String(errno)} ${String(call)}`;
}

/** A program that becomes the chisel without some system calls. Compiled, because only C can load a filter. */
function compileDenier(dir: string, denied: readonly number[], errno: string): string {
  const cases = denied
    .map((nr) => `  JUMP(${nr}), RETURN(SECCOMP_RET_ERRNO | ${errno}),`)
    .join('\n');
  const source = `#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <unistd.h>
#define JUMP(nr) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1)
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, value)
static struct sock_filter filter[] = {
  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
${cases}
  RETURN(SECCOMP_RET_ALLOW),
};
int main(int argc, char **argv) {
  struct sock_fprog program = { sizeof filter / sizeof filter[0], filter };
  if (argc < 1 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) return 1;
  execv(${JSON.stringify(CHISEL_PATH)}, argv);
  return 1;
}
`;
  const program = join(dir, 'denier');
  execFileSync('gcc', ['-x', 'c', '-O1', '-o', program, '-'], {
    input: source,
    cwd: dirname(program),
  });
  return program;
}

/* ---- operations that many tests need ------------------------------------------ */

/** Namespaces of a container that shares the network. */
export const ALL: bigint =
  CLONE.CLONE_NEWNS |
  CLONE.CLONE_NEWPID |
  CLONE.CLONE_NEWUTS |
  CLONE.CLONE_NEWIPC |
  CLONE.CLONE_NEWCGROUP;

/** A mount namespace of its own that nothing leaves. */
export const OWN_MOUNTS: Plan = [
  { op: 'unshare', flags: CLONE.CLONE_NEWNS },
  { op: 'propagation', path: '/', flags: MS.MS_REC | MS.MS_PRIVATE },
];

export function openDir(slot: number, path: string): PlanOp {
  return { op: 'open', slot, path, flags: Number(O.O_PATH | O.O_DIRECTORY) };
}

export function cloneOp(
  flags: bigint,
  rest: {
    readonly uidMap?: string;
    readonly gidMap?: string;
    readonly cgroup?: number;
    readonly denySetgroups?: number;
  } = {},
): PlanOp {
  return { op: 'clone', flags, uidMap: '', gidMap: '', denySetgroups: 0, ...rest };
}

export const STDIO: PlanOp = { op: 'stdio', uid: 0, gid: 0 };

export function execOp(argv: readonly string[], init: 0 | 1 = 0): PlanOp {
  return { op: 'exec', argv, env: ['PATH=/bin'], search: ['/bin'], init };
}

/** A new proc, detached, in `slot`. */
export function procMount(slot: number): PlanOp {
  const attrs =
    MOUNT_ATTR.MOUNT_ATTR_NOSUID | MOUNT_ATTR.MOUNT_ATTR_NODEV | MOUNT_ATTR.MOUNT_ATTR_NOEXEC;
  return { op: 'fsmount', slot, fsType: 'proc', source: 'proc', options: [], attrs };
}

/** A tmpfs, detached, in `slot`. */
export function tmpfsMount(slot: number, options: readonly string[] = ['mode=0755']): PlanOp {
  return { op: 'fsmount', slot, fsType: 'tmpfs', source: 'tmpfs', options, attrs: 0n };
}

/**
 * After `clone`: an overlay over `root` becomes the root (slot 0), with its own
 * /proc (slot 1) and a /dev (slot 2) that has null. `dirs` are upper and work.
 */
export function containerRoot(
  root: string,
  dirs: { readonly upper: string; readonly work: string; readonly stage: string },
): Plan {
  return [
    { op: 'propagation', path: '/', flags: MS.MS_REC | MS.MS_PRIVATE },
    {
      op: 'overlay',
      slot: 0,
      lower: [root],
      upper: dirs.upper,
      work: dirs.work,
      options: [],
      attrs: 0n,
    },
    { op: 'attach', slot: 0, path: dirs.stage, create: 0 },
    procMount(1),
    { op: 'attach', slot: 1, root: 0, path: '/proc', create: 1 },
    tmpfsMount(2),
    { op: 'attach', slot: 2, root: 0, path: '/dev', create: 1 },
    { op: 'mknod', dir: 2, name: 'null', mode: 0o20666, major: 1, minor: 3, uid: 0, gid: 0 },
  ];
}

/**
 * What the tests of planned containers share: an engine's control groups, a
 * root of busybox, containers from Docker's words to a running process.
 *
 * **Invariant:** when a fixture is disposed nothing that it made is left.
 */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { ContainerId } from '../../src/base/brand.ts';
import { isEngineError } from '../../src/base/error.ts';
import { hostPath } from '../../src/base/host-path.ts';
import { parseContainerId } from '../../src/base/id.ts';
import type { SpecHost, SpecInput } from '../../src/engine/containers/spec/input.ts';
import { testInput } from '../fakes/spec-input.ts';
import { toOciSpec } from '../../src/engine/containers/spec/to-oci-spec.ts';
import { seccompCompiler } from '../../src/kernel/bpf/seccomp-cache.ts';
import type { CgroupPlace } from '../../src/kernel/cgroup/place.ts';
import { placeCgroup } from '../../src/kernel/cgroup/place.ts';
import { readCgroupFacts } from '../../src/kernel/cgroup/read-facts.ts';
import { planEngineCgroups, planRemoveEngineCgroups } from '../../src/kernel/cgroup/setup.ts';
import { Chisel } from '../../src/kernel/chisel.ts';
import type { HostStarted } from '../../src/kernel/chisel-host.ts';
import type { ExitRecord } from '../../src/kernel/exit-record.ts';
import type { KernelFeatures } from '../../src/kernel/features.ts';
import { probeFeatures } from '../../src/kernel/features.ts';
import { attachMonitor, connectMonitor } from '../../src/kernel/monitor.ts';
import { CAPABILITIES } from '../../src/kernel/plan/flags.ts';
import { cgroupRequest, planAfter } from '../../src/runtime/plan/cgroups.ts';
import { planContainer } from '../../src/runtime/plan/container.ts';
import { planExec } from '../../src/runtime/plan/exec.ts';
import type { ContainerPlanInput, PlanFeatures } from '../../src/runtime/plan/input.ts';
import type { HostConfig } from '../../src/spec/docker/container.ts';
import type { OciProcess, Spec } from '../../src/spec/oci/runtime.ts';
import { CHISEL_PATH, payloadOf, readAll } from './monitor-fixture.ts';

/** A container to run. */
export interface ContainerWish {
  /** Program and arguments; a text is a shell script. */
  readonly command: string | readonly string[];
  readonly hostConfig?: HostConfig;
  readonly input?: Partial<SpecInput>;
  readonly spec?: (spec: Spec) => Spec;
  readonly plan?: Partial<ContainerPlanInput>;
  readonly startMs?: number;
}

/** A container that runs. */
export interface TestContainer {
  readonly spec: Spec;
  readonly started: HostStarted;
  readonly place: CgroupPlace | undefined;
  readonly runDir: string;
  /** Everything it writes until it ends. */
  readonly output: Promise<string>;
  /** Settles when it wrote this. */
  readonly written: (text: string) => Promise<void>;
}

/** How a process ended. */
export interface Ended extends ExitRecord {
  readonly output: string;
}

const TOOLS = [
  'sh',
  'cat',
  'id',
  'ls',
  'mount',
  'umount',
  'sleep',
  'stat',
  'hostname',
  'stty',
  'tty',
  'ps',
  'true',
  'echo',
  'grep',
  'mknod',
  'mkdir',
  'touch',
  'readlink',
  'test',
  'dd',
  'pwd',
  'env',
  'head',
  'wc',
  'ip',
  'rm',
  'kill',
  'chroot',
  'unshare',
  'find',
  'sort',
  'nc',
  'ping',
  'ln',
  'chmod',
  'chown',
  'df',
  'awk',
  'mkfifo',
  'sysctl',
];

/** A chisel, an engine of its own, a root. */
export class ContainerFixture implements AsyncDisposable {
  readonly chisel: Chisel;
  readonly dir: string;
  readonly features: KernelFeatures;
  readonly engine: string;
  readonly compileSeccomp: ContainerPlanInput['compileSeccomp'];
  readonly #containers: TestContainer[] = [];
  #count = 0;

  private constructor(dir: string) {
    this.dir = dir;
    this.chisel = new Chisel(CHISEL_PATH);
    this.features = probeFeatures();
    this.engine = `test-${process.pid}-${dir.slice(-6)}`;
    this.compileSeccomp = seccompCompiler('x86_64');
  }

  static async create(): Promise<ContainerFixture> {
    const dir = await mkdtemp(join(tmpdir(), 'carve-container-'));
    const fixture = new ContainerFixture(dir);
    await fixture.#setUp();
    return fixture;
  }

  async #setUp(): Promise<void> {
    const { cgroups } = this.features;
    assert.ok(cgroups !== undefined, 'no control groups');
    const group = { parent: '/carve', engine: this.engine };
    const facts = await readCgroupFacts(cgroups, group);
    const starterPid = this.chisel.hostPid ?? 0;
    await this.chisel.apply(planEngineCgroups(cgroups, group, { facts, starterPid }));
    const root = await this.makeDir('root');
    for (const part of ['bin', 'proc', 'dev', 'sys', 'tmp', 'etc', 'root', 'home/web']) {
      await mkdir(join(root, part), { recursive: true });
    }
    await chmod(join(root, 'tmp'), 0o1777);
    await chmod(join(root, 'root'), 0o700);
    await copyFile('/bin/busybox', join(root, 'bin/busybox'));
    await chmod(join(root, 'bin/busybox'), 0o755);
    for (const tool of TOOLS) await symlink('busybox', join(root, 'bin', tool));
    await writeFile(
      join(root, 'etc/passwd'),
      'root:x:0:0::/root:/bin/sh\nweb:x:1000:1000::/home/web:/bin/sh\n',
    );
    await writeFile(join(root, 'etc/group'), 'root:x:0:\nweb:x:1000:\n');
    await this.makeDir('stage');
  }

  /** The lower layer. */
  get root(): string {
    return join(this.dir, 'root');
  }

  /** A directory below the fixture's. */
  async makeDir(...parts: readonly string[]): Promise<string> {
    const path = join(this.dir, ...parts);
    await mkdir(path, { recursive: true });
    return path;
  }

  /** A static C program at `/bin/NAME` of every container. */
  addProgram(name: string, source: string): void {
    const out = join(this.root, 'bin', name);
    execFileSync('gcc', ['-O1', '-w', '-static', '-x', 'c', '-o', out, '-'], { input: source });
  }

  /** This machine as the conversion sees it. */
  get host(): SpecHost {
    const { features } = this;
    return {
      machine: 'x86_64',
      kernel: features.kernel,
      cgroupVersion: features.cgroups?.version ?? 1,
      capabilities: CAPABILITIES.filter(
        (_, bit) => (features.ownCapabilities & (1n << BigInt(bit))) !== 0n,
      ),
      openFilesMax: features.openFilesMax,
      hasAppArmor: false,
      thermalThrottlePaths: features.thermalThrottlePaths,
      devices: [{ path: '/dev/null', type: 'c', major: 1, minor: 3, mode: 0o666, uid: 0, gid: 0 }],
    };
  }

  get planFeatures(): PlanFeatures {
    const { knownCapabilities, ownCapabilities, isRootless } = this.features;
    return {
      knownCapabilities,
      ownCapabilities,
      isRootless,
      hostMounts: { pid: process.pid, startTicks: 0n },
      hidesMounts: false,
    };
  }

  /** Start a container. Its streams are read; it is killed with the fixture. */
  async start(wish: ContainerWish): Promise<TestContainer> {
    this.#count += 1;
    const name = `c${this.#count}`;
    const [runDir, stateDir] = [await this.makeDir(name, 'run'), await this.makeDir(name, 'state')];
    const [upper, work] = [await this.makeDir(name, 'upper'), await this.makeDir(name, 'work')];
    const spec = this.specOf(wish, this.#count);
    const { cgroups } = this.features;
    const place = cgroups === undefined ? undefined : placeCgroup(cgroups, cgroupRequest(spec));
    const plan = planContainer({
      spec,
      root: {
        kind: 'overlay',
        lower: [hostPath(this.root)],
        upper: hostPath(upper),
        work: hostPath(work),
      },
      stageDir: hostPath(join(this.dir, 'stage')),
      cgroup: place,
      monitor: {
        runDir,
        stateDir,
        logKind: 1,
        logMaxBytes: 1n << 20n,
        logMaxFiles: 2,
        openStdin: 0,
        stdinOnce: 0,
        expectedClients: 1,
        startMs: wish.startMs ?? 30_000,
        title: 'carve-monitor test',
      },
      init: false,
      network: undefined,
      features: this.planFeatures,
      compileSeccomp: this.compileSeccomp,
      ...wish.plan,
    });
    const started = await this.chisel.start(plan, planAfter(place, spec));
    const isTerminal = spec.process?.terminal === true;
    const stream = await attachMonitor(runDir, { stdout: true, stderr: true });
    const written = watch(stream);
    const output = textOf(stream, isTerminal);
    const container = { spec, started, place, runDir, output, written };
    this.#containers.push(container);
    return container;
  }

  specOf(wish: ContainerWish, number: number): Spec {
    const { command, hostConfig, input } = wish;
    const spec = toOciSpec(
      testInput({
        id: idOf(number),
        engineId: this.engine,
        args: typeof command === 'string' ? ['sh', '-c', command] : command,
        hostConfig: { NetworkMode: 'none', ...hostConfig },
        files: [],
        host: this.host,
        ...input,
      }),
    );
    return wish.spec?.(spec) ?? spec;
  }

  /** Start a container and wait for its end. */
  async run(wish: ContainerWish): Promise<Ended> {
    const container = await this.start(wish);
    return { ...(await container.started.exited), output: await container.output };
  }

  /** What a container wrote that ended with code 0. */
  async output(wish: ContainerWish): Promise<string> {
    const { code, output } = await this.run(wish);
    assert.equal(code, 0, output);
    return output;
  }

  /** A container that does not start: `errno call` of the operation that failed. */
  async failure(wish: ContainerWish): Promise<string> {
    const error: unknown = await this.start(wish).then(
      () => assert.fail('it started'),
      (reason: unknown) => reason,
    );
    assert.ok(isEngineError(error), String(error));
    const { errno, call } = error.details;
    return `${String(errno)} ${String(call)}`;
  }

  /** Run a process in a container and wait for its end. */
  async exec(container: TestContainer, changes: Partial<OciProcess>): Promise<Ended> {
    const base = container.spec.process;
    assert.ok(base !== undefined);
    const process = { ...base, ...changes };
    const plan = planExec({
      spec: container.spec,
      process,
      target: container.started.process,
      cgroup: container.place,
      features: this.planFeatures,
      compileSeccomp: this.compileSeccomp,
    });
    const control = await connectMonitor(container.runDir);
    try {
      this.#count += 1;
      const execNumber = this.#count;
      const { exited } = await control.exec({
        execNumber,
        tty: process.terminal === true,
        openStdin: false,
        expectedClients: 1,
        plan,
      });
      const options = { execNumber, stdout: true, stderr: true };
      const stream = await attachMonitor(container.runDir, options);
      return { output: await textOf(stream, process.terminal === true), ...(await exited) };
    } finally {
      control.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { started } of this.#containers) {
      try {
        process.kill(started.process.pid, 'SIGKILL');
      } catch {
        // Gone already.
      }
    }
    await Promise.all(this.#containers.map(({ started }) => started.exited.catch(() => undefined)));
    await this.chisel.close();
    const { cgroups } = this.features;
    if (cgroups !== undefined) {
      await using cleaner = new Chisel(CHISEL_PATH);
      await cleaner.apply(
        planRemoveEngineCgroups(cgroups, { parent: '/carve', engine: this.engine }),
      );
    }
    await rm(this.dir, { recursive: true, force: true });
  }
}

function idOf(number: number): ContainerId {
  return parseContainerId(number.toString(16).padStart(8, 'a').repeat(8));
}

/** Lets one wait for a part of what a stream brings. */
function watch(stream: Duplex): (text: string) => Promise<void> {
  let seen = '';
  const waiting: { readonly text: string; readonly settle: PromiseWithResolvers<void> }[] = [];
  const look = (): void => {
    for (const { text, settle } of waiting) if (seen.includes(text)) settle.resolve();
  };
  stream.on('data', (chunk: Buffer) => {
    seen += chunk.toString('latin1');
    look();
  });
  stream.once('end', () => {
    for (const { text, settle } of waiting)
      settle.reject(new Error(`${text} was never written: ${seen}`));
  });
  return async (text) => {
    const settle = Promise.withResolvers<void>();
    waiting.push({ text, settle });
    look();
    await settle.promise;
  };
}

async function textOf(stream: Duplex, isTerminal: boolean): Promise<string> {
  const bytes = await readAll(stream);
  stream.destroy();
  if (isTerminal) return bytes.toString();
  return Buffer.concat([payloadOf(bytes, 1), payloadOf(bytes, 2)]).toString();
}

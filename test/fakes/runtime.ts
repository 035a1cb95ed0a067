/**
 * A runtime without a kernel: processes are objects in a world that outlives
 * the engine, as real ones do.
 */

import type { ReservedPort } from '../../src/kernel/monitor.ts';
import type { Duplex } from 'node:stream';
import { duplexPair } from 'node:stream';
import { EngineError } from '../../src/base/error.ts';
import type { Plan } from '../../src/kernel/plan/op.ts';
import type { LinuxResources } from '../../src/spec/oci/resources.ts';
import type {
  AttachRequest,
  ContainerUsage,
  ExecRequest,
  ExitRecord,
  HeldRoot,
  HoldRequest,
  ProcessIdentity,
  ProcessRoot,
  RootSource,
  RunningContainer,
  RunningExec,
  Runtime,
  StartRequest,
  TerminalSize,
} from '../../src/runtime/runtime.ts';

/** One process that "runs". */
export class FakeProcess implements RunningContainer {
  readonly request: StartRequest;
  readonly process: ProcessIdentity;
  readonly startedAtNs: bigint;
  readonly signals: number[] = [];
  readonly sizes: TerminalSize[] = [];
  readonly attached: {
    readonly request: AttachRequest;
    readonly client: Duplex;
    readonly inside: Duplex;
  }[] = [];
  readonly execs: FakeExec[] = [];
  /** Host ports it gave back. */
  readonly released: ReservedPort[] = [];
  readonly updates: LinuxResources[] = [];
  isFrozen = false;
  /** SIGTERM ends it. */
  obeysTerm = true;
  /** What the next execs do; default: they run until ended. */
  onExec: (exec: FakeExec) => void = () => undefined;
  readonly #exit = Promise.withResolvers<ExitRecord>();
  record: ExitRecord | undefined;

  constructor(request: StartRequest, pid: number, startedAtNs: bigint) {
    this.request = request;
    this.process = { pid, startTicks: BigInt(pid) * 10n };
    this.startedAtNs = startedAtNs;
  }

  get exited(): Promise<ExitRecord> {
    return this.#exit.promise;
  }

  /** Ends it. */
  exit(code: number, facts: Partial<ExitRecord> = {}): void {
    if (this.record !== undefined) return;
    this.record = {
      code,
      signal: code > 128 ? code - 128 : 0,
      isOomKilled: false,
      startedAtNs: this.startedAtNs,
      exitedAtNs: this.startedAtNs + 1_000_000_000n,
      ...facts,
    };
    for (const { inside } of this.attached) inside.end();
    for (const exec of this.execs) exec.end(137);
    this.#exit.resolve(this.record);
  }

  /** Output that attached clients see. */
  write(text: string): void {
    for (const { inside } of this.attached) inside.write(text);
  }

  async attach(request: AttachRequest): Promise<Duplex> {
    const [client, inside] = connectedPair();
    if (request.execNumber === undefined) this.attached.push({ request, client, inside });
    else
      this.execs
        .find((exec) => exec.request.execNumber === request.execNumber)
        ?.attached.push(inside);
    const exec = this.execs.find((each) => each.request.execNumber === request.execNumber);
    if (exec !== undefined) exec.onAttach(inside);
    if (this.record !== undefined) inside.end();
    return client;
  }

  async exec(request: ExecRequest): Promise<RunningExec> {
    if (this.record !== undefined)
      throw new EngineError('wrong-state', 'the container is not running');
    const exec = new FakeExec(request, this.process.pid + 1000 + this.execs.length);
    this.execs.push(exec);
    this.onExec(exec);
    return exec;
  }

  async signal(signal: number, target?: { readonly execNumber: number }): Promise<void> {
    if (target !== undefined) {
      this.execs.find((exec) => exec.request.execNumber === target.execNumber)?.end(128 + signal);
      return;
    }
    if (this.record !== undefined) throw new EngineError('wrong-state', 'the process is gone');
    this.signals.push(signal);
    if (signal === 9 || (signal === 15 && this.obeysTerm && !this.isFrozen))
      this.exit(128 + signal);
  }

  async releasePort(port: ReservedPort): Promise<void> {
    this.released.push(port);
  }

  async resize(size: TerminalSize): Promise<void> {
    this.sizes.push(size);
  }

  async pause(): Promise<void> {
    this.isFrozen = true;
  }

  async resume(): Promise<void> {
    this.isFrozen = false;
    if (this.signals.includes(15) && this.obeysTerm) this.exit(143);
  }

  async pids(): Promise<readonly number[]> {
    return [process.pid];
  }

  async usage(): Promise<ContainerUsage> {
    return {
      cpu: {
        usageNs: 5n,
        userNs: 3n,
        kernelNs: 2n,
        perCpuNs: undefined,
        periods: 0n,
        throttledPeriods: 0n,
        throttledNs: 0n,
      },
      memory: {
        usageBytes: 4096n,
        maxUsageBytes: undefined,
        limitBytes: undefined,
        failures: undefined,
        details: {},
      },
      pids: { current: 1n, limit: undefined },
      ioBytes: [],
      ioOperations: [],
      interfaces: [],
    };
  }

  async update(resources: LinuxResources): Promise<void> {
    this.updates.push(resources);
  }
}

/** One exec that "runs". */
export class FakeExec implements RunningExec {
  readonly request: ExecRequest;
  readonly process: ProcessIdentity;
  readonly attached: Duplex[] = [];
  /** Called with each client's inner side. */
  onAttach: (inside: Duplex) => void = () => undefined;
  readonly #exit = Promise.withResolvers<ExitRecord>();
  #isOver = false;

  constructor(request: ExecRequest, pid: number) {
    this.request = request;
    this.process = { pid, startTicks: BigInt(pid) * 10n };
  }

  get exited(): Promise<ExitRecord> {
    return this.#exit.promise;
  }

  end(code: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const inside of this.attached) inside.end();
    this.#exit.resolve({ code, signal: 0, isOomKilled: false, startedAtNs: 1n, exitedAtNs: 2n });
  }
}

/** What outlives an engine. */
export interface FakeWorld {
  /** By container id: the last process of each. */
  readonly processes: Map<string, FakeProcess>;
  nextPid: number;
}

/** A new world. */
export function fakeWorld(): FakeWorld {
  return { processes: new Map(), nextPid: 1000 };
}

/** The contract over a world. */
export class FakeRuntime implements Runtime {
  /** Requests whose plan was asked for. */
  readonly planned: StartRequest[] = [];
  readonly world: FakeWorld;
  readonly starts: StartRequest[] = [];
  /** Awaited before each start. */
  beforeStart: (request: StartRequest) => Promise<void> = async () => undefined;
  /** Files by path, for `readFile`. */
  readonly files = new Map<string, string>();
  /** Roots that are held now. */
  readonly held: { readonly pid: number; readonly isWritable: boolean }[] = [];

  constructor(world: FakeWorld = fakeWorld()) {
    this.world = world;
  }

  planStart(request: StartRequest): Plan {
    this.planned.push(request);
    return [{ op: 'setsid' }];
  }

  planExec(): Plan {
    return [{ op: 'setsid' }];
  }

  async start(request: StartRequest): Promise<RunningContainer> {
    this.starts.push(request);
    await this.beforeStart(request);
    const pid = this.world.nextPid++;
    const process = new FakeProcess(
      request,
      pid,
      1_700_000_000_000_000_000n + BigInt(pid) * 1_000_000n,
    );
    this.world.processes.set(request.id, process);
    return process;
  }

  async adopt(request: StartRequest): Promise<RunningContainer | ExitRecord | undefined> {
    const found = this.world.processes.get(request.id);
    return found?.record ?? found;
  }

  async readFile(_place: RootSource | ProcessRoot, path: string): Promise<Uint8Array | undefined> {
    const text = this.files.get(path);
    return text === undefined ? undefined : new TextEncoder().encode(text);
  }

  async hold({ isWritable }: HoldRequest): Promise<HeldRoot> {
    const pid = this.world.nextPid++;
    this.held.push({ pid, isWritable });
    return {
      process: { pid, startTicks: BigInt(pid) * 10n },
      below: '/held',
      release: async () =>
        void this.held.splice(0, this.held.length, ...this.held.filter((each) => each.pid !== pid)),
    };
  }

  async sweep(keep: ReadonlySet<string>): Promise<readonly string[]> {
    const swept: string[] = [];
    for (const [id, process] of this.world.processes) {
      if (keep.has(id) || process.record !== undefined) continue;
      process.exit(137);
      swept.push(id);
    }
    return swept;
  }

  async close(): Promise<void> {
    await Promise.resolve();
  }
}

/** Two ends of one connection. */
export function connectedPair(): readonly [Duplex, Duplex] {
  const [a, b] = duplexPair();
  // As a socket whose peer has gone: an error nobody need listen to.
  for (const end of [a, b]) end.on('error', () => undefined);
  return [a, b];
}

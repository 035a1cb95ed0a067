/**
 * A container whose process a chisel monitor watches: signals, streams, execs,
 * the freezer, usage and limits.
 *
 * **Invariant:** `exited` resolves exactly once, also when the monitor itself
 * is killed: then what is left of the container is killed and cleared away
 * first, so that nobody is told of an exit that has not happened.
 */

import { readFile, writeFile } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { EngineError, isEngineError, messageOf } from '../base/error.ts';
import type { HostPath } from '../base/brand.ts';
import {
  freezeCgroup,
  killCgroup,
  listCgroupPids,
  removeCgroup,
  thawCgroup,
} from '../kernel/cgroup/control.ts';
import { limitWrites } from '../kernel/cgroup/limits.ts';
import type { CgroupPlace } from '../kernel/cgroup/place.ts';
import { readCgroupStats } from '../kernel/cgroup/read-stats.ts';
import { readExitRecord } from '../kernel/exit-record.ts';
import type { MonitorControl, ReservedPort, StartedProcess } from '../kernel/monitor.ts';
import { attachMonitor, connectMonitor } from '../kernel/monitor.ts';
import type { Plan } from '../kernel/plan/op.ts';
import type { LinuxResources } from '../spec/oci/resources.ts';
import { readInterfaces } from './net-usage.ts';
import type {
  AttachRequest,
  CallOptions,
  ContainerUsage,
  ExecRequest,
  ExitRecord,
  ProcessIdentity,
  RunningContainer,
  RunningExec,
  TerminalSize,
} from './runtime.ts';
import { explainStart } from './start-error.ts';

/** Exit code of a process whose monitor was lost. Source: the runtime's contract. */
const LOST_EXIT = 137;
const SIGKILL = 9;

/** What such a container is made of. */
export interface MonitoredOptions {
  readonly started: StartedProcess;
  readonly stateDir: HostPath;
  readonly runDir: HostPath;
  readonly place: CgroupPlace;
  /** The exit as the chisel tells it; rejects when it cannot any more. */
  readonly exited: Promise<ExitRecord>;
  /** A control connection that is open already. */
  readonly control?: MonitorControl;
  /** The plan of an exec. */
  readonly planExec: (request: ExecRequest) => Plan;
  readonly nowNs: () => bigint;
  /** The runtime is closed: the next one tells of exits. */
  readonly isClosed: () => boolean;
}

/** One running container. */
export class MonitoredContainer implements RunningContainer {
  readonly process: ProcessIdentity;
  readonly startedAtNs: bigint;
  readonly exited: Promise<ExitRecord>;
  readonly #options: MonitoredOptions;
  #control: Promise<MonitorControl> | undefined;

  constructor(options: MonitoredOptions) {
    const { started } = options;
    this.#options = options;
    this.process = { pid: started.pid, startTicks: started.startTicks };
    this.startedAtNs = started.startedAtNs;
    if (options.control !== undefined) this.#control = Promise.resolve(options.control);
    this.exited = this.#settleExit().finally(() => this.close());
  }

  /** Drop the connection to the monitor; the container runs on. */
  close(): void {
    this.#control?.then((control) => control.close()).catch(() => undefined);
    this.#control = undefined;
  }

  async attach(request: AttachRequest, options: CallOptions = {}): Promise<Duplex> {
    const { logs, ...rest } = request;
    return attachMonitor(this.#options.runDir, { ...rest, replay: logs, ...options });
  }

  async exec(request: ExecRequest): Promise<RunningExec> {
    const plan = this.#options.planExec(request);
    const control = await this.#connect();
    const starting = control.exec({
      execNumber: request.execNumber,
      plan,
      tty: request.process.terminal === true,
      openStdin: request.openStdin,
      expectedClients: request.expectedClients,
    });
    const early = request.attach === undefined ? undefined : this.#attachEarly(request);
    try {
      const started = await starting;
      const stream = early?.then(async (found) => found ?? this.#attachExec(request));
      // Its user may come later than its failure.
      stream?.catch(() => undefined);
      return {
        process: { pid: started.process.pid, startTicks: started.process.startTicks },
        exited: started.exited.catch(() => this.#lostExec(request.execNumber, started.process)),
        ...(stream === undefined ? {} : { stream }),
      };
    } catch (error) {
      void early?.then((found) => found?.destroy());
      if (isEngineError(error) && (error.kind === 'wrong-state' || error.kind === 'conflict'))
        throw error;
      throw explainStart(error, 'Cannot start the exec');
    }
  }

  /**
   * Ask for the streams right after the process was asked for. `undefined`: the
   * monitor read this question first; it is asked again when the process runs.
   */
  async #attachEarly(request: ExecRequest): Promise<Duplex | undefined> {
    const stream = await this.#attachExec(request).catch(() => undefined);
    // Until it is handed over nobody else listens.
    stream?.on('error', () => stream.destroy());
    return stream;
  }

  async #attachExec({ execNumber, attach }: ExecRequest): Promise<Duplex> {
    return attachMonitor(this.#options.runDir, { ...attach, execNumber });
  }

  async signal(signal: number, target?: { readonly execNumber: number }): Promise<void> {
    await this.#asking((control) => control.signal(signal, target?.execNumber));
  }

  async resize(size: TerminalSize, target?: { readonly execNumber: number }): Promise<void> {
    await this.#asking((control) => control.resize(size, target?.execNumber));
  }

  async releasePort(port: ReservedPort): Promise<void> {
    await this.#asking((control) => control.releasePort(port));
  }

  /**
   * Ask for what may be asked twice. A monitor that is about to end closes the
   * connection: on the next one it says that the process is gone, or there is none.
   */
  async #asking(ask: (control: MonitorControl) => Promise<void>): Promise<void> {
    const control = await this.#connect();
    try {
      await ask(control);
    } catch (error) {
      if (control.isOpen || !isEngineError(error) || error.kind !== 'unavailable') throw error;
      await ask(await this.#connect());
    }
  }

  async pause(): Promise<void> {
    await freezeCgroup(this.#options.place);
  }

  async resume(): Promise<void> {
    try {
      await thawCgroup(this.#options.place);
    } catch (error) {
      // Killed while it was frozen: its group may be gone already.
      if (!isEngineError(error) || error.kind !== 'not-found') throw error;
    }
  }

  async pids(): Promise<readonly number[]> {
    return listCgroupPids(this.#options.place);
  }

  async usage(): Promise<ContainerUsage> {
    const [stats, interfaces] = await Promise.all([
      readCgroupStats(this.#options.place),
      readInterfaces(this.process.pid),
    ]);
    return { ...stats, interfaces };
  }

  async update(resources: LinuxResources): Promise<void> {
    const { place } = this.#options;
    const memoryBytes = await currentMemoryLimit(place);
    for (const { controller, file, value, isOptional } of limitWrites(
      place.version,
      resources,
      memoryBytes,
    )) {
      const directory = place.version === 2 ? place.directory : place.directories[controller];
      if (directory === undefined) {
        throw new EngineError(
          'unsupported',
          `Cannot update: the container was started without a control group for ${controller}`,
          {
            hint: 'Restart it to apply this limit',
          },
        );
      }
      await writeLimit(`${directory}/${file}`, value, isOptional);
    }
  }

  /** One connection, made when it is first needed, and again when it was lost. */
  async #connect(): Promise<MonitorControl> {
    const known = await this.#control?.catch(() => undefined);
    if (known !== undefined && known.isOpen) return known;
    this.#control = connectMonitor(this.#options.runDir);
    try {
      return await this.#control;
    } catch (error) {
      this.#control = undefined;
      if (isEngineError(error) && error.kind === 'not-found') {
        throw new EngineError('wrong-state', 'The container is not running', { cause: error });
      }
      throw error;
    }
  }

  async #settleExit(): Promise<ExitRecord> {
    try {
      return await this.#options.exited;
    } catch {
      if (this.#options.isClosed()) return new Promise<never>(() => undefined);
      return await this.#askAgain();
    }
  }

  /** The way the exit would have come is gone; the monitor itself may not be. */
  async #askAgain(): Promise<ExitRecord> {
    try {
      const control = await this.#connect();
      return await control.exited;
    } catch {
      if (this.#options.isClosed()) return new Promise<never>(() => undefined);
      return await this.#lost();
    }
  }

  async #lost(): Promise<ExitRecord> {
    const { stateDir, place, nowNs } = this.#options;
    await killCgroup(place);
    await removeCgroup(place).catch(() => undefined);
    const record = await readExitRecord(stateDir).catch(() => undefined);
    if (record !== undefined && record.startedAtNs === this.startedAtNs) return record;
    return {
      code: LOST_EXIT,
      signal: SIGKILL,
      isOomKilled: false,
      startedAtNs: this.startedAtNs,
      exitedAtNs: nowNs(),
      isUnrecorded: true,
    };
  }

  async #lostExec(execNumber: number, started: StartedProcess): Promise<ExitRecord> {
    try {
      const control = await this.#connect();
      return await control.execEnd(execNumber);
    } catch {
      return {
        code: LOST_EXIT,
        signal: SIGKILL,
        isOomKilled: false,
        startedAtNs: started.startedAtNs,
        exitedAtNs: this.#options.nowNs(),
      };
    }
  }
}

/** Version 1 takes memory and swap in an order that depends on the limit of now; `undefined` elsewhere. */
async function currentMemoryLimit(place: CgroupPlace): Promise<bigint | undefined> {
  const directory = place.version === 1 ? place.directories['memory'] : undefined;
  if (directory === undefined) return undefined;
  return BigInt((await readFile(`${directory}/memory.limit_in_bytes`, 'utf8')).trim());
}

async function writeLimit(path: string, value: string, isOptional: boolean): Promise<void> {
  try {
    await writeFile(path, value);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' && isOptional) return;
    throw new EngineError(
      'invalid',
      `Cannot update: the kernel refused ${JSON.stringify(value)} for ${path}: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

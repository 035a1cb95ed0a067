/**
 * The embedded runtime: planners, chisel and monitors put together.
 *
 * **Invariants**
 * - A failed start leaves no process, control group or socket behind.
 * - What runs is known by its monitor's socket, not by a pid in a file.
 *
 * Source: docs/chisel-protocol.md; docs/architecture.md "Processes".
 */

import { mkdirSync, rmdirSync } from 'node:fs';
import type { HostPath } from '../base/brand.ts';
import type { Clock } from '../base/clock.ts';
import { isEngineError, messageOf } from '../base/error.ts';
import { hostPath } from '../base/host-path.ts';
import type { Log } from '../base/log.ts';
import type { SeccompProgram } from '../kernel/bpf/compile-seccomp.ts';
import { seccompCompiler } from '../kernel/bpf/seccomp-cache.ts';
import type { Machine } from '../kernel/bpf/syscalls.ts';
import { killCgroup, removeCgroup } from '../kernel/cgroup/control.ts';
import type { CgroupLayout } from '../kernel/cgroup/layout.ts';
import type { CgroupPlace } from '../kernel/cgroup/place.ts';
import { placeCgroup } from '../kernel/cgroup/place.ts';
import { readCgroupFacts } from '../kernel/cgroup/read-facts.ts';
import { planEngineCgroups, planRemoveEngineCgroups } from '../kernel/cgroup/setup.ts';
import type { Chisel } from '../kernel/chisel.ts';
import { readExitRecord } from '../kernel/exit-record.ts';
import type { MonitorControl } from '../kernel/monitor.ts';
import type { KernelFeatures } from '../kernel/features.ts';
import { connectMonitor } from '../kernel/monitor.ts';
import type { Plan } from '../kernel/plan/op.ts';
import type { LinuxSeccomp } from '../spec/oci/seccomp.ts';
import type { Spec } from '../spec/oci/runtime.ts';
import { findGroups } from './leftover-groups.ts';
import { RootHolder } from './held-root.ts';
import { layoutOf, planFeatures } from './machine.ts';
import { MonitoredContainer } from './monitored-container.ts';
import { cgroupRequest, ENGINE_PARENT, planAfter } from './plan/cgroups.ts';
import type { PlanFeatures } from './plan/input.ts';
import { planContainer } from './plan/container.ts';
import { planExec } from './plan/exec.ts';
import { decodeReadReply, planReadFile } from './read-file.ts';
import type {
  CallOptions,
  ExecRequest,
  ExitRecord,
  HeldRoot,
  HoldRequest,
  LogSettings,
  ProcessIdentity,
  ProcessRoot,
  RootSource,
  RunningContainer,
  Runtime,
  StartRequest,
} from './runtime.ts';
import { explainStart } from './start-error.ts';

/** How to open it. */
export interface ChiselRuntimeOptions {
  readonly chisel: Chisel;
  /** The chisel's executable. */
  readonly chiselPath: HostPath;
  /** One path component, unique per engine root: its control groups' name. */
  readonly engineId: string;
  /** Directory (0700) of the engine that may vanish with the boot. */
  readonly runDir: HostPath;
  readonly machine: Machine;
  readonly features: KernelFeatures;
  readonly clock: Clock;
  readonly log: Log;
}

/** A program that is read from a slow disk comes to run in less. */
const START_MS = 30_000;

const LOG_KINDS: Readonly<Record<LogSettings['kind'], number>> = {
  none: 0,
  carve: 1,
  'json-file': 2,
};

/** Make the engine's control groups. The chisel is closed with the runtime. Errors: `unsupported`, those of plans. */
export async function openChiselRuntime(options: ChiselRuntimeOptions): Promise<Runtime> {
  const { chisel } = options;
  try {
    const stageDir = hostPath(`${options.runDir}/stage`);
    mkdirSync(stageDir, { recursive: true, mode: 0o700 });
    const runtime = new ChiselRuntime({
      ...options,
      stageDir,
      holder: new RootHolder({ ...options, stageDir }),
      layout: layoutOf(options.features),
    });
    await runtime.prepare();
    return runtime;
  } catch (error) {
    await chisel.close();
    throw error;
  }
}

/** The options and what was made of them. */
interface Equipment extends ChiselRuntimeOptions {
  readonly stageDir: HostPath;
  readonly holder: RootHolder;
  readonly layout: CgroupLayout;
}

/** Drives one chisel. */
class ChiselRuntime implements Runtime {
  readonly #options: Equipment;
  readonly #features: PlanFeatures;
  /** Compiling costs milliseconds; nearly all containers share one section. */
  readonly #compileSeccomp: (section: LinuxSeccomp) => SeccompProgram;
  /** Connections to monitors that adopting made. */
  readonly #adopted = new Set<MonitorControl>();
  /** Pid of the host that is in the engine's groups. */
  #preparedHost: number | undefined;
  #isClosed = false;

  constructor(options: Equipment) {
    this.#options = options;
    this.#features = planFeatures(options.features);
    this.#compileSeccomp = seccompCompiler(options.machine);
  }

  /** Make the engine's groups and put the host, from which containers are forked, into them. */
  async prepare(): Promise<void> {
    const { chisel, layout, engineId } = this.#options;
    const starterPid = chisel.hostPid;
    if (starterPid === undefined || starterPid === this.#preparedHost) return;
    const group = { parent: ENGINE_PARENT, engine: engineId };
    const facts = await readCgroupFacts(layout, group);
    await chisel.apply(planEngineCgroups(layout, group, { facts, starterPid }), {
      failure: "Cannot make the engine's control groups",
    });
    this.#preparedHost = starterPid;
  }

  planStart(request: StartRequest): Plan {
    return this.#plan(request, this.#placeOf(request.spec));
  }

  planExec(request: ExecRequest, container: { readonly process: ProcessIdentity }): Plan {
    return planExec({
      spec: request.spec,
      process: request.process,
      target: container.process,
      cgroup: this.#placeOf(request.spec),
      features: this.#features,
      compileSeccomp: this.#compileSeccomp,
    });
  }

  async start(request: StartRequest, options: CallOptions = {}): Promise<RunningContainer> {
    const { chisel } = this.#options;
    // A host that died and was replaced is not in the groups yet.
    if (chisel.hostPid !== this.#preparedHost) await this.prepare();
    const place = this.#placeOf(request.spec);
    const what = `Cannot start container ${request.id.slice(0, 12)}`;
    try {
      const { process, exited } = await chisel.start(
        this.#plan(request, place),
        [...(request.network?.after ?? []), ...planAfter(place, request.spec)],
        {
          ...options,
          failure: what,
        },
      );
      return this.#container(request, { started: process, place, exited });
    } catch (error) {
      throw explainStart(error, what);
    }
  }

  async adopt(request: StartRequest): Promise<RunningContainer | ExitRecord | undefined> {
    const place = this.#placeOf(request.spec);
    try {
      const control = await connectMonitor(request.runDir);
      this.#adopted.add(control);
      return this.#container(request, {
        started: control.state,
        place,
        exited: control.exited,
        control,
      });
    } catch (error) {
      if (!isEngineError(error) || error.kind !== 'not-found') throw error;
    }
    return readExitRecord(request.stateDir);
  }

  async readFile(
    place: RootSource | ProcessRoot,
    path: string,
    maxBytes: number,
  ): Promise<Uint8Array | undefined> {
    const reply = await this.#options.chisel.apply(planReadFile(place, path, maxBytes), {
      failure: `Cannot read ${path} of the container`,
    });
    return decodeReadReply(reply, path);
  }

  async hold(request: HoldRequest): Promise<HeldRoot> {
    return this.#options.holder.hold(request);
  }

  async sweep(keep: ReadonlySet<string>): Promise<readonly string[]> {
    const { layout, engineId, log } = this.#options;
    const swept: string[] = [];
    for (const [name, places] of await findGroups(layout, engineId)) {
      if (keep.has(name)) continue;
      for (const place of places) {
        await killCgroup(place);
        await removeCgroup(place).catch((error: unknown) => {
          log.warn('cannot remove control groups', { name, error: messageOf(error) });
        });
      }
      swept.push(name);
    }
    return swept;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#options.holder.close();
    for (const control of this.#adopted) control.close();
    await this.#options.chisel.close();
    this.#removeEmptyGroups();
  }

  /** The engine's groups, unless containers run on in them. */
  #removeEmptyGroups(): void {
    const { layout, engineId } = this.#options;
    for (const op of planRemoveEngineCgroups(layout, { parent: ENGINE_PARENT, engine: engineId })) {
      try {
        if (op.op === 'rmdir') rmdirSync(op.path);
      } catch {
        // In use, or not there: both are as they should be.
      }
    }
  }

  #container(
    request: StartRequest,
    run: {
      readonly started: MonitorControl['state'];
      readonly place: CgroupPlace;
      readonly exited: Promise<ExitRecord>;
      readonly control?: MonitorControl;
    },
  ): MonitoredContainer {
    const { pid, startTicks } = run.started;
    return new MonitoredContainer({
      ...run,
      stateDir: request.stateDir,
      runDir: request.runDir,
      planExec: (exec) => this.planExec(exec, { process: { pid, startTicks } }),
      nowNs: () => this.#options.clock.nowNs(),
      isClosed: () => this.#isClosed,
    });
  }

  #plan(request: StartRequest, cgroup: CgroupPlace): Plan {
    const { log } = request;
    return planContainer({
      spec: request.spec,
      root: request.root,
      stageDir: this.#options.stageDir,
      cgroup,
      monitor: {
        runDir: request.runDir,
        stateDir: request.stateDir,
        logKind: LOG_KINDS[log.kind],
        logMaxBytes: BigInt(log.segmentBytes),
        logMaxFiles: log.segments,
        openStdin: request.openStdin ? 1 : 0,
        stdinOnce: request.stdinOnce ? 1 : 0,
        expectedClients: request.expectedClients,
        startMs: START_MS,
        title: `carve-monitor ${request.id.slice(0, 12)}`,
      },
      init: request.init,
      network: request.network,
      features: this.#features,
      compileSeccomp: this.#compileSeccomp,
    });
  }

  #placeOf(spec: Spec): CgroupPlace {
    return placeCgroup(this.#options.layout, cgroupRequest(spec));
  }
}

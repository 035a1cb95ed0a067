/**
 * The contract of a runtime: one living container, from its plan to its exit
 * record. The embedded implementation (`chisel-runtime.ts`) drives the chisel;
 * others may drive an OCI runtime program. Knows no Docker word; its input is
 * the OCI runtime-spec configuration.
 *
 * Life: `start` → `RunningContainer` → `exited` resolves once, with the truth
 * from the exit record. After a restart of the daemon `adopt` finds it again.
 */

import type { Duplex } from 'node:stream';
import type { ContainerId, HostPath } from '../base/brand.ts';
import type { CgroupStats } from '../kernel/cgroup/stats.ts';
import type { ReservedPort } from '../kernel/monitor.ts';
import type { PlanOp } from '../kernel/plan/op.ts';
import type { LinuxResources } from '../spec/oci/resources.ts';
import type { Spec } from '../spec/oci/runtime.ts';

/** Where the container's root comes from; all directories exist and are carve's own. */
export type RootSource =
  | {
      readonly kind: 'overlay';
      /** Layer directories, top first. */
      readonly lower: readonly HostPath[];
      readonly upper: HostPath;
      readonly work: HostPath;
    }
  | { readonly kind: 'bind'; readonly path: HostPath };

/** The root that a running process sees. */
export interface ProcessRoot {
  readonly kind: 'process';
  readonly process: ProcessIdentity;
}

/** How output is kept. */
export interface LogSettings {
  /** `carve`: own segments; `json-file`: own segments and `json.log`; `none`: a spool that dies with the process. */
  readonly kind: 'none' | 'carve' | 'json-file';
  /** Bytes of one segment; default 20 MiB. */
  readonly segmentBytes: number;
  /** Count of segments kept; default 5. */
  readonly segments: number;
}

/** Ops of the network planner; they use the slots of `NETWORK_SLOTS` (`plan/builder.ts`). */
export interface NetworkOps {
  /** In the host's network namespace, before the container's process exists. */
  readonly before: readonly PlanOp[];
  /** In the container's network namespace, loopback already up. */
  readonly inside: readonly PlanOp[];
  /** When its process is gone, or could not be started; each by itself. */
  readonly after: readonly PlanOp[];
}

/** All a start needs. Pure data: the same request gives the same plan. */
export interface StartRequest {
  readonly id: ContainerId;
  readonly spec: Spec;
  readonly root: RootSource;
  /** Directory (0700) for log segments and the exit record; survives reboots. */
  readonly stateDir: HostPath;
  /** Directory (0700) for the monitor's socket; may vanish with the boot. */
  readonly runDir: HostPath;
  readonly log: LogSettings;
  /** Stdin stays open for attached clients. */
  readonly openStdin: boolean;
  /** The first stdin client's end of file closes stdin. */
  readonly stdinOnce: boolean;
  /** A tiny init runs as pid 1. */
  readonly init: boolean;
  /** Count of clients that will attach at once; output waits for them (10 s at most). */
  readonly expectedClients: number;
  /** What connects it; `undefined`: its network namespace has loopback only, or is another's. */
  readonly network: NetworkOps | undefined;
}

/** An exec into a running container. */
export interface ExecRequest {
  /** 1..2^31-1, unique for the life of the monitor. */
  readonly execNumber: number;
  /** The container's own spec: the exec is held to the same policy. */
  readonly spec: Spec;
  /** The process to run; replaces `spec.process`. */
  readonly process: NonNullable<Spec['process']>;
  readonly openStdin: boolean;
  /** Count of clients that will attach at once. */
  readonly expectedClients: number;
  /** Attach while it starts, which saves a turn; the result's `stream`. */
  readonly attach?: ExecStreams;
}

/** Which streams of an exec its first client wants. */
export type ExecStreams = Pick<AttachRequest, 'stdin' | 'stdout' | 'stderr' | 'lossless'>;

/** A process of the host, safe against pid reuse. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat, in clock ticks since boot. */
  readonly startTicks: bigint;
}

/** The truth about a process that is gone. */
export interface ExitRecord {
  /** 0..255; 128+n when killed by signal n. */
  readonly code: number;
  /** Number of the signal that killed it; 0: none. */
  readonly signal: number;
  readonly isOomKilled: boolean;
  /** Nanoseconds since the epoch. */
  readonly startedAtNs: bigint;
  /** Nanoseconds since the epoch. */
  readonly exitedAtNs: bigint;
  /** No monitor wrote it: nobody can tell it again. Default: one did. */
  readonly isUnrecorded?: boolean;
}

/** Which streams a client wants. */
export interface AttachRequest {
  /** `undefined`: the container's process; else an exec's number. */
  readonly execNumber?: number;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Replay the log before what comes new. */
  readonly logs: boolean;
  /** Hold the process back rather than lose output to a slow client (the foreground `run`). */
  readonly lossless: boolean;
}

/** Rows and columns of a terminal. */
export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** A started exec. `exited` resolves once and never rejects for a true exit. */
export interface RunningExec {
  readonly process: ProcessIdentity;
  readonly exited: Promise<ExitRecord>;
  /** Where the request asked for it and the runtime can. Errors as `attach`. */
  readonly stream?: Promise<Duplex>;
}

/** Options of every async call. */
export interface CallOptions {
  readonly signal?: AbortSignal;
}

/** Counters of one network interface. */
export interface InterfaceUsage {
  readonly name: string;
  readonly receivedBytes: bigint;
  /** Count of packets. */
  readonly receivedPackets: bigint;
  /** Count of packets. */
  readonly receiveErrors: bigint;
  /** Count of packets. */
  readonly receiveDrops: bigint;
  readonly sentBytes: bigint;
  /** Count of packets. */
  readonly sentPackets: bigint;
  /** Count of packets. */
  readonly sendErrors: bigint;
  /** Count of packets. */
  readonly sendDrops: bigint;
}

/** What a container uses at one moment. */
export interface ContainerUsage extends CgroupStats {
  /** Interfaces of its network namespace, loopback left out. */
  readonly interfaces: readonly InterfaceUsage[];
}

/** A container whose process runs under a monitor. */
export interface RunningContainer {
  readonly process: ProcessIdentity;
  readonly startedAtNs: bigint;
  /**
   * Resolves when the process is gone, its record is on disk and its cgroups
   * are removed. A lost monitor resolves too, with `code` 137 and the record
   * rebuilt as well as it can be.
   */
  readonly exited: Promise<ExitRecord>;
  /**
   * Raw bytes both ways. Without a console output is in Docker's stream
   * framing, with one it is plain. Ending the writable side is end of file of stdin.
   */
  attach(request: AttachRequest, options?: CallOptions): Promise<Duplex>;
  exec(request: ExecRequest, options?: CallOptions): Promise<RunningExec>;
  /** Errors: `wrong-state` when the process is gone. */
  signal(signal: number, target?: { readonly execNumber: number }): Promise<void>;
  resize(size: TerminalSize, target?: { readonly execNumber: number }): Promise<void>;
  /** Give back a host port that its `NetworkOps` reserved. Idempotent. */
  releasePort(port: ReservedPort): Promise<void>;
  /** Freeze or thaw every process of the container. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Host pids of all its processes. */
  pids(): Promise<readonly number[]>;
  /** What it uses now. Errors: `not-found` when it is gone. */
  usage(): Promise<ContainerUsage>;
  /** Change limits; what is absent stays. Errors: `invalid` where the kernel refuses a value, `unsupported`. */
  update(resources: LinuxResources): Promise<void>;
}

/** A root to be looked at while no process of its container runs. */
export interface HoldRequest extends Pick<StartRequest, 'id' | 'spec' | 'root'> {
  /**
   * True: what is written reaches the root; nobody else may use it meanwhile.
   * False: what is written is lost; others may.
   */
  readonly isWritable: boolean;
}

/** A root that a process of the runtime's sees mounted, with the spec's binds. */
export interface HeldRoot {
  readonly process: ProcessIdentity;
  /** Where the root is for that process. */
  readonly below: string;
  /** Unmount; resolves when it is gone. Idempotent. */
  release(): Promise<void>;
}

/** What runs containers. */
export interface Runtime {
  /** The plan `start` would run. Pure. */
  planStart(request: StartRequest): readonly PlanOp[];
  /** The plan `exec` would run; `process` identifies the container's process (its numbers may be 0 when only explained). */
  planExec(
    request: ExecRequest,
    container: { readonly id: ContainerId; readonly process: ProcessIdentity },
  ): readonly PlanOp[];
  /**
   * Start. Errors: `EngineError` with a kernel failure as cause; `details.exitCode`
   * is 127 (program not found), 126 (cannot be run) or 128. Nothing is left behind on failure.
   */
  start(request: StartRequest, options?: CallOptions): Promise<RunningContainer>;
  /**
   * Find a container that an earlier daemon started. A record when it is gone,
   * `undefined` when nothing is known (never started, or the machine rebooted without a record).
   */
  adopt(request: StartRequest): Promise<RunningContainer | ExitRecord | undefined>;
  /**
   * Read a file of a container, resolved inside its root; `undefined` when absent or not a regular file.
   * The root of one that does not run is mounted for the moment, in a mount namespace of its own.
   * Errors: `exhausted` above `maxBytes`.
   */
  readFile(
    place: RootSource | ProcessRoot,
    path: string,
    maxBytes: number,
  ): Promise<Uint8Array | undefined>;
  /** Mount a root for the moment. Errors: as `start`. */
  hold(request: HoldRequest): Promise<HeldRoot>;
  /**
   * Kill and remove what earlier daemons left of containers that are not in `keep`:
   * processes, control groups. Returns the names of what was found.
   */
  sweep(keep: ReadonlySet<string>): Promise<readonly string[]>;
  close(): Promise<void>;
}

/**
 * The contract of the engine: every operation, typed, with no HTTP in it. The
 * HTTP routes decode a request, call one operation, and encode its result; an
 * embedding program calls the same operations.
 *
 * A container reference (`ref`) is a full id, a name, or a unique id prefix,
 * looked up in that order. Every operation throws `EngineError`.
 */

import type { Duplex, Readable } from 'node:stream';
import type { ContainerId } from '../base/brand.ts';
import type {
  ContainerConfig,
  EndpointSettings,
  ExecConfig,
  HostConfig,
  Resources,
  RestartPolicy,
} from '../spec/docker/container.ts';
import type { ContainerInspect, ContainerSummary, ExecInspect } from '../spec/docker/inspect.ts';
import type {
  HistoryItem,
  ImageDeleteItem,
  ImageInspect,
  ImageSummary,
} from '../spec/docker/image.ts';
import type {
  NetworkCreateBody,
  NetworkCreated,
  NetworkInspect,
  NetworkSummary,
} from '../spec/docker/network.ts';
import type { EgressDenial } from '../spec/egress.ts';
import type { NetworkExposure } from '../spec/exposure.ts';
import type { GcReport, ImageTree } from '../spec/image-tree.ts';
import type { PathStat } from '../spec/docker/archive.ts';
import type { RegistryOperations } from './registry.ts';
import type { EngineEvent, SystemInfo, DiskUsage, ContainerStats } from '../spec/docker/system.ts';
import type { VolumeOperations } from './volumes/contract.ts';

/** Options of every async operation. */
export interface OperationOptions {
  readonly signal?: AbortSignal;
}

/** `{key: [values]}`; keys AND, values of one key OR (except `label`, where all must match). */
export type Filters = Readonly<Record<string, readonly string[]>>;

/** A request to create a container, in Docker's words, as the client sent it. */
export interface CreateContainer {
  /** Without the leading slash; `undefined`: one is made up. */
  readonly name?: string;
  /** `os/arch[/variant]`. */
  readonly platform?: string;
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  readonly endpoints: Readonly<Record<string, EndpointSettings | null>>;
}

/** A plan as data for people and programs: what would be done, in order. */
export interface ExplainedPlan {
  /** e.g. `start 0123456789ab (web)`. */
  readonly title: string;
  readonly steps: readonly {
    readonly index: number;
    readonly op: string;
    readonly text: string;
    readonly fields: object;
  }[];
}

/** How `wait` ends. Source: Engine API `/containers/{id}/wait`. */
export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

/** Result of `wait`. */
export interface WaitResult {
  /** Exit code, 0..255. */
  readonly statusCode: number;
  readonly error?: string;
}

/** An attached client's streams. */
export interface Attachment {
  /** `raw` with a console, `multiplexed` (Docker's stream framing) without. */
  readonly framing: 'raw' | 'multiplexed';
  /** Readable: output. Writable: stdin; its end is end of file. Destroying it detaches. */
  readonly stream: Duplex;
}

/** What an attach asks for. */
export interface AttachOptions extends OperationOptions {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Replay the log first. */
  readonly logs: boolean;
  /** Follow what comes. */
  readonly stream: boolean;
  /** Sequence that detaches; `undefined`: ctrl-p,ctrl-q. Console only. */
  readonly detachKeys?: string;
}

/** What `logs` asks for. */
export interface LogOptions extends OperationOptions {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly follow: boolean;
  readonly timestamps: boolean;
  readonly details: boolean;
  /** Nanoseconds since the epoch; `undefined`: no bound. */
  readonly sinceNs?: bigint;
  /** Nanoseconds since the epoch; `undefined`: no bound. */
  readonly untilNs?: bigint;
  /** Count of last lines; `undefined`: all. */
  readonly tail?: number;
}

/** Rows and columns of a terminal. */
export interface ConsoleSize {
  readonly rows: number;
  readonly columns: number;
}

/** Operations on containers. */
export interface ContainerOperations {
  create(
    request: CreateContainer,
    options?: OperationOptions,
  ): Promise<{ readonly id: ContainerId; readonly warnings: readonly string[] }>;
  /** `false` when it was running already. Errors carry `details.exitCode` 127, 126 or 128. */
  start(
    ref: string,
    options?: OperationOptions & { readonly detachKeys?: string },
  ): Promise<boolean>;
  /** `timeoutSeconds` negative: wait for ever; `undefined`: the container's own, else 10. `false` when it was not running. */
  stop(
    ref: string,
    options?: OperationOptions & { readonly signalName?: string; readonly timeoutSeconds?: number },
  ): Promise<boolean>;
  restart(
    ref: string,
    options?: OperationOptions & { readonly signalName?: string; readonly timeoutSeconds?: number },
  ): Promise<void>;
  kill(ref: string, signalName: string, options?: OperationOptions): Promise<void>;
  remove(
    ref: string,
    options?: OperationOptions & {
      readonly force?: boolean;
      readonly volumes?: boolean;
      readonly link?: boolean;
    },
  ): Promise<void>;
  /** Throws at once when the container is unknown; the returned promise settles when the condition is met. */
  wait(
    ref: string,
    condition: WaitCondition,
    options?: OperationOptions,
  ): { readonly result: Promise<WaitResult> };
  attach(ref: string, options: AttachOptions): Promise<Attachment>;
  /** Ready to send: framed unless the container has a console. */
  logs(
    ref: string,
    options: LogOptions,
  ): Promise<{
    readonly framing: 'raw' | 'multiplexed';
    readonly chunks: AsyncIterable<Uint8Array>;
  }>;
  resize(ref: string, size: ConsoleSize): Promise<void>;
  rename(ref: string, name: string): Promise<void>;
  pause(ref: string): Promise<void>;
  unpause(ref: string): Promise<void>;
  top(
    ref: string,
    psArgs: string,
  ): Promise<{
    readonly Titles: readonly string[];
    readonly Processes: readonly (readonly string[])[];
  }>;
  inspect(ref: string, options?: { readonly size?: boolean }): Promise<ContainerInspect>;
  list(options: {
    readonly all: boolean;
    /** Count of the newest ones. */
    readonly limit?: number;
    readonly size: boolean;
    readonly filters: Filters;
  }): Promise<readonly ContainerSummary[]>;
  update(
    ref: string,
    resources: Resources & { readonly RestartPolicy?: RestartPolicy | null },
  ): Promise<readonly string[]>;
  prune(
    filters: Filters,
  ): Promise<{ readonly deleted: readonly string[]; readonly spaceReclaimedBytes: number }>;
  /** One sample a second while iterated; `oneShot`: a single sample without its predecessor. */
  stats(
    ref: string,
    options: OperationOptions & { readonly stream: boolean; readonly oneShot: boolean },
  ): AsyncIterable<ContainerStats>;
  /** Paths changed against the image: 0 modified, 1 added, 2 deleted. */
  changes(ref: string): Promise<readonly { readonly Path: string; readonly Kind: 0 | 1 | 2 }[]>;
  /** The root file system as a tar stream, volumes excluded. */
  export(ref: string, options?: OperationOptions): Promise<Readable>;
  /**
   * One path of a container, running or not, volumes included; a symbolic link as such.
   * Errors: `not-found` (container, or `Could not find the file X in container Y`).
   */
  statPath(ref: string, path: string, options?: OperationOptions): Promise<PathStat>;
  /** The path and what is below it as a tar stream; its first entry is the base name (`.` for `/dir/.`). Errors as `statPath`. */
  readArchive(
    ref: string,
    path: string,
    options?: OperationOptions,
  ): Promise<{ readonly stat: PathStat; readonly archive: Readable }>;
  /**
   * Extract a tar stream, compressed or not, into an existing directory of the container.
   * Errors: `not-found`; `invalid` when the path is no directory, the target is read-only,
   * or (`keepKinds`) a directory would replace a file or the reverse.
   */
  writeArchive(
    ref: string,
    path: string,
    archive: Readable,
    options: OperationOptions & {
      /** Refuse to replace a directory by something else, and the reverse. */
      readonly keepKinds: boolean;
      /** Everything belongs to the container's user instead of the ids in the archive. */
      readonly ownByUser: boolean;
    },
  ): Promise<void>;
  /** The plan a create + start of this request would run; changes nothing. */
  planRun(request: CreateContainer): Promise<ExplainedPlan>;
  planStart(ref: string): Promise<ExplainedPlan>;
}

/** Operations on execs. Ids are 64 hex digits. */
export interface ExecOperations {
  create(ref: string, config: ExecConfig): Promise<{ readonly id: string }>;
  /** Starts it; with `detach` there is no attachment. Errors before the process runs carry `details.exitCode`. */
  start(
    id: string,
    options: OperationOptions & {
      readonly detach: boolean;
      readonly tty: boolean;
      readonly consoleSize?: ConsoleSize;
    },
  ): Promise<Attachment | undefined>;
  resize(id: string, size: ConsoleSize): Promise<void>;
  inspect(id: string): Promise<ExecInspect>;
  plan(ref: string, config: ExecConfig): Promise<ExplainedPlan>;
}

/** How far a step is. Source: Engine API `ProgressDetail`. */
export interface ProgressDetail {
  /** Bytes done. */
  readonly current?: number;
  /** Bytes to do. */
  readonly total?: number;
}

/** One step of a long image operation, as Docker's progress stream has it. Source: Engine API `JSONMessage`. */
export interface Progress {
  readonly id?: string;
  readonly status?: string;
  readonly stream?: string;
  readonly progressDetail?: ProgressDetail;
  readonly aux?: object;
}

/** Which platform an image must be for. Errors of what takes it: `not-found` when it is for another. */
export interface PlatformOption {
  /** `os/arch[/variant]`; `undefined`: any. */
  readonly platform?: string;
}

/** Operations on images. `ref`: id, short id, name, name:tag or name@digest. */
export interface ImageOperations {
  list(options: {
    readonly all: boolean;
    readonly filters: Filters;
    readonly digests: boolean;
    readonly sharedSize: boolean;
    /** Tell the manifests of every image. */
    readonly manifests?: boolean;
  }): Promise<readonly ImageSummary[]>;
  inspect(ref: string, options?: { readonly manifests?: boolean }): Promise<ImageInspect>;
  history(ref: string, options?: PlatformOption): Promise<readonly HistoryItem[]>;
  tag(ref: string, target: string): Promise<void>;
  /** `platform`: refuse an image of another one. */
  remove(
    ref: string,
    options: PlatformOption & { readonly force: boolean; readonly noPrune: boolean },
  ): Promise<readonly ImageDeleteItem[]>;
  load(archive: Readable, options?: OperationOptions & PlatformOption): AsyncIterable<Progress>;
  save(refs: readonly string[], options?: OperationOptions & PlatformOption): Promise<Readable>;
  /** From a stream, or from a URL that the engine downloads. */
  import(
    archive: Readable | { readonly url: string },
    options: OperationOptions & {
      readonly reference?: string;
      readonly message?: string;
      readonly changes: readonly string[];
      readonly platform?: string;
    },
  ): AsyncIterable<Progress>;
  /** Without tag and digest: every tag. */
  pull(
    reference: string,
    options: OperationOptions & { readonly platform?: string; readonly auth?: string },
  ): AsyncIterable<Progress>;
  push(
    reference: string,
    options: OperationOptions & PlatformOption & { readonly tag?: string; readonly auth?: string },
  ): AsyncIterable<Progress>;
  commit(
    ref: string,
    options: {
      readonly reference?: string;
      readonly message?: string;
      readonly author?: string;
      readonly pause: boolean;
      readonly changes: readonly string[];
      readonly config?: ContainerConfig;
    },
  ): Promise<{ readonly id: string }>;
  prune(filters: Filters): Promise<{
    readonly deleted: readonly ImageDeleteItem[];
    readonly spaceReclaimedBytes: number;
  }>;
  /** What layers images share, and what each would free. */
  tree(): Promise<ImageTree>;
  /** Removes what the operator's policy says, or says what it would. */
  collect(options: OperationOptions & { readonly isPlan: boolean }): Promise<GcReport>;
}

/** Operations on networks. `ref`: id, name, or unique id prefix, looked up in that order. */
export interface NetworkOperations {
  /** Errors: `conflict` name; `denied` overlapping subnet or predefined name; `not-found` driver; `exhausted` address pools. */
  create(request: NetworkCreateBody): Promise<NetworkCreated>;
  /** `scope`: only a network of it. */
  inspect(ref: string, options?: { readonly scope?: string }): Promise<NetworkInspect>;
  list(filters: Filters): Promise<readonly NetworkSummary[]>;
  /** Errors: `denied` for a predefined network and one that running containers are on. */
  remove(ref: string): Promise<void>;
  /** Names of those removed. */
  prune(filters: Filters): Promise<readonly string[]>;
  connect(
    ref: string,
    request: { readonly container: string; readonly settings: EndpointSettings },
  ): Promise<void>;
  /** `force`: also from a network that is gone. */
  disconnect(
    ref: string,
    request: { readonly container: string; readonly force: boolean },
  ): Promise<void>;
  /** What containers, or the one of `ref`, tried and might not; the newest first. Errors: `not-found`. */
  denials(ref: string | undefined): Promise<readonly EgressDenial[]>;
  /** Who reaches which port of running containers, or of the one of `ref`. Errors: `not-found`. */
  exposure(ref: string | undefined): Promise<NetworkExposure>;
}

/** Operations on the engine itself. */
export interface SystemOperations {
  info(): Promise<SystemInfo>;
  diskUsage(): Promise<DiskUsage>;
  /** Ask a registry whether it takes the credentials of a client's `AuthConfig`. Errors: `unauthorized`, `unavailable`, `invalid`. */
  login(auth: unknown): Promise<{ readonly Status: string; readonly IdentityToken: string }>;
  /** Past events only when `sinceNs` or `untilNs` is given; ends at `untilNs`, else when aborted. */
  events(
    options: OperationOptions & {
      readonly sinceNs?: bigint;
      readonly untilNs?: bigint;
      readonly filters: Filters;
    },
  ): AsyncIterable<EngineEvent>;
}

/** A running engine. */
export interface Engine {
  readonly containers: ContainerOperations;
  readonly execs: ExecOperations;
  readonly images: ImageOperations;
  readonly registries: RegistryOperations;
  readonly networks: NetworkOperations;
  readonly volumes: VolumeOperations;
  readonly system: SystemOperations;
  /** Containers run on; the store is closed. */
  close(): Promise<void>;
}

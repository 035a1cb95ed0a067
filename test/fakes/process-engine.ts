/**
 * An engine whose containers are plain processes of the host: no isolation, no
 * images, no files. It has real ids, states, streams, exit codes and events, so
 * real clients can be run against the HTTP server on any machine without rights.
 */

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import { Duplex } from 'node:stream';
import { parseContainerId } from '../../src/base/id.ts';
import { deferred, type Deferred } from '../../src/base/deferred.ts';
import { EngineError } from '../../src/base/error.ts';
import type {
  Attachment,
  ContainerOperations,
  CreateContainer,
  Engine,
  ExecOperations,
  ImageOperations,
  Progress,
  SystemOperations,
  WaitResult,
} from '../../src/engine/engine.ts';
import type { PathStat } from '../../src/spec/docker/archive.ts';
import type { ExecConfig } from '../../src/spec/docker/container.ts';
import type { ContainerInspect, ContainerStatus } from '../../src/spec/docker/inspect.ts';
import { encodeFrame } from '../../src/http/frame.ts';
import type { ContainerStats, EngineEvent } from '../../src/spec/docker/system.ts';
import { fakeEngine, sampleImage, sampleInfo, sampleInspect, sampleSummary } from './engine.ts';

type Stream = 'stdout' | 'stderr';

/** Output to a client. */
interface Sink {
  write(stream: Stream, bytes: Buffer): void;
  end(): void;
}

/** A running program and who listens to it. */
class Program {
  readonly #argv: readonly string[];
  readonly #sinks = new Set<Sink>();
  #child: ChildProcessWithoutNullStreams | undefined;
  /** Input that came before the start. */
  #early: (Buffer | undefined)[] = [];
  exitCode: number | undefined;
  readonly exited: Deferred<number> = deferred();

  constructor(argv: readonly string[]) {
    this.#argv = argv;
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  async start(): Promise<void> {
    const [file = '', ...args] = this.#argv;
    const child = spawn(file, args);
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', () => {
        this.exitCode = 127;
        const text = `exec: ${JSON.stringify(file)}: executable file not found in $PATH`;
        reject(new EngineError('invalid', text, { details: { exitCode: 127 } }));
      });
    });
    this.#child = child;
    child.stdin.on('error', () => undefined);
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream].on('data', (bytes: Buffer) => {
        for (const sink of this.#sinks) sink.write(stream, bytes);
      });
    }
    child.once('close', (code, signal) => this.#ended(code, signal));
    for (const bytes of this.#early.splice(0)) this.input(bytes);
  }

  /** `undefined`: end of file. */
  input(bytes: Buffer | undefined): void {
    if (this.#child === undefined) this.#early.push(bytes);
    else if (bytes === undefined) this.#child.stdin.end();
    else this.#child.stdin.write(bytes);
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  listen(sink: Sink): () => void {
    this.#sinks.add(sink);
    return () => this.#sinks.delete(sink);
  }

  /** A client's streams. */
  attach(how: {
    readonly tty: boolean;
    readonly stdin: boolean;
    readonly endsInput: boolean;
  }): Attachment {
    const stream = new Duplex({
      allowHalfOpen: true,
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        if (how.stdin) this.input(chunk);
        done();
      },
      final: (done) => {
        if (how.stdin && how.endsInput) this.input(undefined);
        done();
      },
    });
    const leave = this.listen({
      write: (name, bytes) => stream.push(how.tty ? bytes : encodeFrame(name, bytes)),
      end: () => stream.push(null),
    });
    stream.once('close', leave);
    return { framing: how.tty ? 'raw' : 'multiplexed', stream };
  }

  #ended(code: number | null, signal: NodeJS.Signals | null): void {
    this.#child = undefined;
    this.exitCode = code ?? (signal === 'SIGKILL' ? 137 : 143);
    this.letGo();
    this.exited.resolve(this.exitCode);
  }

  /** No more output for anyone. */
  letGo(): void {
    for (const sink of this.#sinks) sink.end();
    this.#sinks.clear();
  }
}

interface Box {
  readonly id: string;
  name: string;
  readonly request: CreateContainer;
  program: Program;
  status: ContainerStatus;
  readonly log: [Stream, Buffer][];
  nextExit: Deferred<WaitResult>;
  readonly removed: Deferred<WaitResult>;
}

interface Exec {
  readonly box: Box;
  readonly config: ExecConfig;
  readonly program: Program;
  isStarted: boolean;
}

function argvOf(command: readonly string[] | string | null | undefined): readonly string[] {
  return typeof command === 'string' ? [command] : (command ?? []);
}

/** See the module. */
export class ProcessEngine {
  readonly engine: Engine;
  readonly #boxes = new Map<string, Box>();
  readonly #execs = new Map<string, Exec>();
  readonly #events: EngineEvent[] = [];
  readonly #watchers = new Set<() => void>();

  constructor() {
    this.engine = fakeEngine({
      containers: { ...this.#life(), ...this.#facts() },
      execs: this.#execOperations(),
      images: this.#imageOperations(),
      system: this.#systemOperations(),
    });
  }

  /** Ends every process. */
  async close(): Promise<void> {
    for (const box of this.#boxes.values()) {
      box.program.signal('SIGKILL');
      if (box.program.isRunning) await box.program.exited.promise;
    }
  }

  #find(ref: string): Box {
    const name = ref.replace(/^\//, '');
    const found = [...this.#boxes.values()].find(
      (box) => box.id === name || box.name === name || box.id.startsWith(name),
    );
    if (found === undefined) throw new EngineError('not-found', `No such container: ${ref}`);
    return found;
  }

  #emit(box: Box, action: string, more: Readonly<Record<string, string>> = {}): void {
    const ms = Date.now();
    this.#events.push({
      Type: 'container',
      Action: action,
      Actor: {
        ID: box.id,
        Attributes: { image: box.request.config.Image ?? '', name: box.name, ...more },
      },
      scope: 'local',
      time: Math.floor(ms / 1000),
      timeNano: BigInt(ms) * 1_000_000n,
    });
    for (const wake of this.#watchers) wake();
  }

  #create(request: CreateContainer): string {
    if (request.config.Image === 'missing') {
      throw new EngineError('not-found', 'No such image: missing:latest');
    }
    const { name } = request;
    if (name !== undefined && [...this.#boxes.values()].some((box) => box.name === name)) {
      throw new EngineError(
        'conflict',
        `Conflict. The container name "/${name}" is already in use`,
      );
    }
    const id = `a${randomBytes(32).toString('hex').slice(1)}`;
    const box: Box = {
      id,
      name: name ?? `box_${id.slice(0, 8)}`,
      request,
      program: this.#programOf(request),
      status: 'created',
      log: [],
      nextExit: deferred(),
      removed: deferred(),
    };
    this.#boxes.set(id, box);
    this.#emit(box, 'create');
    return id;
  }

  #programOf({ config }: CreateContainer): Program {
    return new Program([...argvOf(config.Entrypoint), ...argvOf(config.Cmd)]);
  }

  async #start(box: Box): Promise<void> {
    if (box.program.exitCode !== undefined) box.program = this.#programOf(box.request);
    const { program } = box;
    program.listen({
      write: (stream, bytes) => box.log.push([stream, bytes]),
      end: () => undefined,
    });
    try {
      await program.start();
    } catch (error) {
      // As the engine does: who waits for the end or the removal is told.
      program.letGo();
      if (box.request.hostConfig.AutoRemove === true) this.#remove(box);
      throw error;
    }
    box.status = 'running';
    this.#emit(box, 'start');
    void program.exited.promise.then((statusCode) => {
      box.status = 'exited';
      this.#emit(box, 'die', { exitCode: String(statusCode) });
      const { nextExit } = box;
      box.nextExit = deferred();
      nextExit.resolve({ statusCode });
      if (box.request.hostConfig.AutoRemove === true) this.#remove(box);
    });
  }

  #remove(box: Box): void {
    this.#boxes.delete(box.id);
    this.#emit(box, 'destroy');
    box.removed.resolve({ statusCode: box.program.exitCode ?? 0 });
  }

  async #end(box: Box, signal: NodeJS.Signals): Promise<boolean> {
    if (!box.program.isRunning) return false;
    const { promise } = box.program.exited;
    box.program.signal(signal);
    await promise;
    return true;
  }

  #life(): Partial<ContainerOperations> {
    return {
      create: async (request) => ({ id: parseContainerId(this.#create(request)), warnings: [] }),
      start: async (ref) => {
        const box = this.#find(ref);
        if (box.program.isRunning) return false;
        await this.#start(box);
        return true;
      },
      stop: async (ref) => this.#end(this.#find(ref), 'SIGTERM'),
      kill: async (ref, signal) => {
        const box = this.#find(ref);
        if (!box.program.isRunning)
          throw new EngineError('wrong-state', `Container ${ref} is not running`);
        box.program.signal((signal.startsWith('SIG') ? signal : `SIG${signal}`) as NodeJS.Signals);
      },
      remove: async (ref, options) => {
        const box = this.#find(ref);
        if (box.program.isRunning && options?.force !== true) {
          throw new EngineError(
            'conflict',
            `cannot remove container "${box.name}": container is running`,
          );
        }
        await this.#end(box, 'SIGKILL');
        if (this.#boxes.has(box.id)) this.#remove(box);
      },
      rename: async (ref, name) => {
        this.#find(ref).name = name;
      },
      resize: async (ref) => {
        this.#find(ref);
      },
      wait: (ref, condition) => {
        const box = this.#find(ref);
        if (condition === 'removed') return { result: box.removed.promise };
        const isOver = condition === 'not-running' && !box.program.isRunning;
        return {
          result: isOver
            ? Promise.resolve({ statusCode: box.program.exitCode ?? 0 })
            : box.nextExit.promise,
        };
      },
      attach: async (ref, { stdin }) => {
        const { program, request } = this.#find(ref);
        const { Tty, OpenStdin, StdinOnce } = request.config;
        return program.attach({
          tty: Tty === true,
          stdin: stdin && OpenStdin === true,
          endsInput: StdinOnce === true && Tty !== true,
        });
      },
    };
  }

  #facts(): Partial<ContainerOperations> {
    return {
      inspect: async (ref) => this.#inspect(this.#find(ref)),
      list: async ({ all, filters }) =>
        [...this.#boxes.values()]
          .filter((box) => all || box.program.isRunning)
          .filter((box) => filters['name'] === undefined || filters['name'].includes(box.name))
          .map((box) => ({
            ...sampleSummary,
            Id: box.id,
            Names: [`/${box.name}`],
            Image: box.request.config.Image ?? '',
            Labels: box.request.config.Labels ?? {},
            State: box.status,
            Status: box.status,
          })),
      logs: async (ref, options) => {
        const box = this.#find(ref);
        const tty = box.request.config.Tty === true;
        return { framing: tty ? 'raw' : 'multiplexed', chunks: logOf(box, options) };
      },
      stats: (ref, options) => samples(this.#find(ref), options),
      top: async () => ({ Titles: ['PID', 'CMD'], Processes: [['1', 'sh']] }),
      statPath: async (_ref, path) => statOf(path),
      readArchive: async (_ref, path) => ({
        stat: statOf(path),
        archive: spawn('tar', ['-C', '/', '-cf', '-', path.slice(1)]).stdout,
      }),
    };
  }

  #inspect(box: Box): ContainerInspect {
    const isRunning = box.program.isRunning;
    return {
      ...sampleInspect,
      Id: box.id,
      Name: `/${box.name}`,
      State: {
        ...sampleInspect.State,
        Status: box.status,
        Running: isRunning,
        Pid: box.program.pid,
        ExitCode: box.program.exitCode ?? 0,
      },
      Config: box.request.config,
      HostConfig: box.request.hostConfig,
    };
  }

  #exec(id: string): Exec {
    const exec = this.#execs.get(id);
    if (exec === undefined) throw new EngineError('not-found', `No such exec instance: ${id}`);
    return exec;
  }

  #execOperations(): Partial<ExecOperations> {
    return {
      create: async (ref, config) => {
        const box = this.#find(ref);
        if (!box.program.isRunning)
          throw new EngineError('wrong-state', `container ${box.id} is not running`);
        const id = randomBytes(32).toString('hex');
        this.#execs.set(id, {
          box,
          config,
          program: new Program(argvOf(config.Cmd)),
          isStarted: false,
        });
        return { id };
      },
      start: async (id, { detach, tty }) => {
        const exec = this.#exec(id);
        if (exec.isStarted)
          throw new EngineError('conflict', `Error: Exec command ${id} has already run`);
        exec.isStarted = true;
        const attachment = detach
          ? undefined
          : exec.program.attach({ tty, stdin: exec.config.AttachStdin === true, endsInput: !tty });
        await exec.program.start();
        return attachment;
      },
      resize: async (id) => {
        this.#exec(id);
      },
      inspect: async (id) => {
        const { box, config, program } = this.#exec(id);
        return {
          ID: id,
          Running: program.isRunning,
          ExitCode: program.exitCode ?? null,
          ProcessConfig: {
            tty: config.Tty === true,
            entrypoint: '',
            arguments: [],
            privileged: false,
          },
          OpenStdin: config.AttachStdin === true,
          OpenStderr: true,
          OpenStdout: true,
          CanRemove: false,
          ContainerID: box.id,
          DetachKeys: config.DetachKeys ?? '',
          Pid: program.pid,
        };
      },
    };
  }

  #imageOperations(): Partial<ImageOperations> {
    const sizeOf = async function* (archive: Readable): AsyncGenerator<Progress> {
      let bytes = 0;
      for await (const piece of archive) bytes += Buffer.isBuffer(piece) ? piece.length : 0;
      yield { stream: `Loaded image: ${bytes}:latest\n` };
    };
    return {
      inspect: async (ref) => {
        if (ref.startsWith('missing')) throw new EngineError('not-found', `No such image: ${ref}`);
        return sampleImage;
      },
      load: sizeOf,
      import: async function* (archive, { reference }) {
        if ('url' in archive) throw new EngineError('unavailable', 'The test has no web');
        for await (const { stream } of sizeOf(archive))
          yield { status: `${reference ?? ''} ${stream?.trim() ?? ''}` };
      },
      save: async () => spawn('tar', ['-C', '/etc', '-cf', '-', 'hostname']).stdout,
      pull: async function* () {
        yield { status: 'Pulling from library/missing', id: 'latest' };
        throw new EngineError(
          'not-found',
          'manifest for missing:latest not found: manifest unknown',
        );
      },
    };
  }

  #systemOperations(): Partial<SystemOperations> {
    const events = this.#events;
    const watchers = this.#watchers;
    return {
      info: async () => sampleInfo,
      events: async function* ({ sinceNs, untilNs, signal }) {
        let at = sinceNs === undefined ? events.length : 0;
        const ends = (): boolean =>
          signal?.aborted === true ||
          (untilNs !== undefined && BigInt(Date.now()) * 1_000_000n >= untilNs);
        for (;;) {
          for (; at < events.length; at += 1) {
            const event = events[at];
            if (event !== undefined) yield event;
          }
          if (ends()) return;
          await changed(watchers, signal, untilNs);
        }
      },
    };
  }
}

/** Only what is below /etc exists. */
function statOf(path: string): PathStat {
  if (!path.startsWith('/etc')) {
    throw new EngineError('not-found', `Could not find the file ${path}`);
  }
  const name = path.slice(path.lastIndexOf('/') + 1);
  return { name, size: 2, mode: 0o644, mtime: '2026-11-23T10:00:00Z', linkTarget: '' };
}

/** Waits for an event, the client's end, or the time. */
async function changed(
  watchers: Set<() => void>,
  signal: AbortSignal | undefined,
  untilNs: bigint | undefined,
): Promise<void> {
  await new Promise<void>((resolve) => {
    const wake = (): void => {
      watchers.delete(wake);
      resolve();
    };
    watchers.add(wake);
    signal?.addEventListener('abort', wake, { once: true });
    if (untilNs !== undefined) setTimeout(wake, Number(untilNs / 1_000_000n) - Date.now());
  });
}

async function* logOf(
  box: Box,
  options: {
    readonly stdout: boolean;
    readonly stderr: boolean;
    readonly follow: boolean;
    readonly signal?: AbortSignal;
  },
): AsyncGenerator<Uint8Array> {
  const tty = box.request.config.Tty === true;
  const queue: (Uint8Array | undefined)[] = [];
  let wake = (): void => undefined;
  const push = (stream: Stream, bytes: Buffer): void => {
    if (options[stream]) queue.push(tty ? bytes : encodeFrame(stream, bytes));
    wake();
  };
  for (const [stream, bytes] of box.log) push(stream, bytes);
  const end = (): void => {
    queue.push(undefined);
    wake();
  };
  const leave =
    options.follow && box.program.isRunning ? box.program.listen({ write: push, end }) : undefined;
  if (leave === undefined) end();
  options.signal?.addEventListener('abort', end, { once: true });
  try {
    for (;;) {
      if (queue.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      const piece = queue.shift();
      if (piece === undefined) return;
      yield piece;
    }
  } finally {
    leave?.();
  }
}

async function* samples(
  box: Box,
  options: { readonly stream: boolean; readonly signal?: AbortSignal },
): AsyncGenerator<ContainerStats> {
  const cpu = {
    cpu_usage: { total_usage: 1000n, usage_in_kernelmode: 0n, usage_in_usermode: 1000n },
    system_cpu_usage: 100_000n,
    online_cpus: 2,
    throttling_data: { periods: 0n, throttled_periods: 0n, throttled_time: 0n },
  };
  do {
    yield {
      name: `/${box.name}`,
      id: box.id,
      read: '2026-11-23T10:00:00Z',
      preread: '0001-01-01T00:00:00Z',
      pids_stats: { current: 1n },
      num_procs: 0,
      storage_stats: {},
      cpu_stats: cpu,
      precpu_stats: cpu,
      memory_stats: { usage: 1_048_576n, limit: 2_097_152n, stats: {} },
      blkio_stats: {
        io_service_bytes_recursive: [],
        io_serviced_recursive: null,
        io_queue_recursive: null,
        io_service_time_recursive: null,
        io_wait_time_recursive: null,
        io_merged_recursive: null,
        io_time_recursive: null,
        sectors_recursive: null,
      },
    };
    if (options.stream) await new Promise((resolve) => setTimeout(resolve, 200));
  } while (options.stream && options.signal?.aborted !== true);
}

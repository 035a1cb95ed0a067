/**
 * A daemon of its own, as a process to be killed, starved and started again;
 * its API and its command line.
 *
 * **Invariant:** when a fixture is disposed nothing that it made is left.
 */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeRootfs, packFolder } from '../../bench/rootfs.ts';
import { type ChildResult, runChild } from '../../scripts/child.ts';
import { ROOT, TOOLS } from '../../scripts/tools.ts';

/** The words up to the verb. */
export const CARVE: readonly string[] = [TOOLS.bun, join(ROOT, 'src/bin.ts')];

/** An answer of the API. */
export interface Answer {
  readonly status: number;
  readonly text: string;
  /** The body as JSON; `undefined` when it is none. */
  readonly json: unknown;
}

/** Text that goes out as JSON, whether it is any or not. */
export class RawJson {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** How to make one. */
export interface DaemonOptions {
  /** Default: below the fixture's own folder. */
  readonly root?: string;
  readonly run?: string;
  /** Words in front of the daemon's, e.g. `prlimit --nofile=64`. */
  readonly wrapper?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Words in front of every daemon of the fixture, e.g. `nsenter -t PID -n`. */
  readonly inside?: readonly string[];
  /** Words behind the daemon's, of every daemon of the fixture, e.g. `--gc FILE`. */
  readonly flags?: readonly string[];
}

/** A daemon, or the place of one that is dead. */
export class DaemonFixture implements AsyncDisposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'carve-faults-'));
  readonly root: string;
  readonly run: string;
  /** Names its control groups; empty until it is open. */
  engineId = '';
  /** How long the first daemon took until it answered, in milliseconds. */
  firstStartMs = 0;
  /** What its daemons wrote to stderr. */
  log = '';
  #daemon: ChildProcess | undefined;
  readonly #flags: readonly string[];
  readonly #inside: readonly string[];

  constructor(options: Pick<DaemonOptions, 'root' | 'run' | 'flags' | 'inside'> = {}) {
    this.#flags = options.flags ?? [];
    this.#inside = options.inside ?? [];
    this.root = options.root ?? join(this.folder, 'root');
    this.run = options.run ?? join(this.folder, 'run');
  }

  /** A started one with the image `bb`. */
  static async open(options: DaemonOptions = {}): Promise<DaemonFixture> {
    const fixture = new DaemonFixture(options);
    try {
      fixture.firstStartMs = await fixture.start(options);
      await fixture.importBusybox();
      const { json } = await fixture.api('GET', '/info');
      fixture.engineId = (json as { ID: string }).ID;
      return fixture;
    } catch (error) {
      await fixture[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Runs `body` with a started one; afterwards, what is left of it on the machine. */
  static async using(
    body: (engine: DaemonFixture) => Promise<void>,
    options: DaemonOptions = {},
  ): Promise<readonly string[]> {
    let left: () => readonly string[];
    {
      await using engine = await DaemonFixture.open(options);
      left = () => leaksOf(engine);
      await body(engine);
    }
    await until('it is gone', () => left().length === 0, 3000).catch(() => undefined);
    return left();
  }

  get socket(): string {
    return join(this.folder, 'carve.sock');
  }

  get pid(): number {
    const pid = this.#daemon?.pid;
    assert.ok(pid !== undefined, 'no daemon runs');
    return pid;
  }

  /** Starts the daemon; how long until it answered, in milliseconds. */
  async start(options: Pick<DaemonOptions, 'wrapper' | 'env'> = {}): Promise<number> {
    const beganMs = performance.now();
    const places = ['--root', this.root, '--run', this.run, '--host', `unix://${this.socket}`];
    const words = ['daemon', ...places, ...this.#flags];
    const front = [...this.#inside, ...(options.wrapper ?? [])];
    const [program = '', ...args] = [...front, ...CARVE, ...words];
    const daemon = spawn(program, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...options.env },
    });
    this.#daemon = daemon;
    const from = this.log.length;
    await new Promise<void>((resolve, reject) => {
      daemon.stderr.setEncoding('utf8').on('data', (text: string) => {
        this.log += text;
        if (/ ready /.test(this.log.slice(from))) resolve();
      });
      daemon.once('error', reject);
      daemon.once('exit', (code, signal) => {
        reject(new Error(`the daemon ended (${code ?? signal}): ${this.log.slice(from)}`));
      });
    });
    return performance.now() - beganMs;
  }

  /** Ends the daemon and waits until it is gone. */
  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const daemon = this.#daemon;
    this.#daemon = undefined;
    if (daemon === undefined || daemon.exitCode !== null || daemon.signalCode !== null) return;
    const ended = once(daemon, 'exit');
    daemon.kill(signal);
    await ended;
  }

  /** Whether the daemon that was started is still the one that runs. */
  isAlive(): boolean {
    return this.#daemon?.exitCode === null && this.#daemon.signalCode === null;
  }

  /** Runs a command line against this engine. */
  carve(...args: string[]): Promise<ChildResult> {
    return runChild([...CARVE, '--host', `unix://${this.socket}`, ...args]);
  }

  /** One request; a string or bytes are sent as they are, anything else as JSON. */
  api(method: string, path: string, body?: unknown): Promise<Answer> {
    const isRaw = typeof body === 'string' || body instanceof Uint8Array;
    const text = body instanceof RawJson ? body.text : JSON.stringify(body);
    const bytes = body === undefined ? '' : isRaw ? body : text;
    return new Promise((resolve, reject) => {
      const type = isRaw ? 'application/x-tar' : 'application/json';
      const headers = { 'content-type': type, 'content-length': Buffer.byteLength(bytes) };
      const ask = request(
        { socketPath: this.socket, method, path, headers, agent: false },
        (answer) => {
          let answered = '';
          answer.setEncoding('utf8').on('data', (chunk: string) => (answered += chunk));
          answer.on('error', reject);
          answer.on('end', () => {
            resolve({ status: answer.statusCode ?? 0, text: answered, json: jsonOf(answered) });
          });
        },
      );
      ask.on('error', reject);
      ask.setTimeout(15_000, () => ask.destroy(new Error(`${method} ${path}: no answer`)));
      ask.end(bytes);
    });
  }

  /** A connection on which `head` was sent. */
  async raw(head: string): Promise<Socket> {
    const socket = connect(this.socket);
    const settled = once(socket, 'connect').catch(() => undefined);
    socket.on('error', () => undefined);
    await settled;
    socket.write(head);
    return socket;
  }

  /** Creates a container of `bb`; its id. */
  async create(name: string, cmd: readonly string[], more: object = {}): Promise<string> {
    const body = { Image: 'bb', Cmd: cmd, HostConfig: { NetworkMode: 'none' }, ...more };
    const answer = await this.api('POST', `/containers/create?name=${name}`, body);
    assert.equal(answer.status, 201, answer.text);
    return (answer.json as { Id: string }).Id;
  }

  async startContainer(id: string): Promise<void> {
    const { status, text } = await this.api('POST', `/containers/${id}/start`);
    assert.ok(status === 204 || status === 304, `${status} ${text}`);
  }

  /** What `inspect` says of its state. */
  async state(id: string): Promise<ContainerStateAnswer> {
    const answer = await this.api('GET', `/containers/${id}/json`);
    assert.equal(answer.status, 200, answer.text);
    return (answer.json as { State: ContainerStateAnswer }).State;
  }

  /** Its log as it is now, both streams in one, without framing (for containers with a terminal) or with. */
  async logLines(id: string): Promise<readonly string[]> {
    const { stdout } = await this.carve('logs', id);
    return stdout.split('\n').filter((line) => line !== '');
  }

  async list(): Promise<readonly { readonly Id: string; readonly State: string }[]> {
    const { json } = await this.api('GET', '/containers/json?all=1');
    return json as readonly { readonly Id: string; readonly State: string }[];
  }

  /** Names below its root and run directories that a container or a half-made image owns. */
  leftovers(): readonly string[] {
    const places = ['root/containers', 'root/snapshots/snapshots', 'root/ingest', 'run/c'];
    return places.flatMap((place) => {
      const path = place.startsWith('run') ? join(this.run, 'c') : join(this.root, place.slice(5));
      if (!existsSync(path)) return [];
      return readdirSync(path)
        .filter((name) => !name.startsWith('.'))
        .map((name) => `${place}/${name}`);
    });
  }

  /** Imports a busybox root as the image `bb`. */
  async importBusybox(): Promise<void> {
    const { code, output } = await this.carve('import', await this.busyboxTar(), 'bb');
    assert.equal(code, 0, output);
  }

  /** The archive of a busybox root. */
  async busyboxTar(): Promise<string> {
    const tar = join(this.folder, 'rootfs.tar');
    if (existsSync(tar)) return tar;
    const root = join(this.folder, 'rootfs');
    mkdirSync(root);
    makeRootfs(root);
    await packFolder(root, tar);
    return tar;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (existsSync(`${this.root}/state.db`)) {
        // A new one: what the test did to the old one must not keep its containers.
        await this.end('SIGKILL');
        await this.start();
        for (const { Id } of await this.list()) {
          await this.api('DELETE', `/containers/${Id}?force=1&v=1`);
        }
      }
    } finally {
      await this.end('SIGTERM');
      rmSync(this.folder, { recursive: true, force: true });
    }
  }
}

/** Processes, mounts and groups that belong to an engine. */
export function leaksOf(engine: DaemonFixture): readonly string[] {
  const { folder, engineId } = engine;
  const processes = readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid || isGone(Number(pid))) return false;
    return readText(`/proc/${pid}/cmdline`).includes(folder);
  });
  const mounts = readText('/proc/self/mountinfo').split('\n');
  const groups = mounts
    .filter((line) => / - cgroup2? /.test(line))
    .flatMap((line) =>
      [engineId, `${engineId}.devices`].map((id) => `${line.split(' ')[4]}/carve/${id}`),
    )
    .filter((path) => engineId !== '' && existsSync(path));
  return [
    ...processes.map(
      (pid) => `process ${pid}: ${readText(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')}`,
    ),
    ...mounts.filter((line) => line.includes(folder)),
    ...groups,
    ...(existsSync(folder) ? [folder] : []),
  ];
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** The part of `State` that the tests read. */
export interface ContainerStateAnswer {
  readonly Status: string;
  readonly Running: boolean;
  readonly Pid: number;
  readonly ExitCode: number;
  readonly OOMKilled: boolean;
  readonly FinishedAt: string;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Pid of the parent of a process: of a container's first process, its monitor. */
export function parentOf(pid: number): number {
  return Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** Settles when `holds` does; asks every 10 ms. Rejects with `what` after `patienceMs`. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  patienceMs = 10_000,
): Promise<void> {
  const endMs = performance.now() + patienceMs;
  while (!(await holds())) {
    assert.ok(performance.now() < endMs, `never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Gone, or a zombie that its new parent has not looked at yet. */
export function isGone(pid: number): boolean {
  try {
    return /^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return true;
  }
}

/** A real engine over fakes: real state and snapshots in a temporary directory, a made-up world of processes. */

import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostPath } from '../../src/base/host-path.ts';
import type { Failpoints } from '../../src/base/failpoint.ts';
import { noFailpoints } from '../../src/base/failpoint.ts';
import type { Log } from '../../src/base/log.ts';
import type { Engine } from '../../src/engine/engine.ts';
import type { LogLine } from '../../src/engine/log-reader.ts';
import { openEngine } from '../../src/engine/open.ts';
import { openDatabase } from '../../src/engine/state/database.ts';
import { MIGRATIONS } from '../../src/engine/state/schema.ts';
import type { ContainerConfig, HostConfig } from '../../src/spec/docker/container.ts';
import type { EngineEvent } from '../../src/spec/docker/system.ts';
import { type GcPolicy, KEEP_ALL_POLICY } from '../../src/images/gc/policy.ts';
import { predefinedNetworks } from '../../src/network/predefined.ts';
import { SqliteNetworks } from '../../src/network/sqlite.ts';
import { DiskSnapshotStore } from '../../src/snapshots/disk.ts';
import { DiskVolumes } from '../../src/volumes/disk.ts';
import { ManualClock } from './clock.ts';
import { FakeFabric } from './fabric.ts';
import { fakeNames } from './names.ts';
import { FakeCopies } from './copies.ts';
import { FakeFiles } from './files.ts';
import { testHost } from './host.ts';
import { fakeImage, fakeImages } from './images.ts';
import { FakeRuntime, fakeWorld } from './runtime.ts';
import type { FakeProcess, FakeWorld } from './runtime.ts';
import { noRegistries } from './remote.ts';

/** What a test may replace. */
export interface RigOptions {
  readonly failpoints?: Failpoints;
  readonly images?: Parameters<typeof fakeImages>[0];
  readonly gcPolicy?: GcPolicy;
}

/** An engine and everything around it. */
export class Rig {
  readonly directory: string;
  readonly clock: ManualClock = new ManualClock();
  readonly world: FakeWorld = fakeWorld();
  readonly warnings: string[] = [];
  readonly events: EngineEvent[] = [];
  readonly logLines: LogLine[] = [];
  runtime: FakeRuntime = new FakeRuntime(this.world);
  readonly files: FakeFiles = new FakeFiles();
  /** May be replaced before `open`. */
  fabric: FakeFabric = new FakeFabric();
  readonly copies: FakeCopies = new FakeCopies();
  #engine: Engine | undefined;
  #events = new AbortController();

  /** `directory`: of an earlier rig; default a new one. */
  constructor(directory: string = mkdtempSync(join(tmpdir(), 'carve-engine-'))) {
    this.directory = directory;
  }

  get engine(): Engine {
    if (this.#engine === undefined) throw new Error('the engine is not open');
    return this.#engine;
  }

  get root(): string {
    return `${this.directory}/root`;
  }

  get run(): string {
    return `${this.directory}/run`;
  }

  async open(options: RigOptions = {}): Promise<Engine> {
    for (const path of [this.root, this.run]) mkdirSync(path, { recursive: true, mode: 0o711 });
    const warn = (message: string, facts: object = {}): void =>
      void this.warnings.push(`${message} ${JSON.stringify(facts)}`);
    const log: Log = { debug: () => undefined, info: () => undefined, warn, error: warn };
    const database = openDatabase({
      path: hostPath(`${this.root}/state.db`),
      migrations: MIGRATIONS,
      describeOwner: () => 'another test',
    });
    this.runtime = new FakeRuntime(this.world);
    const snapshots = DiskSnapshotStore.open({
      root: hostPath(`${this.root}/snapshots`),
      bootId: 'boot',
      remove: async (directory) => rm(directory, { recursive: true, force: true }),
      measure: async () => ({ sizeBytes: 42, entries: 1 }),
    });
    const { clock } = this;
    const engineId = 'e'.repeat(32);
    const predefined = predefinedNetworks(engineId, clock.nowNs());
    this.#engine = await openEngine({
      database,
      version: '0.0.0-test',
      engineId,
      paths: { root: hostPath(this.root), run: hostPath(this.run) },
      host: testHost,
      gcPolicy: options.gcPolicy ?? KEEP_ALL_POLICY,
      clock,
      log,
      failpoints: options.failpoints ?? noFailpoints,
      randomHex: () => randomBytes(32).toString('hex'),
      runtime: this.runtime,
      images: fakeImages(options.images ?? [fakeImage('busybox')]),
      remote: noRegistries,
      snapshots,
      trees: {
        open: async () => {
          throw new Error('the test has no trees');
        },
        remove: async () => undefined,
        measure: async () => ({ sizeBytes: 0, entries: 0 }),
      },
      copies: this.copies,
      files: this.files,
      networks: new SqliteNetworks({ database, predefined }),
      fabric: this.fabric,
      names: fakeNames(),
      volumes: new DiskVolumes({
        root: hostPath(`${this.root}/volumes`),
        database,
        clock,
        log,
        remove: async (path) => rm(path, { recursive: true, force: true }),
      }),
      logs: {
        read: async function* (this: Rig): AsyncGenerator<readonly LogLine[]> {
          yield this.logLines;
        }.bind(this),
      },
    });
    await this.#collectEvents();
    return this.#engine;
  }

  /** Close it; processes live on. */
  async close(): Promise<void> {
    this.#events.abort();
    await this.#engine?.close();
    this.#engine = undefined;
  }

  /** Close and open again, as a restarted daemon. */
  async reopen(options: RigOptions = {}): Promise<Engine> {
    await this.close();
    return this.open(options);
  }

  async dispose(): Promise<void> {
    await this.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** Create a container of the made-up image. */
  async create(
    config: ContainerConfig = {},
    hostConfig: HostConfig = {},
    name?: string,
  ): Promise<string> {
    const { id } = await this.engine.containers.create({
      ...(name === undefined ? {} : { name }),
      config: { Image: 'busybox', ...config },
      hostConfig: { NetworkMode: 'none', ...hostConfig },
      endpoints: {},
    });
    return id;
  }

  /** The process of a container. */
  process(id: string): FakeProcess {
    const process = this.world.processes.get(id);
    if (process === undefined) throw new Error(`container ${id} has no process`);
    return process;
  }

  /** Actions of container events so far, in order. */
  get actions(): readonly string[] {
    return this.events.filter((event) => event.Type === 'container').map((event) => event.Action);
  }

  async #collectEvents(): Promise<void> {
    this.#events = new AbortController();
    const stream = this.engine.system.events({ filters: {}, signal: this.#events.signal });
    void (async () => {
      for await (const event of stream) this.events.push(event);
    })();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** An open rig. */
export async function openRig(options: RigOptions = {}): Promise<Rig> {
  const rig = new Rig();
  await rig.open(options);
  return rig;
}

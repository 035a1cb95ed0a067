/**
 * An engine over the real kernel: chisel, monitors, overlay roots; only the
 * image store is made up, with one image of a busybox.
 *
 * **Invariant:** when a fixture is disposed nothing that it made is left.
 */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import type { ChainId, Digest } from '../../src/base/brand.ts';
import { systemClock } from '../../src/base/clock.ts';
import type { Failpoints } from '../../src/base/failpoint.ts';
import { noFailpoints } from '../../src/base/failpoint.ts';
import { hostPath } from '../../src/base/host-path.ts';
import { EngineError } from '../../src/base/error.ts';
import type { Log } from '../../src/base/log.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { openEngine } from '../../src/engine/open.ts';
import { hostMachine, readHost } from '../../src/engine/read-host.ts';
import { openDatabase } from '../../src/engine/state/database.ts';
import { MIGRATIONS } from '../../src/engine/state/schema.ts';
import type { ImageRecord } from '../../src/images/store.ts';
import { KEEP_ALL_POLICY } from '../../src/images/gc/policy.ts';
import { unifiedMount } from '../../src/kernel/cgroup/layout.ts';
import { probeFeatures } from '../../src/kernel/features.ts';
import { type Chisel, openChisel } from '../../src/kernel/chisel.ts';
import { planRemoveEngineCgroups } from '../../src/kernel/cgroup/setup.ts';
import { createNameService } from '../../src/network/dns/service.ts';
import { KernelFabric } from '../../src/network/kernel-fabric.ts';
import { predefinedNetworks } from '../../src/network/predefined.ts';
import { SqliteNetworks } from '../../src/network/sqlite.ts';
import { openChiselRuntime } from '../../src/runtime/chisel-runtime.ts';
import { ChiselCopies } from '../../src/layers/chisel-copies.ts';
import { ChiselFiles } from '../../src/layers/chisel-files.ts';
import { ChiselWalker } from '../../src/layers/chisel-walk.ts';
import { readLogBatches } from '../../src/runtime/log/read.ts';
import { DiskSnapshotStore } from '../../src/snapshots/disk.ts';
import type { ContainerConfig, HostConfig } from '../../src/spec/docker/container.ts';
import { decodeStreamFrames } from '../../src/spec/stream-frame.ts';
import { DiskVolumes } from '../../src/volumes/disk.ts';
import { fakeImage, fakeImages } from '../fakes/images.ts';
import { noRegistries } from '../fakes/remote.ts';

/** The executable under test. */
export const CHISEL_PATH: string =
  process.env['CARVE_CHISEL'] ?? resolve(import.meta.dirname, '../../build/chisel');

const CHAIN = `sha256:${'b'.repeat(64)}` as ChainId;
const SECOND = `sha256:${'e'.repeat(64)}` as ChainId;
const APPLETS = [
  'sh',
  'cat',
  'echo',
  'sleep',
  'true',
  'false',
  'id',
  'ls',
  'ps',
  'kill',
  'hostname',
  'env',
  'dd',
  'stty',
  'touch',
  'mount',
  'head',
  'yes',
  'seq',
  'nproc',
  'stat',
  'ip',
  'tty',
  'rm',
  'mkdir',
  'sync',
  'test',
  'wc',
  'trap',
  'adduser',
  'grep',
];

/** An engine and its directories. */
export class EngineFixture {
  readonly directory: string;
  readonly engineId: string;
  readonly warnings: string[] = [];
  /** There is an image `layered` too, with a second layer. Set it before `open`. */
  hasLayered = false;
  /** As on a kernel before 6.9, whose tables know no owners. Set it before `open`. */
  hasTableOwners = true;
  /** Changes of the tables that decide what passes, count. */
  tableChanges = 0;
  /** The host's, as the name server reads it. */
  resolvConfPath = '/etc/resolv.conf';
  #engine: Engine | undefined;

  /** `place`: that of another fixture, in this process or another. */
  constructor(place?: { readonly directory: string; readonly engineId: string }) {
    this.directory = place?.directory ?? mkdtempSync(join(tmpdir(), 'carve-kernel-'));
    this.engineId = place?.engineId ?? randomBytes(16).toString('hex');
    const { directory } = this;
    for (const name of ['root', 'run'])
      mkdirSync(join(directory, name), { recursive: true, mode: 0o711 });
  }

  get engine(): Engine {
    if (this.#engine === undefined) throw new Error('the engine is not open');
    return this.#engine;
  }

  async open(failpoints: Failpoints = noFailpoints): Promise<Engine> {
    const root = hostPath(join(this.directory, 'root'));
    const run = hostPath(join(this.directory, 'run'));
    const clock = systemClock();
    const warn = (message: string, facts: object = {}): void =>
      void this.warnings.push(`${message} ${JSON.stringify(facts)}`);
    const log: Log = { debug: () => undefined, info: () => undefined, warn, error: warn };
    const features = probeFeatures();
    const database = openDatabase({
      path: hostPath(`${root}/state.db`),
      migrations: MIGRATIONS,
      describeOwner: () => 'another process',
    });
    const snapshots = DiskSnapshotStore.open({
      root: hostPath(`${root}/snapshots`),
      bootId: 'test',
      remove: async (directory) => rm(directory, { recursive: true, force: true }),
      measure: async () => ({ sizeBytes: 0, entries: 0 }),
    });
    if (snapshots.findLayer(CHAIN) === undefined) await makeBusyboxLayer(snapshots);
    const chisel = await openChisel({ path: hostPath(CHISEL_PATH) });
    watchKeepers(chisel, this.hasTableOwners, () => {
      this.tableChanges += 1;
    });
    if (this.hasLayered) await makeSecondLayer(snapshots);
    const runtime = await openChiselRuntime({
      chisel,
      chiselPath: hostPath(CHISEL_PATH),
      engineId: this.engineId,
      runDir: run,
      machine: hostMachine(),
      features,
      clock,
      log,
    });
    const predefined = predefinedNetworks(this.engineId, clock.nowNs());
    const walker = new ChiselWalker(hostPath(CHISEL_PATH));
    const cgroup = unifiedMount(features.cgroups);
    const fabric = new KernelFabric({ chisel, runDir: run, engineId: this.engineId, log, cgroup });
    this.#engine = await openEngine({
      database,
      version: '0.0.0-test',
      engineId: this.engineId,
      paths: { root, run },
      host: readHost(features),
      clock,
      log,
      failpoints,
      randomHex: () => randomBytes(32).toString('hex'),
      runtime,
      images: fakeImages([busyboxImage(), ...(this.hasLayered ? [layeredImage()] : [])]),
      gcPolicy: KEEP_ALL_POLICY,
      remote: noRegistries,
      snapshots,
      trees: walker,
      copies: new ChiselCopies(hostPath(CHISEL_PATH)),
      files: new ChiselFiles(hostPath(CHISEL_PATH)),
      networks: new SqliteNetworks({ database, predefined }),
      fabric,
      names: createNameService({
        directoryPath: run,
        resolvConfPath: this.resolvConfPath,
        nowMs: () => performance.now(),
        hooks: fabric.egress.hooks,
      }),
      volumes: new DiskVolumes({
        root: hostPath(`${root}/volumes`),
        database,
        clock,
        log,
        remove: async (path) => walker.remove(path),
        failpoints,
      }),
      logs: { read: readLogBatches },
    });
    return this.#engine;
  }

  async close(): Promise<void> {
    await this.#engine?.close();
    this.#engine = undefined;
  }

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

  /** Create, attach, start, wait: what the foreground run does. */
  async run(
    config: ContainerConfig,
    hostConfig: HostConfig = {},
    input?: string,
  ): Promise<{
    readonly id: string;
    readonly code: number;
    readonly stdout: string;
    readonly stderr: string;
  }> {
    const { containers } = this.engine;
    const id = await this.create(
      { ...config, ...(input === undefined ? {} : { OpenStdin: true, StdinOnce: true }) },
      hostConfig,
    );
    const { stream, framing } = await containers.attach(id, {
      stdin: input !== undefined,
      stdout: true,
      stderr: true,
      logs: false,
      stream: true,
    });
    const wait = containers.wait(id, 'next-exit');
    const output = framing === 'raw' ? collectRaw(stream) : collect(stream);
    await containers.start(id);
    if (input === undefined) stream.end();
    else stream.end(input);
    const [{ statusCode }, text] = await Promise.all([wait.result, output]);
    return { id, code: statusCode, ...text };
  }

  /** Output of a shell script in a running container. Errors: when it fails. */
  async inside(id: string, script: string): Promise<string> {
    const { execs } = this.engine;
    const { id: execId } = await execs.create(id, {
      Cmd: ['sh', '-ec', script],
      AttachStdout: true,
      AttachStderr: true,
    });
    const attachment = await execs.start(execId, { detach: false, tty: false });
    assert.ok(attachment !== undefined);
    attachment.stream.end();
    const { stdout, stderr } = await collect(attachment.stream);
    const { ExitCode } = await execs.inspect(execId);
    assert.equal(ExitCode, 0, `${script}\n${stdout}${stderr}`);
    return stdout;
  }

  async dispose(): Promise<void> {
    if (this.#engine === undefined) await this.open();
    for (const { Id } of await this.engine.containers.list({
      all: true,
      size: false,
      filters: {},
    })) {
      await this.engine.containers
        .remove(Id, { force: true, volumes: true })
        .catch((error: unknown) => {
          // A container of `--rm` may be going by itself.
          if (!/No such container|already in progress/.test(String(error))) throw error;
        });
    }
    await this.close();
    const layout = probeFeatures().cgroups;
    if (layout !== undefined) {
      const chisel = await openChisel({ path: CHISEL_PATH });
      try {
        await chisel.apply(
          planRemoveEngineCgroups(layout, { parent: '/carve', engine: this.engineId }),
        );
      } finally {
        await chisel.close();
      }
    }
    rmSync(this.directory, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}

/** An open fixture. */
export async function openFixture(): Promise<EngineFixture> {
  const fixture = new EngineFixture();
  await fixture.open();
  return fixture;
}

/** Tell of each change of owned tables; `hasOwners` false: refuse what a kernel without owners refuses. */
function watchKeepers(chisel: Chisel, hasOwners: boolean, onChange: () => void): void {
  const open = chisel.openKeeper.bind(chisel);
  // The end of the table's name, and NFTA_TABLE_FLAGS.
  const flags = Buffer.from('-guard\0\0\0\0\x08\0\x02\0\0\0\0\x06', 'latin1');
  chisel.openKeeper = (name) => {
    const keeper = open(name);
    const apply = keeper.apply.bind(keeper);
    keeper.apply = async (plan, failure): Promise<Uint8Array> => {
      const messages = plan.flatMap((op) =>
        op.op === 'netlink' ? [Buffer.from(op.messages)] : [],
      );
      if (!hasOwners && messages.some((each) => each.includes(flags)))
        throw new EngineError('unsupported', 'no owners', { details: { errno: 'EOPNOTSUPP' } });
      if (messages.length > 0) onChange();
      return apply(plan, failure);
    };
    return keeper;
  };
}

/** Control group directories of an engine's containers. */
export function groupsOf(fixture: { readonly engineId: string }): readonly string[] {
  const layout = probeFeatures().cgroups;
  if (layout === undefined) return [];
  const trees =
    layout.version === 2
      ? [layout.mountPoint]
      : [
          ...layout.hierarchies.map((each) => each.mountPoint),
          ...(layout.unified === undefined ? [] : [layout.unified]),
        ];
  return trees.flatMap((tree) =>
    [fixture.engineId, `${fixture.engineId}.devices`].flatMap((group) => {
      const path = `${tree}/carve/${group}`;
      if (!existsSync(path)) return [];
      const entries = readdirSync(path, { withFileTypes: true }).filter((entry) =>
        entry.isDirectory(),
      );
      return entries.map((entry) => `${path}/${entry.name}`);
    }),
  );
}

/** Output of both streams. */
export async function collect(
  stream: Readable,
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const out: Uint8Array[] = [];
  const err: Uint8Array[] = [];
  for await (const frame of decodeStreamFrames(stream))
    (frame.stream === 2 ? err : out).push(frame.payload);
  return { stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
}

async function collectRaw(
  stream: Readable,
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const out: Uint8Array[] = [];
  for await (const chunk of stream) out.push(chunk as Uint8Array);
  return { stdout: Buffer.concat(out).toString(), stderr: '' };
}

function busyboxImage(): ImageRecord {
  const image = fakeImage('busybox', { Cmd: ['sh'], Env: ['PATH=/bin'] });
  return { ...image, chain: [CHAIN] };
}

function layeredImage(): ImageRecord {
  return { ...fakeImage('layered', { Cmd: ['sh'], Env: ['PATH=/bin'] }), chain: [CHAIN, SECOND] };
}

/** One file in a directory of its own, and one beside what is below. */
async function makeSecondLayer(snapshots: DiskSnapshotStore): Promise<void> {
  if (snapshots.findLayer(SECOND) !== undefined) return;
  const draft = await snapshots.draftLayer(SECOND);
  for (const name of ['second', 'seed']) mkdirSync(`${draft.directory}/${name}`);
  for (const name of ['second/file', 'seed/added'])
    writeFileSync(`${draft.directory}/${name}`, 'two\n');
  await draft.commit(SECOND, CHAIN, {
    diffId: `sha256:${'d'.repeat(64)}` as Digest,
    sizeBytes: 1,
    entries: 1,
    root: { mode: 0o755, uid: 0, gid: 0 },
    captured: { 'etc/passwd': { kind: 'unchanged' }, 'etc/group': { kind: 'unchanged' } },
  });
}

/** What volumes are filled with: owners, modes, links. */
function makeSeed(seed: string): void {
  mkdirSync(`${seed}/sub`, { recursive: true });
  writeFileSync(`${seed}/a`, 'one\n');
  chownSync(`${seed}/a`, 5, 6);
  chmodSync(`${seed}/a`, 0o4711);
  linkSync(`${seed}/a`, `${seed}/sub/same`);
  symlinkSync('/etc/passwd', `${seed}/link`);
  chownSync(seed, 7, 8);
  chmodSync(seed, 0o2750);
}

async function makeBusyboxLayer(snapshots: DiskSnapshotStore): Promise<void> {
  const draft = await snapshots.draftLayer(CHAIN);
  const root = draft.directory;
  for (const name of ['bin', 'etc', 'dev', 'proc', 'sys', 'tmp', 'root', 'home/app'])
    mkdirSync(`${root}/${name}`, { recursive: true });
  chmodSync(`${root}/tmp`, 0o1777);
  copyFileSync('/bin/busybox', `${root}/bin/busybox`);
  for (const applet of APPLETS) symlinkSync('busybox', `${root}/bin/${applet}`);
  writeFileSync(
    `${root}/etc/passwd`,
    'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n',
  );
  writeFileSync(`${root}/etc/group`, 'root:x:0:\napp:x:1000:\n');
  makeSeed(`${root}/seed`);
  symlinkSync('/seed', `${root}/seedlink`);
  symlinkSync('/../../../../../../../../etc', `${root}/out`);
  writeFileSync(`${root}/bin/script`, '#!/no/such/interpreter\n', { mode: 0o755 });
  await draft.commit(CHAIN, undefined, {
    diffId: `sha256:${'a'.repeat(64)}` as Digest,
    sizeBytes: 1,
    entries: 1,
    root: { mode: 0o755, uid: 0, gid: 0 },
    captured: {
      'etc/passwd': {
        kind: 'text',
        text: 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n',
      },
      'etc/group': { kind: 'text', text: 'root:x:0:\napp:x:1000:\n' },
    },
  });
}

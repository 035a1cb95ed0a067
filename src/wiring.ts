/**
 * The only file that names implementations: an engine made of them, and the
 * daemon that serves one.
 */

import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { DatabaseSync } from 'node:sqlite';
import type { HostPath } from './base/brand.ts';
import { type Clock, systemClock } from './base/clock.ts';
import { collectBetweenChunks } from './base/collect.ts';
import { EngineError, isEngineError, messageOf } from './base/error.ts';
import { type Failpoints, noFailpoints } from './base/failpoint.ts';
import { hostPath } from './base/host-path.ts';
import { type Log, silentLog } from './base/log.ts';
import { carveVersion } from './cli/version.ts';
import { DiskContentStore } from './content/disk.ts';
import { envFailpoints } from './engine/daemon/failpoints.ts';
import { claimRunDirectory } from './engine/daemon/claim-run.ts';
import { DAEMON_HELP, type DaemonFlags, daemonFlags } from './engine/daemon/flags.ts';
import { untilStopped } from './engine/daemon/signals.ts';
import { textLog } from './engine/daemon/text-log.ts';
import type { Engine } from './engine/engine.ts';
import { openEngine } from './engine/open.ts';
import { hostMachine, readHost } from './engine/read-host.ts';
import { openDatabase } from './engine/state/database.ts';
import { ensureMeta } from './engine/state/meta-table.ts';
import { MIGRATIONS } from './engine/state/schema.ts';
import { runtimeName } from './http/identity.ts';
import { type RunningServer, serve } from './http/serve.ts';
import { createImageSchema } from './images/schema.ts';
import { SqliteImageStore } from './images/sqlite.ts';
import { type GcPolicy, KEEP_ALL_POLICY, parseGcPolicy } from './images/gc/policy.ts';
import { parseRegistryConfig, type RegistryConfig } from './images/registry/config.ts';
import { proxySettingsFrom } from './images/registry/proxy.ts';
import { openRegistryImages } from './images/registry/remote.ts';
import type { RemoteImages } from './images/remote.ts';
import { ALLOW_ALL_POLICY, parsePullPolicy, type PullPolicy } from './images/signature/policy.ts';
import type { ImageStore } from './images/store.ts';
import { type Chisel, openChisel } from './kernel/chisel.ts';
import { type ChiselSource, placeChisel } from './kernel/chisel-file.ts';
import { diskError } from './kernel/disk-error.ts';
import { unifiedMount } from './kernel/cgroup/layout.ts';
import { type KernelFeatures, probeFeatures } from './kernel/features.ts';
import { ChiselCopies } from './layers/chisel-copies.ts';
import { ChiselFiles } from './layers/chisel-files.ts';
import { ChiselWalker } from './layers/chisel-walk.ts';
import { LayerUnpacker } from './layers/unpack.ts';
import { unpackWorkerUrl } from './layers/unpack-thread.ts';
import { createNameService, type NameService } from './network/dns/service.ts';
import { KernelFabric } from './network/kernel-fabric.ts';
import { predefinedNetworks } from './network/predefined.ts';
import { SqliteNetworks } from './network/sqlite.ts';
import { openChiselRuntime } from './runtime/chisel-runtime.ts';
import { detachMounts } from './runtime/leftover-mounts.ts';
import { readLogBatches } from './runtime/log/read.ts';
import { DiskSnapshotStore } from './snapshots/disk.ts';
import { hostPlatform } from './spec/platform.ts';
import { DiskVolumes } from './volumes/disk.ts';

/** How to make an engine. */
export interface CreateEngineOptions {
  /** Keeps images, containers, volumes; made when it is not there. Default `/var/lib/carve`. */
  readonly root?: string;
  /** Keeps sockets; may vanish with the boot. Default `/run/carve`. */
  readonly run?: string;
  /** Where the chisel's program is. */
  readonly chisel: ChiselSource;
  /** What is known of registries: mirrors, TLS, blocks. Default: nothing. */
  readonly registries?: RegistryConfig;
  /** Which images may be pulled, and signed by whom. Default: all. */
  readonly policy?: PullPolicy;
  /** Which images the engine removes by itself. Default: none. */
  readonly gc?: GcPolicy;
  /** Tables of iptables are not written, whatever Docker made them do. Default false. */
  readonly leavesIptables?: boolean;
  /** Connections of the host to its loopback addresses are not led to containers by BPF programs. Default false. */
  readonly leavesConnections?: boolean;
  readonly log?: Log;
  /** Tests only. */
  readonly failpoints?: Failpoints;
}

/** Where and with what an engine works. */
interface Base {
  readonly root: HostPath;
  readonly run: HostPath;
  readonly chiselPath: HostPath;
  readonly database: DatabaseSync;
  readonly features: KernelFeatures;
  readonly clock: Clock;
  readonly log: Log;
  readonly registries: RegistryConfig | undefined;
  readonly policy: PullPolicy | undefined;
  readonly gc: GcPolicy | undefined;
  readonly leavesIptables: boolean;
  readonly leavesConnections: boolean;
}

/**
 * Open an engine. It runs containers that an earlier one on the same root
 * started, and leaves its own running when it is closed.
 * Errors: `in-use` when another engine has the root, or the run directory; `unavailable` without a
 * chisel; `unsupported` kernel; `corrupt` state.
 */
export async function createEngine(options: CreateEngineOptions): Promise<Engine> {
  const log = options.log ?? silentLog;
  const root = makeDirectory(options.root ?? '/var/lib/carve');
  const features = probeFeatures();
  // The lock comes first: who does not get it leaves no run directory behind.
  const database = openState(root);
  try {
    const run = makeDirectory(options.run ?? '/run/carve');
    claimRunDirectory(run, root);
    const chiselPath = placeChisel(options.chisel, run);
    const base: Base = {
      root,
      run,
      chiselPath,
      database,
      features,
      clock: systemClock(),
      log,
      registries: options.registries,
      policy: options.policy,
      gc: options.gc,
      leavesIptables: options.leavesIptables ?? false,
      leavesConnections: options.leavesConnections ?? false,
    };
    return await openOn(base, options.failpoints ?? noFailpoints);
  } catch (error) {
    database.close();
    throw error;
  }
}

async function openOn(base: Base, failpoints: Failpoints): Promise<Engine> {
  const chisel = await openChisel({ path: base.chiselPath });
  try {
    // Before the stores open, which delete what a crash left: never through a mount.
    const detached = await detachMounts(chisel, privatePlaces(base));
    if (detached.length > 0) {
      base.log.warn('detached what was mounted in directories of the engine', {
        mounts: detached.length,
        first: detached[0] ?? '',
      });
    }
    return await openWith(base, chisel, failpoints);
  } catch (error) {
    await chisel.close();
    throw error;
  }
}

/** Where only the engine has something to do, and deletes whole trees. */
function privatePlaces({ root, run }: Pick<Base, 'root' | 'run'>): readonly HostPath[] {
  const stores = ['layers', 'snapshots', 'trash', 'spare'].map((name) => `snapshots/${name}`);
  return [
    ...['c', 'held'].map((name) => hostPath(`${run}/${name}`)),
    ...['containers', 'trash', 'spare', ...stores].map((name) => hostPath(`${root}/${name}`)),
  ];
}

async function openWith(base: Base, chisel: Chisel, failpoints: Failpoints): Promise<Engine> {
  const { root, run, chiselPath, database, features, clock, log, leavesIptables } = base;
  const engineId = ensureMeta(database, 'engine-id', () => randomBytes(16).toString('hex'));
  const walker = new ChiselWalker(chiselPath);
  const snapshots = DiskSnapshotStore.open({
    root: hostPath(`${root}/snapshots`),
    bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    measure: async (directory, signal) => walker.measure(directory, signal),
    remove: async (directory) => walker.remove(directory),
  });
  const { images, remote } = await openImages(base, { snapshots, walker });
  const predefined = predefinedNetworks(engineId, clock.nowNs());
  const networks = new SqliteNetworks({ database, predefined, log });
  const volumes = new DiskVolumes({
    root: hostPath(`${root}/volumes`),
    database,
    clock,
    log,
    remove: async (directory) => walker.remove(directory),
    failpoints,
  });
  const runtime = await openChiselRuntime({
    chisel,
    chiselPath,
    engineId,
    runDir: run,
    machine: hostMachine(),
    features,
    clock,
    log,
  });
  const cgroup = base.leavesConnections ? undefined : unifiedMount(features.cgroups);
  const fabric = new KernelFabric({ chisel, runDir: run, engineId, log, cgroup, leavesIptables });
  try {
    return await openEngine({
      version: carveVersion,
      engineId,
      paths: { root, run },
      host: readHost(features),
      randomHex: () => randomBytes(32).toString('hex'),
      logs: { read: readLogBatches },
      database,
      clock,
      log,
      failpoints,
      runtime,
      images,
      gcPolicy: base.gc ?? KEEP_ALL_POLICY,
      remote,
      snapshots,
      volumes,
      networks,
      fabric,
      names: namesOf(run, fabric),
      trees: walker,
      copies: new ChiselCopies(chiselPath),
      files: new ChiselFiles(chiselPath),
    });
  } catch (error) {
    await runtime.close();
    throw error;
  }
}

function namesOf(run: HostPath, fabric: KernelFabric): NameService {
  return createNameService({
    directoryPath: run,
    resolvConfPath: '/etc/resolv.conf',
    nowMs: () => performance.now(),
    hooks: fabric.egress.hooks,
  });
}

async function openImages(
  base: Base,
  made: { readonly snapshots: DiskSnapshotStore; readonly walker: ChiselWalker },
): Promise<{ readonly images: ImageStore; readonly remote: RemoteImages }> {
  const { root, chiselPath, database, features, log } = base;
  createImageSchema(database);
  const unpacker = new LayerUnpacker({
    target: made.snapshots,
    chiselPath,
    worker: unpackWorkerUrl(process.argv[1] ?? ''),
    // Some of them wait for a slow network; those must not keep others from the processors.
    concurrency: 4 * availableParallelism(),
    concurrencyOfImage: Math.min(8, Math.max(2, availableParallelism())),
    overlayXattrs: features.isRootless ? 'user' : 'trusted',
    skipDevices: features.isRootless,
  });
  const content = DiskContentStore.open(root, Date.now());
  const host = hostPlatform(process.arch);
  const nowMs = (): number => Date.now();
  const images = await SqliteImageStore.open({
    database,
    content,
    layers: made.snapshots,
    unpacker,
    changes: made.walker,
    host,
    nowMs,
    onBroken: (image, error) => {
      log.error('an image could not be repaired and was removed', {
        id: image.id,
        names: image.tags,
        error: error.message,
      });
    },
  });
  const remote = openRegistryImages({
    images,
    content,
    host,
    nowMs,
    proxies: proxySettingsFrom(process.env),
    ...(base.registries === undefined ? {} : { config: base.registries }),
    ...(base.policy === undefined ? {} : { policy: base.policy }),
  });
  return { images, remote };
}

/** Others may pass through, to reach a socket; they see nothing in it. Errors: `invalid`, those of `diskError`. */
function makeDirectory(path: string): HostPath {
  const directory = hostPath(path);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o711 });
  } catch (error) {
    throw diskError(`Cannot make the directory ${path}`, error);
  }
  return directory;
}

function openState(root: HostPath): DatabaseSync {
  const ownerFile = `${root}/daemon.json`;
  const database = openDatabase({
    path: hostPath(`${root}/state.db`),
    migrations: MIGRATIONS,
    describeOwner: () => describeOwner(ownerFile),
  });
  // For the message of whoever comes second; the lock is the database's.
  writeFileSync(ownerFile, `${JSON.stringify({ pid: process.pid })}\n`, { mode: 0o644 });
  return database;
}

function describeOwner(ownerFile: string): string {
  try {
    return `process ${/"pid":(\d+)/.exec(readFileSync(ownerFile, 'utf8'))?.[1] ?? 'unknown'}`;
  } catch {
    return 'process unknown';
  }
}

/** `carve daemon`: serve an engine until a signal asks to stop. Returns the exit code. */
export async function runDaemon(argv: readonly string[], chisel: ChiselSource): Promise<number> {
  let flags: DaemonFlags;
  try {
    flags = daemonFlags(argv);
    if (flags.isHelp) {
      process.stdout.write(DAEMON_HELP);
      return 0;
    }
  } catch (error) {
    return fail(error);
  }
  const log = textLog(flags.logLevel, () => new Date());
  try {
    collectBetweenChunks();
    await serveEngine(flags, chisel, log);
    return 0;
  } catch (error) {
    return fail(error);
  }
}

async function serveEngine(flags: DaemonFlags, chisel: ChiselSource, log: Log): Promise<void> {
  const stopped = untilStopped(log);
  protectFromOom(log);
  const beganMs = performance.now();
  const { root, run } = flags;
  const failpoints = envFailpoints(process.env['CARVE_FAILPOINT']);
  const registries = parseRegistryConfig(
    readSettings('registry configuration', flags.registries) ?? '{}',
  );
  const policyText = readSettings('pull policy', flags.policy);
  const policy = policyText === undefined ? ALLOW_ALL_POLICY : parsePullPolicy(policyText);
  const gc = parseGcPolicy(readSettings('collection policy', flags.gc) ?? '{}');
  const engine = await createEngine({
    root,
    run,
    chisel,
    log,
    failpoints,
    registries,
    policy,
    gc,
    leavesIptables: !flags.hasIptables,
    leavesConnections: !flags.hasConnectHook,
  });
  const servers: RunningServer[] = [];
  try {
    const identity = {
      version: carveVersion,
      gitCommit: '',
      buildTime: '',
      runtime: runtimeName(process.versions),
    };
    for (const listen of flags.hosts) servers.push(await serve(engine, { listen, identity, log }));
    const tookMs = Math.round(performance.now() - beganMs);
    log.info('ready', { root, run, hosts: flags.hosts, tookMs });
    log.info('stopping; containers run on', { signal: await stopped });
  } finally {
    await Promise.all(servers.map(async (server) => server.close()));
    await engine.close();
  }
}

/** Text of a file of the operator's; `undefined` when it is absent. Errors: `unavailable`. */
function readSettings(what: string, path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new EngineError('unavailable', `Cannot read ${what} ${path}: ${messageOf(error)}`);
  }
}

/** Containers go before the daemon when memory is short; the chisel and its monitors inherit this, containers set their own. */
function protectFromOom(log: Log): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '-500');
  } catch (error) {
    log.debug('cannot lower the OOM score', { error: messageOf(error) });
  }
}

/** One sentence, and what to do. */
function fail(error: unknown): number {
  const hint = isEngineError(error) && error.hint !== undefined ? `\n${error.hint}` : '';
  const text = isEngineError(error) ? error.message + hint : String(error);
  process.stderr.write(`carve daemon: ${text}\n`);
  return 1;
}

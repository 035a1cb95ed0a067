/**
 * What the operations work with: the stores, the runtime, time, and the
 * engine's own collections. Made once by `open.ts`; operations take it as
 * their first argument and keep no state of their own.
 */

import type { HostPath } from '../base/brand.ts';
import type { Clock } from '../base/clock.ts';
import type { Failpoints } from '../base/failpoint.ts';
import type { Log } from '../base/log.ts';
import type { GcPolicy } from '../images/gc/policy.ts';
import type { RemoteImages } from '../images/remote.ts';
import type { ImageStore } from '../images/store.ts';
import type { SpareDirectories } from '../kernel/spare-directories.ts';
import type { ContainerFiles } from '../layers/container-files.ts';
import type { TreeCopies } from '../layers/tree-copies.ts';
import type { ChangeSource } from '../layers/walk.ts';
import type { NameService } from '../network/dns/service.ts';
import type { NetworkFabric } from '../network/fabric.ts';
import type { AddressBook } from '../network/leases.ts';
import type { PortBook } from '../network/ports.ts';
import type { NetworkStore } from '../network/store.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { SnapshotStore } from '../snapshots/store.ts';
import type { VolumeStore } from '../volumes/store.ts';
import type { ContainerRegistry } from './containers/registry.ts';
import type { EventBus } from './events/bus.ts';
import type { ExecRegistry } from './execs/registry.ts';
import type { HostFacts } from './host.ts';
import type { LogReader } from './log-reader.ts';
import type { ContainerTable } from './state/container-table.ts';
import type { Trash } from './trash.ts';
import type { NameLocks } from './volumes/locks.ts';

/** Directories of one engine. */
export interface EnginePaths {
  /** Survives reboots: state, content, snapshots, containers. */
  readonly root: HostPath;
  /** May vanish with the boot: sockets. */
  readonly run: HostPath;
}

/** Everything an operation may use. */
export interface EngineParts {
  /** Version of carve, e.g. `0.1.0`. */
  readonly version: string;
  /** 32 hex digits, made once per root. */
  readonly engineId: string;
  readonly paths: EnginePaths;
  readonly host: HostFacts;
  readonly clock: Clock;
  readonly log: Log;
  readonly failpoints: Failpoints;
  /** 64 random lower-case hex digits. */
  readonly randomHex: () => string;
  readonly table: ContainerTable;
  readonly containers: ContainerRegistry;
  readonly execs: ExecRegistry;
  readonly events: EventBus;
  readonly runtime: Runtime;
  readonly images: ImageStore;
  /** What the engine removes by itself. */
  readonly gcPolicy: GcPolicy;
  /** Images in registries. */
  readonly remote: RemoteImages;
  readonly snapshots: SnapshotStore;
  readonly volumes: VolumeStore;
  readonly networks: NetworkStore;
  /** What makes networks real. */
  readonly fabric: NetworkFabric;
  /** Names of containers on them. */
  readonly names: NameService;
  /** Ids of networks on their way in or out: nobody may join them. */
  readonly unsettledNetworks: Set<string>;
  /** Held by whoever makes, fills, copies or removes the volume of a name. */
  readonly volumeLocks: NameLocks;
  /** Which container has which address. */
  readonly addresses: AddressBook;
  /** Which container has which port of the host. */
  readonly ports: PortBook;
  /** Reads the trees of containers. */
  readonly trees: ChangeSource;
  /** Copies whole trees. */
  readonly copies: TreeCopies;
  /** Reaches single files of containers. */
  readonly files: ContainerFiles;
  readonly logs: LogReader;
  readonly trash: Trash;
  /** State directories made ahead. */
  readonly stateDirs: SpareDirectories;
  /** True once `close` began: exits are left for the next engine to tell. */
  readonly isClosing: () => boolean;
}

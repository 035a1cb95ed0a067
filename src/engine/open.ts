/**
 * Opening an engine on its directories: state is loaded, what runs is found
 * again, what a crash left is completed or removed; then the operations are
 * ready. The stores and the runtime are given: `wiring.ts` makes them.
 */

import { mkdir } from 'node:fs/promises';
import type { DatabaseSync } from 'node:sqlite';
import { messageOf } from '../base/error.ts';
import { hostPath } from '../base/host-path.ts';
import { diskError } from '../kernel/disk-error.ts';
import { SpareDirectories } from '../kernel/spare-directories.ts';
import { makeInitLayers } from './containers/init-layer.ts';
import { containerOperations } from './containers/operations.ts';
import { ContainerRegistry } from './containers/registry.ts';
import { AddressBook } from '../network/leases.ts';
import { PortBook } from '../network/ports.ts';
import type { Engine, ImageOperations } from './engine.ts';
import { EventBus } from './events/bus.ts';
import { execOperations } from './execs/operations.ts';
import { ExecRegistry } from './execs/registry.ts';
import { type Schedule, startSchedule } from './gc/schedule.ts';
import { imageOperations } from './images/operations.ts';
import { keepLinks } from './networks/live.ts';
import { networkOperations } from './networks/operations.ts';
import type { EngineParts } from './parts.ts';
import { adoptContainer } from './recovery/adopt.ts';
import { applyPolicies } from './recovery/boot.ts';
import { forEach, loadContainers } from './recovery/load.ts';
import { makeDirectories, sweepLeftovers } from './recovery/sweep.ts';
import { registryOperations } from './registries/operations.ts';
import { ContainerTable } from './state/container-table.ts';
import { systemOperations } from './system/operations.ts';
import { Trash } from './trash.ts';
import { NameLocks } from './volumes/locks.ts';
import { volumeOperations } from './volumes/operations.ts';
import { finishFills } from './volumes/populate.ts';

/** Milliseconds between two looks for what a crash left, where no policy says how often. */
const TIDY_MS = 24 * 3_600_000;
/** State directories kept ready. */
const SPARE_STATE_DIRS = 4;
/** Containers that are looked for at a time. */
const ADOPT_LIMIT = 32;

/** What an engine is made of. */
export type OpenOptions = Omit<
  EngineParts,
  | 'table'
  | 'containers'
  | 'execs'
  | 'events'
  | 'trash'
  | 'stateDirs'
  | 'isClosing'
  | 'unsettledNetworks'
  | 'volumeLocks'
  | 'addresses'
  | 'ports'
> & {
  /** Open, locked, of the newest schema; closed by the engine. */
  readonly database: DatabaseSync;
};

/** Open the engine. When it resolves every container's state is true. */
export async function openEngine(options: OpenOptions): Promise<Engine> {
  const { database, ...given } = options;
  let isClosing = false;
  const parts: EngineParts = {
    ...given,
    table: new ContainerTable({ database, clock: given.clock, log: given.log }),
    containers: new ContainerRegistry(),
    execs: new ExecRegistry(given.clock),
    events: new EventBus(given.clock),
    unsettledNetworks: new Set(),
    volumeLocks: new NameLocks(),
    trash: new Trash(hostPath(`${given.paths.root}/trash`), given.log),
    stateDirs: new SpareDirectories({
      place: hostPath(`${given.paths.root}/spare`),
      count: SPARE_STATE_DIRS,
      make: async (path) =>
        mkdir(path, { mode: 0o700 }).catch((error: unknown) => {
          throw diskError('Cannot make the directory of a container', error);
        }),
    }),
    isClosing: () => isClosing,
    addresses: new AddressBook(),
    ports: new PortBook(),
  };
  makeDirectories(parts);
  makeInitLayers(parts.paths);
  loadContainers(parts);
  await forEach(parts, [...parts.containers.all()], {
    limit: ADOPT_LIMIT,
    step: async (container) => adoptContainer(parts, container),
  });
  parts.failpoints.hit('open.adopted');
  await restoreNetworks(parts);
  keepLinks(parts);
  await parts.names.listen();
  await sweepLeftovers(parts);
  await finishFills(parts);
  parts.failpoints.hit('open.swept');
  await applyPolicies(parts);
  const images = imageOperations(parts);
  const collections = scheduleCollections(parts, images);
  return {
    containers: containerOperations(parts),
    execs: execOperations(parts),
    images,
    registries: registryOperations(parts),
    networks: networkOperations(parts),
    volumes: volumeOperations(parts),
    system: systemOperations(parts),
    async close() {
      if (isClosing) return;
      isClosing = true;
      await collections.stop();
      await closeParts(parts);
      parts.table.flush();
      database.close();
    },
  };
}

/** Without a rule only what a crash left is looked for: layers and content that no image names. */
function scheduleCollections(parts: EngineParts, images: ImageOperations): Schedule {
  const { gcPolicy, clock, log } = parts;
  const hasRules = Object.keys(gcPolicy.remove).length > 0;
  return startSchedule({
    clock,
    log,
    everyMs: hasRules ? gcPolicy.everyMs : TIDY_MS,
    collect: async (signal) => {
      await images.collect({ isPlan: false, signal });
    },
  });
}

/** Bridges and firewall of what runs; without them it runs on, unreachable, and is told. */
async function restoreNetworks(parts: EngineParts): Promise<void> {
  const ids = new Set(
    [...parts.containers.all()].flatMap(({ endpoints }) =>
      endpoints.map(({ networkId }) => networkId),
    ),
  );
  const networks = [...ids].flatMap((id) => parts.networks.find(id) ?? []);
  for (const { network, error } of await parts.fabric.restore(networks)) {
    parts.log.error('a network of running containers cannot be made ready', {
      network: network.name,
      error: messageOf(error),
    });
  }
  await parts.fabric.sweep(parts.networks.list()).catch((error: unknown) => {
    parts.log.warn('cannot look for what an earlier engine left of its networks', {
      error: messageOf(error),
    });
  });
}

/** Containers run on; timers, streams and helpers end. */
async function closeParts(parts: EngineParts): Promise<void> {
  for (const container of parts.containers.all()) {
    container.restart?.cancel();
    container.health?.stop();
    container.attachments.endWaiting();
  }
  parts.events.close();
  // Transitions under way finish before the database is gone.
  await Promise.all([...parts.containers.all()].map(async ({ lock }) => lock.run(() => undefined)));
  parts.remote.close();
  await parts.names.close();
  await parts.fabric.close(parts.networks.list()).catch((error: unknown) => {
    parts.log.warn('cannot remove the links of idle networks', { error: messageOf(error) });
  });
  await parts.runtime.close();
  await Promise.all([
    parts.snapshots.close(),
    parts.volumes.close(),
    parts.trash.close(),
    parts.stateDirs.close(),
  ]);
}

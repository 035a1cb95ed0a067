/**
 * `create`: from a request to a container that can be started. Nothing of it
 * is left when a step fails, the name included.
 *
 * Source: Engine API `POST /containers/create`; engine-api facts 10.2.
 */

import { mkdirSync } from 'node:fs';
import { EngineError } from '../../base/error.ts';
import { makeId, shortId } from '../../base/id.ts';
import type { ContainerId } from '../../base/brand.ts';
import type { ImageRecord } from '../../images/store.ts';
import { parsePlatform } from '../../spec/platform.ts';
import { diskError } from '../../kernel/disk-error.ts';
import type { CreateContainer } from '../engine.ts';
import { checkEndpoints } from '../networks/check-endpoints.ts';
import { checkLinks } from '../networks/check-links.ts';
import { checkEgress } from '../networks/egress.ts';
import { findNetwork } from '../networks/find.ts';
import type { EngineParts } from '../parts.ts';
import { announce } from './announce.ts';
import { Attachments } from './attachments.ts';
import { checkRequest } from './check-request.ts';
import { checkResources } from './check-resources.ts';
import { completeHostConfig } from './complete-host-config.ts';
import type { RehearsedLaunch } from './container.ts';
import { Container } from './container.ts';
import { generateName } from './generate-name.ts';
import { CREATED } from './life.ts';
import { parseLogConfig } from './log-settings.ts';
import { commandOf, mergeConfig } from './merge-config.ts';
import { stateDirOf } from './paths.ts';
import type { ContainerRecord } from './record.ts';
import { parseContainerName } from './registry.ts';
import { resolveMounts } from './resolve-mounts.ts';
import { resolveReferences } from './resolve-references.ts';
import { rehearseLaunch, rootOf } from './prepare-launch.ts';
import { Rollback } from '../rollback.ts';
import { announceVolume } from '../volumes/announce.ts';
import {
  discardPrepared,
  namedVolumes,
  type PreparedVolumes,
  prepareVolumes,
} from '../volumes/populate.ts';

/** A request that has been checked: everything of the record but id and name. */
export interface DraftContainer {
  readonly record: ContainerRecord;
  readonly image: ImageRecord;
  readonly rehearsed: RehearsedLaunch | undefined;
  readonly warnings: readonly string[];
}

/** Errors: `invalid`; `not-found` image or referred container; `conflict` name. */
export async function createContainer(
  parts: EngineParts,
  request: CreateContainer,
): Promise<{ readonly id: ContainerId; readonly warnings: readonly string[] }> {
  const name = request.name === undefined ? undefined : parseContainerName(request.name);
  const id = makeId(parts.randomHex);
  const draft = draftContainer(parts, request, id);
  const rollback = new Rollback(parts.log);
  try {
    parts.failpoints.hit('create.begin');
    const record = claimName(parts, draft.record, { name, rollback });
    prepareDirectories(parts, { ...draft, record }, rollback);
    const container = await parts.volumeLocks.run(namedVolumes(record), async () => {
      const prepared = await prepareVolumes(parts, record, () => rootOf(parts, record));
      try {
        return build(parts, { ...draft, record }, { rollback, prepared });
      } finally {
        discardPrepared(parts, prepared);
      }
    });
    parts.failpoints.hit('create.known');
    announce(parts, container, 'create');
    parts.failpoints.hit('create.announced');
    return { id, warnings: draft.warnings };
  } catch (error) {
    await rollback.run();
    throw error;
  }
}

/** Check a request and complete it; changes nothing. Errors as `createContainer`, without names. */
export function draftContainer(
  parts: EngineParts,
  request: CreateContainer,
  id: ContainerId,
): DraftContainer {
  const image = findImage(parts, request);
  const config = mergeConfig(
    { ...request.config, Image: request.config.Image ?? '' },
    image.config.config ?? null,
  );
  const completed = completeHostConfig(request.hostConfig, {
    cgroupVersion: parts.host.cgroupVersion,
  });
  const referred = resolveReferences(parts, completed.hostConfig);
  const { networkMode, endpoints } = checkEndpoints(
    {
      networkMode: referred.NetworkMode ?? 'none',
      endpoints: request.endpoints,
      macAddress: config.MacAddress ?? '',
    },
    (ref) => findNetwork(parts, ref),
  );
  const hostConfig = { ...referred, NetworkMode: networkMode };
  if (findNetwork(parts, networkMode)?.isPredefined === true) {
    checkLinks(hostConfig.Links ?? [], (ref) => parts.containers.find(ref));
  }
  checkRequest(config, hostConfig);
  const names = Object.keys(endpoints);
  checkEgress(
    { config, hostConfig },
    names.map((ref) => findNetwork(parts, ref)).filter((network) => network !== undefined),
  );
  const limitWarnings = checkResources(hostConfig, parts.host);
  commandOf(config);
  const record: ContainerRecord = {
    id,
    name: shortId(id),
    createdAtNs: parts.clock.nowNs(),
    imageId: image.id,
    config,
    hostConfig,
    endpoints,
    mounts: resolveMounts(parts, { config, hostConfig }),
    log: parseLogConfig(hostConfig.LogConfig),
    state: CREATED,
  };
  const rehearsed = rehearseLaunch(parts, record);
  return { record, image, rehearsed, warnings: [...completed.warnings, ...limitWarnings] };
}

function findImage(parts: EngineParts, request: CreateContainer): ImageRecord {
  const { Image: reference = '' } = request.config;
  if (reference === '')
    throw new EngineError('invalid', 'no image specified: Config.Image is empty');
  const { platform } = request;
  if (platform === undefined || platform === '') return parts.images.get(reference);
  return parts.images.get(reference, { platform: parsePlatform(platform, parts.host.platform) });
}

function claimName(
  parts: EngineParts,
  record: ContainerRecord,
  how: { readonly name: string | undefined; readonly rollback: Rollback },
): ContainerRecord {
  const name =
    how.name ??
    generateName({
      randomHex: parts.randomHex,
      isFree: (candidate) => parts.containers.isFree(candidate),
      fallback: shortId(record.id),
    });
  parts.containers.reserve(name, record.id);
  how.rollback.add('release the name', () => parts.containers.release(name, record.id));
  parts.failpoints.hit('create.name-reserved');
  return { ...record, name };
}

function prepareDirectories(parts: EngineParts, draft: DraftContainer, rollback: Rollback): void {
  const { id } = draft.record;
  parts.snapshots.prepare(id, draft.image.chain.at(-1));
  rollback.add('remove the snapshot', async () => parts.snapshots.removeSnapshot(id));
  parts.failpoints.hit('create.snapshot-prepared');
  const stateDir = stateDirOf(parts.paths, id);
  try {
    if (!parts.stateDirs.take(stateDir)) mkdirSync(stateDir, { mode: 0o700 });
  } catch (error) {
    throw diskError('Cannot make the directory of a container', error);
  }
  rollback.add('remove the directory', () => parts.trash.discard(stateDir));
  parts.failpoints.hit('create.directory-made');
}

/** Volumes and row in one transaction. Synchronous: nobody sees a container half-made. */
function build(
  parts: EngineParts,
  draft: DraftContainer,
  how: { readonly rollback: Rollback; readonly prepared: PreparedVolumes },
): Container {
  const { rollback } = how;
  const { seq, record } = parts.table.together(() => {
    const withVolumes = { ...draft.record, mounts: makeVolumes(parts, draft.record, how) };
    parts.failpoints.hit('create.volumes-made');
    return { seq: parts.table.insert(withVolumes), record: withVolumes };
  });
  const attachments = new Attachments(parts.log);
  const container = new Container({ table: parts.table, seq, record, attachments });
  container.rehearsed = draft.rehearsed;
  rollback.add('delete the row', () => container.deleteRow());
  parts.failpoints.hit('create.row-inserted');
  parts.containers.add(container);
  parts.images.touch(record.imageId);
  return container;
}

/** Named volumes that do not exist yet, and one for each mount without a name. */
function makeVolumes(
  parts: EngineParts,
  record: ContainerRecord,
  how: { readonly rollback: Rollback; readonly prepared: PreparedVolumes },
): ContainerRecord['mounts'] {
  return record.mounts.map((mount) => {
    const prepared = how.prepared.get(mount.destination);
    if (mount.volume === undefined || prepared === undefined) return mount;
    const { request, staged } = prepared;
    const { name } = request;
    const { volume, isNew } = parts.volumes.ensure({
      ...request,
      ...(staged === undefined ? {} : { staged }),
    });
    if (isNew) {
      how.rollback.add(`remove volume ${name}`, () => parts.volumes.remove(name));
      announceVolume(parts, volume, 'create');
    }
    return {
      ...mount,
      readonly: mount.readonly || volume.isReadonly === true,
      source: volume.mountpoint,
      volume: { ...mount.volume, name, driver: volume.driver },
    };
  });
}

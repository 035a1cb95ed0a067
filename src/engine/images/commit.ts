/** `commit`: an image of a container's changes. Source: Engine API `POST /commit`; engine-api facts 5.9. */

import type { ContainerConfig } from '../../spec/docker/container.ts';
import type { ExecutionConfig } from '../../spec/oci/image.ts';
import { parseDigest } from '../../spec/digest.ts';
import { announce } from '../containers/announce.ts';
import { whileFrozen } from '../containers/frozen.ts';
import type { ImageRecord } from '../../images/store.ts';
import { stubsOf } from '../containers/stubs.ts';
import type { EngineParts } from '../parts.ts';
import { EngineError } from '../../base/error.ts';
import { commandOf, mergeConfig } from '../containers/merge-config.ts';

/** What to make. */
export interface CommitRequest {
  readonly reference?: string;
  readonly message?: string;
  readonly author?: string;
  /** Freeze it meanwhile. */
  readonly pause: boolean;
  /** Dockerfile instructions. */
  readonly changes: readonly string[];
  /** Replaces fields of the container's configuration. */
  readonly config?: ContainerConfig;
}

/** Errors: `not-found`, `invalid`. */
export async function commitContainer(
  parts: EngineParts,
  ref: string,
  request: CommitRequest,
): Promise<{ readonly id: string }> {
  const container = parts.containers.get(ref);
  const snapshot = parts.snapshots.findSnapshot(container.id);
  if (snapshot === undefined) throw new EngineError('not-found', `No such container: ${ref}`);
  const { record } = container;
  const config = mergeConfig(request.config ?? {}, record.config);
  const commit = async (): Promise<ImageRecord> =>
    parts.images.commit({
      parent: parseDigest(record.imageId),
      upper: snapshot.upper,
      exclude: stubsOf(record),
      ...(request.reference === undefined ? {} : { reference: request.reference }),
      ...(request.message === undefined ? {} : { message: request.message }),
      ...(request.author === undefined ? {} : { author: request.author }),
      createdBy: commandOf(record.config).join(' '),
      config: executionConfigOf(config),
      changes: request.changes,
    });
  const image = await (request.pause ? whileFrozen(container, commit) : commit());
  announce(parts, container, 'commit', {
    comment: request.message ?? '',
    imageID: image.id,
    imageRef: request.reference ?? '',
  });
  return { id: image.id };
}

/** The portable half that belongs to an image; what is unset is left out. */
function executionConfigOf(config: ContainerConfig): ExecutionConfig {
  const { Entrypoint, Cmd, StopTimeout, Healthcheck } = config;
  const kept = [
    'User',
    'ExposedPorts',
    'Env',
    'Volumes',
    'WorkingDir',
    'Labels',
    'OnBuild',
    'Shell',
    'StopSignal',
    'ArgsEscaped',
  ] as const;
  const entries = kept.flatMap((key) =>
    isUnset(config[key]) ? [] : [[key, config[key]] as const],
  );
  return {
    ...Object.fromEntries(entries),
    Entrypoint: listOf(Entrypoint),
    Cmd: listOf(Cmd),
    ...(typeof StopTimeout === 'number' ? { StopTimeout } : {}),
    ...(isUnset(Healthcheck) ? {} : { Healthcheck: healthOf(Healthcheck ?? {}) }),
  };
}

function isUnset(value: unknown): boolean {
  return value === undefined || value === null || value === '';
}

function listOf(value: ContainerConfig['Cmd']): readonly string[] | null {
  return typeof value === 'string' ? [value] : (value ?? null);
}

function healthOf(
  config: NonNullable<ContainerConfig['Healthcheck']>,
): NonNullable<ExecutionConfig['Healthcheck']> {
  const { Test, ...rest } = config;
  return { ...rest, ...(Test === undefined || Test === null ? {} : { Test }) };
}

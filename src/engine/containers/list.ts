/** `ps`: containers in Docker's words, newest first. Source: Engine API `GET /containers/json`; engine-api facts 1.4, 6.2. */

import type { ContainerSummary } from '../../spec/docker/inspect.ts';
import type { Filters } from '../engine.ts';
import { listedPorts, shownEndpoints } from '../networks/shown.ts';
import type { EngineParts } from '../parts.ts';
import type { Container } from './container.ts';
import { compileListFilter } from './list-filter.ts';
import { sizesOf, describeMounts } from './inspect.ts';
import { statusOf } from './life.ts';
import { commandOf } from './merge-config.ts';
import { formatStatus } from './status-text.ts';

/** What to list. */
export interface ListOptions {
  /** Also those that do not run. */
  readonly all: boolean;
  /** Count of newest ones, running or not; `undefined` or not positive: no limit. */
  readonly limit?: number;
  readonly size: boolean;
  readonly filters: Filters;
}

/** Errors: `invalid` filter; `not-found` for `before` and `since`. */
export async function listContainers(
  parts: EngineParts,
  options: ListOptions,
): Promise<readonly ContainerSummary[]> {
  const filter = compileListFilter(parts, options.filters);
  const limit = options.limit === undefined || options.limit <= 0 ? undefined : options.limit;
  const showsAll = options.all || limit !== undefined || filter.showsAll;
  const chosen = [...parts.containers.all()]
    .filter((container) => showsAll || container.isAlive || container.state.phase === 'restarting')
    .filter((container) => filter.accept(container))
    .sort((a, b) => compareNewest(a, b))
    .slice(0, limit);
  const nowNs = parts.clock.nowNs();
  return Promise.all(
    chosen.map(async (container) => ({
      ...summarise(parts, container, nowNs),
      ...(options.size ? await sizesOf(parts, container) : {}),
    })),
  );
}

function compareNewest(a: Container, b: Container): number {
  const [x, y] = [a.record.createdAtNs, b.record.createdAtNs];
  return x === y ? 0 : x > y ? -1 : 1;
}

/** One row. `nowNs`: nanoseconds since the epoch. */
export function summarise(
  parts: EngineParts,
  container: Container,
  nowNs: bigint,
): ContainerSummary {
  const { record } = container;
  const { Annotations: annotations, NetworkMode: mode = '' } = record.hostConfig;
  const { isRemoving } = container;
  return {
    Id: record.id,
    Names: [`/${record.name}`],
    Image: imageNameOf(parts, container),
    ImageID: record.imageId,
    Command: commandOf(record.config).map(quote).join(' '),
    Created: Number(record.createdAtNs / 1_000_000_000n),
    Ports: listedPorts(container),
    Labels: record.config.Labels ?? {},
    State: statusOf(record.state, isRemoving),
    Status: formatStatus(record.state, { nowNs, isRemoving }),
    HostConfig: {
      NetworkMode: mode,
      ...(annotations === undefined ? {} : { Annotations: annotations ?? {} }),
    },
    NetworkSettings: { Networks: shownEndpoints(container) },
    Mounts: describeMounts(record),
  };
}

/** The name given, or the id when that name means another image by now. */
function imageNameOf(parts: EngineParts, container: Container): string {
  const name = container.record.config.Image ?? '';
  const current = safeFind(parts, name);
  return current === undefined || current === container.record.imageId
    ? name
    : container.record.imageId;
}

/** An ambiguous prefix is no image. */
function safeFind(parts: EngineParts, name: string): string | undefined {
  try {
    return parts.images.find(name)?.id;
  } catch {
    return undefined;
  }
}

function quote(word: string): string {
  return /[\s]/.test(word) ? `'${word}'` : word;
}

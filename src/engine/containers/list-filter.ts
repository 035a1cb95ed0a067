/** Filters of `ps`. Source: Engine API `GET /containers/json`, `filters`; engine-api facts 1.4. */

import { EngineError } from '../../base/error.ts';
import type { Filters } from '../engine.ts';
import { checkFilterKeys, filterValues, matchesAny, matchesLabels } from '../filters.ts';
import type { EngineParts } from '../parts.ts';
import type { Container } from './container.ts';
import type { ContainerRecord } from './record.ts';
import { statusOf } from './life.ts';

const KEYS: ReadonlySet<string> = new Set([
  'ancestor',
  'before',
  'since',
  'exited',
  'expose',
  'publish',
  'health',
  'id',
  'isolation',
  'is-task',
  'label',
  'name',
  'network',
  'status',
  'volume',
]);
const STATUSES: ReadonlySet<string> = new Set([
  'created',
  'running',
  'paused',
  'restarting',
  'removing',
  'exited',
  'dead',
]);
const HEALTHS: ReadonlySet<string> = new Set(['starting', 'healthy', 'unhealthy', 'none']);

/** A predicate, and whether it also asks for containers that do not run. */
export interface ListFilter {
  readonly showsAll: boolean;
  readonly accept: (container: Container) => boolean;
}

/** Errors: `invalid` for an unknown key or value; `not-found` for `before` and `since`. */
export function compileListFilter(parts: EngineParts, filters: Filters): ListFilter {
  checkFilterKeys(filters, KEYS);
  checkValues(filters, 'status', STATUSES);
  checkValues(filters, 'health', HEALTHS);
  const exitCodes = filterValues(filters, 'exited').map(parseExitCode);
  const checks = [...relativeChecks(parts, filters), ...objectChecks(parts, filters)];
  if (exitCodes.length > 0) {
    checks.push(
      ({ state }) =>
        state.startedAtNs > 0n && state.phase === 'exited' && exitCodes.includes(state.exitCode),
    );
  }
  return {
    showsAll: ['status', 'exited', 'before', 'since'].some(
      (key) => filterValues(filters, key).length > 0,
    ),
    accept: (container) => checks.every((check) => check(container)),
  };
}

type Check = (container: Container) => boolean;

function objectChecks(parts: EngineParts, filters: Filters): Check[] {
  const patterns = filterValues(filters, 'name').map(compileName);
  const ancestors = new Set(
    filterValues(filters, 'ancestor').flatMap((ref) => imageIdsOf(parts, ref)),
  );
  const hasAncestor = filterValues(filters, 'ancestor').length > 0;
  return [
    ({ record }) => matchesLabels(filters, record.config.Labels ?? {}),
    ({ id }) => matchesAny(filters, 'id', (value) => id.startsWith(value)),
    ({ name }) => patterns.length === 0 || patterns.some((fits) => fits(name)),
    ({ record }) => !hasAncestor || ancestors.has(record.imageId),
    (container) =>
      matchesAny(
        filters,
        'status',
        (value) => statusOf(container.state, container.isRemoving) === value,
      ),
    ({ state }) => matchesAny(filters, 'health', (value) => state.health === value),
    ({ record }) => matchesAny(filters, 'network', (value) => isOnNetwork(record, value)),
    ({ record }) =>
      matchesAny(filters, 'expose', (value) => hasPort(record.config.ExposedPorts ?? {}, value)),
    ({ record }) =>
      matchesAny(filters, 'publish', (value) =>
        hasPort(record.hostConfig.PortBindings ?? {}, value),
      ),
    ({ record }) =>
      matchesAny(filters, 'volume', (value) =>
        record.mounts.some(
          (mount) =>
            mount.volume?.name === value || mount.destination === value || mount.source === value,
        ),
      ),
    () => filterValues(filters, 'is-task').every((value) => !/^(1|true)$/i.test(value)),
  ];
}

function relativeChecks(parts: EngineParts, filters: Filters): Check[] {
  const before = filterValues(filters, 'before').map(
    (ref) => parts.containers.get(ref).record.createdAtNs,
  );
  const since = filterValues(filters, 'since').map(
    (ref) => parts.containers.get(ref).record.createdAtNs,
  );
  return [
    ({ record }) => before.every((limitNs) => record.createdAtNs < limitNs),
    ({ record }) => since.every((limitNs) => record.createdAtNs > limitNs),
  ];
}

function checkValues(filters: Filters, key: string, known: ReadonlySet<string>): void {
  for (const value of filterValues(filters, key)) {
    if (!known.has(value)) throw new EngineError('invalid', `invalid filter '${key}=${value}'`);
  }
}

function parseExitCode(text: string): number {
  if (/^\d{1,3}$/.test(text)) return Number(text);
  throw new EngineError('invalid', `invalid filter 'exited=${text}'`);
}

/** Exact, else a regular expression, tried with and without the leading slash. Errors: `invalid`. */
function compileName(text: string): (name: string) => boolean {
  let pattern: RegExp;
  try {
    pattern = new RegExp(text.slice(0, 512));
  } catch {
    throw new EngineError('invalid', `invalid filter 'name=${text}': not a regular expression`);
  }
  return (name) =>
    name === text || `/${name}` === text || pattern.test(name) || pattern.test(`/${name}`);
}

/** The image a reference means, and every image built on it. */
function imageIdsOf(parts: EngineParts, ref: string): readonly string[] {
  const image = parts.images.find(ref);
  if (image === undefined) return [];
  const depth = image.chain.length;
  const top = image.chain.at(-1);
  const isBelow = (chain: readonly string[]): boolean =>
    top !== undefined && chain[depth - 1] === top;
  return [
    image.id,
    ...parts.images
      .list()
      .filter((other) => isBelow(other.chain))
      .map((other) => other.id),
  ];
}

/** `80`, `80/tcp`, `8000-8010/tcp`. */
function hasPort(ports: Readonly<Record<string, unknown>>, value: string): boolean {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/.exec(value);
  if (match === null) return false;
  const [, first = '', last = first, protocol = 'tcp'] = match;
  return Object.keys(ports).some((key) => {
    const [port, kind] = key.split('/');
    return kind === protocol && Number(port) >= Number(first) && Number(port) <= Number(last);
  });
}

/** By name of the network, or a prefix of its id. */
function isOnNetwork({ endpoints }: ContainerRecord, value: string): boolean {
  return Object.entries(endpoints).some(
    ([name, asked]) =>
      name === value || (value !== '' && (asked?.NetworkID ?? '').startsWith(value)),
  );
}

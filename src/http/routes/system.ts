/**
 * The engine itself: ping, version, info, events, disk usage.
 * Source: Docker Engine API 1.51, System; engine-api facts 1.3, 5.4, 7.
 */

import { EngineError } from '../../base/error.ts';
import type { SystemOperations } from '../../engine/engine.ts';
import type { DiskUsage, EngineEvent, SystemInfo } from '../../spec/docker/system.ts';
import type { Call } from '../call.ts';
import { object, text } from '../decode/shape.ts';
import type { ServerIdentity } from '../identity.ts';
import { encodeBigJson } from '../json.ts';
import { afterStart } from '../progress.ts';
import { type BodyReply, json, jsonType, type Reply } from '../reply.ts';
import type { Route } from '../route.ts';
import { shapeSummary } from '../shape/container.ts';
import { isShown, shapeEvent } from '../shape/event.ts';
import { shapeImageSummary } from '../shape/image.ts';
import { shapeInfo } from '../shape/info.ts';
import { parseMomentNs } from '../time.ts';
import { formatVersion, newestVersion, oldestVersion } from '../version.ts';

const pong: BodyReply = {
  kind: 'body',
  status: 200,
  contentType: 'text/plain; charset=utf-8',
  body: 'OK',
  headers: {
    // 1: the classic builder. 2 would make clients build over /grpc.
    'Builder-Version': '1',
    Swarm: 'inactive',
    'Cache-Control': 'no-cache, no-store, must-revalidate',
    Pragma: 'no-cache',
  },
};

/** Source: Engine API `AuthConfig`. */
interface AuthBody {
  readonly username?: string;
  readonly password?: string;
  readonly auth?: string;
  readonly serveraddress?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

const authBody = object<AuthBody>({
  username: text,
  password: text,
  auth: text,
  serveraddress: text,
  identitytoken: text,
  registrytoken: text,
});

/** Routes over `system`. */
export function systemRoutes(system: SystemOperations, identity: ServerIdentity): readonly Route[] {
  return [
    { method: 'GET', path: '/_ping', handle: () => pong },
    { method: 'HEAD', path: '/_ping', handle: () => ({ ...pong, body: '' }) },
    {
      method: 'GET',
      path: '/info',
      handle: async ({ version }) => json(shapeInfo(await system.info(), version)),
    },
    {
      method: 'GET',
      path: '/version',
      handle: async () => json(versionOf(await system.info(), identity)),
    },
    { method: 'GET', path: '/events', handle: (call) => events(system, call) },
    {
      method: 'GET',
      path: '/system/df',
      since: 25,
      handle: async (call) => json(shapeUsage(await system.diskUsage(), call)),
    },
    {
      method: 'POST',
      path: '/auth',
      handle: async (call) => json(await system.login(await call.body(authBody))),
    },
  ];
}

function versionOf(info: SystemInfo, identity: ServerIdentity): object {
  const arch = goArchitecture(info.Architecture);
  const details = {
    ApiVersion: formatVersion(newestVersion),
    Arch: arch,
    BuildTime: identity.buildTime,
    Experimental: String(info.ExperimentalBuild),
    GitCommit: identity.gitCommit,
    GoVersion: identity.runtime,
    KernelVersion: info.KernelVersion,
    MinAPIVersion: formatVersion(oldestVersion),
    Os: info.OSType,
  };
  return {
    Platform: { Name: 'carve' },
    Components: [{ Name: 'Engine', Version: info.ServerVersion, Details: details }],
    Version: info.ServerVersion,
    ...details,
    Experimental: info.ExperimentalBuild,
  };
}

/** Go's name for what `uname -m` says. */
function goArchitecture(machine: string): string {
  switch (machine) {
    case 'x86_64':
      return 'amd64';
    case 'aarch64':
      return 'arm64';
    default:
      return machine;
  }
}

async function events(system: SystemOperations, call: Call): Promise<Reply> {
  const sinceNs = parseMomentNs(call.query, 'since');
  const untilNs = parseMomentNs(call.query, 'until');
  if (sinceNs !== undefined && untilNs !== undefined && sinceNs > untilNs) {
    throw new EngineError('invalid', '`since` time cannot be after `until` time');
  }
  const source = await afterStart(
    system.events({
      ...(sinceNs === undefined ? {} : { sinceNs }),
      ...(untilNs === undefined ? {} : { untilNs }),
      filters: call.filters,
      signal: call.signal,
    }),
  );
  const contentType = eventType(call.header('accept'));
  const separator = contentType === 'application/json-seq' ? '\x1e' : '';
  const pieces = async function* (from: AsyncIterable<EngineEvent>): AsyncGenerator<string> {
    for await (const event of from) {
      if (isShown(event, call.version)) yield `${separator}${encodeBigJson(shapeEvent(event))}\n`;
    }
  };
  return { kind: 'stream', contentType, pieces: pieces(source), lateError: undefined };
}

/** Lines of JSON under the name the client likes; plain JSON unless it says so. */
function eventType(accept: string | undefined): string {
  const accepted = (accept ?? '').split(',').map((item) => (item.split(';')[0] ?? '').trim());
  const known = ['application/json-seq', 'application/x-ndjson', 'application/jsonl'];
  return accepted.find((type) => known.includes(type)) ?? jsonType;
}

const usageTypes: ReadonlyMap<string, string> = new Map([
  ['container', 'Containers'],
  ['image', 'Images'],
  ['volume', 'Volumes'],
  ['build-cache', 'BuildCache'],
]);

/** All of it, or from 1.42 on the parts the client named. Errors: `invalid`. */
function shapeUsage(usage: DiskUsage, call: Call): object {
  const { version } = call;
  const whole = {
    LayersSize: usage.LayersSize,
    Images: usage.Images.map((image) => shapeImageSummary(image, version, false)),
    Containers: usage.Containers.map((container) => shapeSummary(container, version)),
    Volumes: usage.Volumes,
    BuildCache: usage.BuildCache,
  };
  const types = version >= 42 ? call.query.all('type') : [];
  if (types.length === 0) return whole;
  const wanted = new Set(types.map(usageField));
  return {
    LayersSize: wanted.has('Images') ? whole.LayersSize : 0,
    Images: wanted.has('Images') ? whole.Images : null,
    Containers: wanted.has('Containers') ? whole.Containers : null,
    Volumes: wanted.has('Volumes') ? whole.Volumes : null,
    BuildCache: wanted.has('BuildCache') ? whole.BuildCache : null,
  };
}

function usageField(type: string): string {
  const field = usageTypes.get(type);
  if (field !== undefined) return field;
  throw new EngineError('invalid', `unknown object type: ${type.slice(0, 80)}`);
}

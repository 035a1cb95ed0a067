/**
 * The container endpoints of the Engine API, typed. `ref` is an id, a unique
 * prefix of one, or a name.
 *
 * Source: Docker Engine API 1.51, "Container"; `/carve/plan` is carve's own.
 */

import { EngineError, isEngineError } from '../base/error.ts';
import type {
  ContainerConfig,
  ContainerCreateBody,
  Resources,
  RestartPolicy,
} from '../spec/docker/container.ts';
import type { PathStat } from '../spec/docker/archive.ts';
import type { ContainerInspect, ContainerSummary } from '../spec/docker/inspect.ts';
import type { ContainerStats } from '../spec/docker/system.ts';
import type { RequestBody } from './http/connection.ts';
import { encodeSegment } from './http/message.ts';
import type { ByteQueue } from './http/queue.ts';
import { decodeAs, parseJson } from './decode.ts';
import { isDaemonError } from './errors.ts';
import { readJsonStream } from './json.ts';
import {
  compareVersions,
  type HijackedStream,
  type Transport,
  type TransportRequest,
} from './transport.ts';
import type { CallOptions, ConsoleSize, ExplainedPlan, Filters } from './types.ts';
import { encodeFilters } from './types.ts';

/** How `wait` ends. Source: Engine API `/containers/{id}/wait`. */
export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

/** Answer of `wait`. Source: Engine API `ContainerWaitResponse`. */
export interface WaitResponse {
  /** Exit code, 0..255. */
  readonly StatusCode: number;
  readonly Error?: { readonly Message: string } | null;
}

/** Which streams, and from when. */
export interface AttachOptions extends CallOptions {
  readonly stdin?: boolean;
  readonly stdout?: boolean;
  readonly stderr?: boolean;
  /** Replay the log first. */
  readonly logs?: boolean;
  readonly detachKeys?: string | undefined;
}

/** Which part of the log. */
export interface LogsOptions extends CallOptions {
  readonly stdout?: boolean;
  readonly stderr?: boolean;
  readonly follow?: boolean;
  readonly timestamps?: boolean;
  readonly details?: boolean;
  /** Seconds since the epoch, with up to nine decimals. */
  readonly since?: string | undefined;
  /** Seconds since the epoch, with up to nine decimals. */
  readonly until?: string | undefined;
  /** A count of lines, or `all`. */
  readonly tail?: string | undefined;
}

/** A log as it comes. */
export interface LogStream {
  /** Each piece of output is in a frame that says its stream. */
  readonly isFramed: boolean;
  readonly output: ByteQueue;
}

/** How to stop. */
export interface StopOptions extends CallOptions {
  readonly signalName?: string | undefined;
  /** Before SIGKILL; negative: for ever. */
  readonly timeoutSeconds?: number | undefined;
}

/** A changed path: 0 modified, 1 added, 2 deleted. Source: Engine API `FilesystemChange`. */
export interface FilesystemChange {
  readonly Path: string;
  readonly Kind: 0 | 1 | 2;
}

/** What to unpack in a container. */
export interface PutArchiveOptions extends CallOptions {
  readonly archive: RequestBody;
  /** Give everything to the container's user. */
  readonly copyOwner?: boolean;
}

/** What to make an image of. */
export interface CommitOptions extends CallOptions {
  readonly repository?: string;
  readonly tag?: string;
  readonly comment?: string;
  readonly author?: string;
  readonly pause: boolean;
  readonly changes: readonly string[];
  readonly config?: ContainerConfig;
}

/** Operations on containers. Every method throws `EngineError`. */
export interface ContainerClient {
  create(
    body: ContainerCreateBody,
    options?: CallOptions & {
      readonly name?: string | undefined;
      readonly platform?: string | undefined;
    },
  ): Promise<{ readonly Id: string; readonly Warnings: readonly string[] | null }>;
  /** `false` when it was running already. */
  start(
    ref: string,
    options?: CallOptions & { readonly detachKeys?: string | undefined },
  ): Promise<boolean>;
  /** `false` when it was not running. */
  stop(ref: string, options?: StopOptions): Promise<boolean>;
  restart(ref: string, options?: StopOptions): Promise<void>;
  kill(ref: string, signalName?: string, options?: CallOptions): Promise<void>;
  remove(
    ref: string,
    options?: CallOptions & {
      readonly force?: boolean;
      readonly volumes?: boolean;
      readonly link?: boolean;
    },
  ): Promise<void>;
  /** Settles as soon as the engine watches; `result` when the condition is met. */
  wait(
    ref: string,
    condition?: WaitCondition,
    options?: CallOptions,
  ): Promise<{ readonly result: Promise<WaitResponse> }>;
  attach(ref: string, options: AttachOptions): Promise<HijackedStream>;
  /** The log; `isFramed` unless the container has a console. */
  logs(ref: string, options: LogsOptions): Promise<LogStream>;
  resize(ref: string, size: ConsoleSize): Promise<void>;
  rename(ref: string, name: string): Promise<void>;
  pause(ref: string): Promise<void>;
  unpause(ref: string): Promise<void>;
  top(
    ref: string,
    psArgs?: string,
  ): Promise<{
    readonly Titles: readonly string[];
    readonly Processes: readonly (readonly string[])[] | null;
  }>;
  inspect(
    ref: string,
    options?: CallOptions & { readonly size?: boolean },
  ): Promise<ContainerInspect>;
  list(
    options?: CallOptions & {
      readonly all?: boolean;
      /** Count of the containers created last. */
      readonly limit?: number | undefined;
      readonly size?: boolean;
      readonly filters?: Filters;
    },
  ): Promise<readonly ContainerSummary[]>;
  update(
    ref: string,
    resources: Resources & { readonly RestartPolicy?: RestartPolicy },
  ): Promise<{ readonly Warnings: readonly string[] | null }>;
  prune(filters?: Filters): Promise<{
    readonly ContainersDeleted: readonly string[] | null;
    /** Bytes. */
    readonly SpaceReclaimed: number;
  }>;
  /** One sample a second, or one alone. */
  stats(
    ref: string,
    options: CallOptions & { readonly stream: boolean; readonly oneShot?: boolean },
  ): AsyncIterable<ContainerStats>;
  changes(ref: string): Promise<readonly FilesystemChange[] | null>;
  /** The root file system as a tar stream. */
  export(ref: string, options?: CallOptions): Promise<ByteQueue>;
  /** What a path of the container is. Throws `not-found`. */
  statPath(ref: string, path: string): Promise<PathStat>;
  /** A tar stream of `path`, and what it is. */
  getArchive(
    ref: string,
    path: string,
    options?: CallOptions,
  ): Promise<{ readonly stat: PathStat; readonly archive: ByteQueue }>;
  /** Unpacks a tar stream, compressed or not, below the directory `path`. */
  putArchive(ref: string, path: string, options: PutArchiveOptions): Promise<void>;
  commit(ref: string, options: CommitOptions): Promise<{ readonly Id: string }>;
  /** The plan a create and start of `body` would run; changes nothing. */
  planRun(
    body: ContainerCreateBody,
    options?: { readonly name?: string | undefined; readonly platform?: string | undefined },
  ): Promise<ExplainedPlan>;
  planStart(ref: string): Promise<ExplainedPlan>;
}

/** The container endpoints of one engine. */
export function createContainerClient(transport: Transport): ContainerClient {
  return {
    ...lifecycleOf(transport),
    ...recordsOf(transport),
    ...streamsOf(transport),
    ...viewsOf(transport),
    ...archivesOf(transport),
  };
}

function pathOf(ref: string, verb: string): string {
  if (ref === '' || ref === '/')
    throw new EngineError('invalid', 'The name of a container cannot be empty');
  return `/containers/${encodeSegment(ref)}${verb}`;
}

function post(ref: string, verb: string, more: Partial<TransportRequest> = {}): TransportRequest {
  return { method: 'POST', path: pathOf(ref, verb), ...more };
}

function lifecycleOf(
  transport: Transport,
): Pick<
  ContainerClient,
  'start' | 'stop' | 'restart' | 'kill' | 'remove' | 'rename' | 'pause' | 'unpause'
> {
  const stopQuery = (options: StopOptions): Partial<TransportRequest> => ({
    query: { signal: options.signalName, t: options.timeoutSeconds },
    signal: options.signal,
  });
  return {
    start: async (ref, { detachKeys, signal } = {}) =>
      (await transport.send(post(ref, '/start', { query: { detachKeys }, signal }))) !== 304,
    stop: async (ref, options = {}) =>
      (await transport.send(post(ref, '/stop', stopQuery(options)))) !== 304,
    restart: async (ref, options = {}) => {
      await transport.send(post(ref, '/restart', stopQuery(options)));
    },
    kill: async (ref, signalName, { signal } = {}) => {
      await transport.send(post(ref, '/kill', { query: { signal: signalName }, signal }));
    },
    remove: async (ref, { force, volumes, link, signal } = {}) => {
      await transport.send({
        method: 'DELETE',
        path: pathOf(ref, ''),
        query: { v: volumes, force, link },
        signal,
      });
    },
    rename: async (ref, name) => {
      await transport.send(post(ref, '/rename', { query: { name } }));
    },
    pause: async (ref) => {
      await transport.send(post(ref, '/pause'));
    },
    unpause: async (ref) => {
      await transport.send(post(ref, '/unpause'));
    },
  };
}

function recordsOf(
  transport: Transport,
): Pick<ContainerClient, 'create' | 'update' | 'prune' | 'commit' | 'planRun' | 'planStart'> {
  return {
    create: (body, { name, platform, signal } = {}) =>
      transport.json({
        method: 'POST',
        path: '/containers/create',
        query: { name, platform },
        json: body,
        signal,
      }),
    update: (ref, resources) => transport.json(post(ref, '/update', { json: resources })),
    prune: (filters) =>
      transport.json({
        method: 'POST',
        path: '/containers/prune',
        query: { filters: encodeFilters(filters) },
      }),
    commit: (ref, { repository, tag, comment, author, pause, changes, config, signal }) =>
      transport.json({
        method: 'POST',
        path: '/commit',
        query: {
          container: ref,
          repo: repository,
          tag,
          comment,
          author,
          pause: pause ? '1' : '0',
          changes,
        },
        ...(config === undefined ? {} : { json: config }),
        signal,
      }),
    planRun: (body, { name, platform } = {}) =>
      transport.json({
        method: 'POST',
        path: '/carve/plan/run',
        query: { name, platform },
        json: body,
      }),
    planStart: (ref) =>
      transport.json({ method: 'POST', path: `/carve/plan/start/${encodeSegment(ref)}` }),
  };
}

function streamsOf(
  transport: Transport,
): Pick<ContainerClient, 'wait' | 'attach' | 'logs' | 'resize' | 'stats'> {
  return {
    wait: async (ref, condition = 'not-running', { signal } = {}) => {
      const { body } = await transport.stream(post(ref, '/wait', { query: { condition }, signal }));
      const result = firstOf<WaitResponse>(body);
      // The caller may never look: a failure then is nobody's.
      result.catch(() => undefined);
      return { result };
    },
    attach: (ref, { stdin, stdout, stderr, logs, detachKeys, signal }) =>
      transport.hijack(
        post(ref, '/attach', {
          query: { stream: true, stdin, stdout, stderr, logs, detachKeys },
          signal,
        }),
      ),
    logs: async (
      ref,
      { stdout, stderr, follow, timestamps, details, since, until, tail, signal },
    ) => {
      const query = { stdout, stderr, follow, timestamps, details, since, until, tail };
      const { headers, body } = await transport.stream({
        method: 'GET',
        path: pathOf(ref, '/logs'),
        query,
        signal,
      });
      const isFramed = headers.get('content-type')?.includes('multiplexed') === true;
      // Engines before 1.42 do not say it: the container's configuration does.
      if (isFramed || compareVersions(transport.apiVersion, '1.42') >= 0)
        return { isFramed, output: body };
      const { Config } = await transport.json<ContainerInspect>({
        method: 'GET',
        path: pathOf(ref, '/json'),
        signal,
      });
      return { isFramed: Config.Tty !== true, output: body };
    },
    resize: async (ref, { rows, columns }) => {
      await transport.send(post(ref, '/resize', { query: { h: rows, w: columns } }));
    },
    stats: async function* (ref, { stream, oneShot, signal }) {
      const query = { stream: stream ? '1' : '0', 'one-shot': oneShot };
      const { body } = await transport.stream({
        method: 'GET',
        path: pathOf(ref, '/stats'),
        query,
        signal,
      });
      for await (const sample of readJsonStream(body)) yield decodeAs<ContainerStats>(sample);
    },
  };
}

function viewsOf(
  transport: Transport,
): Pick<ContainerClient, 'top' | 'inspect' | 'list' | 'changes'> {
  return {
    top: (ref, psArgs) =>
      transport.json({ method: 'GET', path: pathOf(ref, '/top'), query: { ps_args: psArgs } }),
    inspect: (ref, { size, signal } = {}) =>
      transport.json({ method: 'GET', path: pathOf(ref, '/json'), query: { size }, signal }),
    list: ({ all, limit, size, filters, signal } = {}) =>
      transport.json({
        method: 'GET',
        path: '/containers/json',
        query: { all, limit, size, filters: encodeFilters(filters) },
        signal,
      }),
    changes: (ref) => transport.json({ method: 'GET', path: pathOf(ref, '/changes') }),
  };
}

function archivesOf(
  transport: Transport,
): Pick<ContainerClient, 'export' | 'statPath' | 'getArchive' | 'putArchive'> {
  return {
    export: async (ref, { signal } = {}) =>
      (await transport.stream({ method: 'GET', path: pathOf(ref, '/export'), signal })).body,
    statPath: async (ref, path) => {
      const request = { path: pathOf(ref, '/archive'), query: { path } };
      try {
        const { headers, body } = await transport.stream({ method: 'HEAD', ...request });
        body.cancel();
        return pathStatOf(headers);
      } catch (error) {
        if (!isEngineError(error) || !isDaemonError(error)) throw error;
        // The answer to HEAD has no text: that to GET says what is wrong.
        const { headers, body } = await transport.stream({ method: 'GET', ...request });
        body.cancel();
        return pathStatOf(headers);
      }
    },
    getArchive: async (ref, path, { signal } = {}) => {
      const request = {
        method: 'GET',
        path: pathOf(ref, '/archive'),
        query: { path },
        signal,
      } as const;
      const { headers, body } = await transport.stream(request);
      return { stat: pathStatOf(headers), archive: body };
    },
    putArchive: async (ref, path, { archive, copyOwner, signal }) => {
      await transport.send({
        method: 'PUT',
        path: pathOf(ref, '/archive'),
        query: { path, noOverwriteDirNonDir: true, copyUIDGID: copyOwner },
        body: archive,
        contentType: 'application/x-tar',
        signal,
      });
    },
  };
}

function pathStatOf(headers: ReadonlyMap<string, string>): PathStat {
  const encoded = headers.get('x-docker-container-path-stat');
  if (encoded === undefined) {
    throw new EngineError(
      'corrupt',
      'Cannot read the response of the engine: it does not say what the path is',
    );
  }
  return decodeAs<PathStat>(parseJson(Buffer.from(encoded, 'base64').toString('utf8')));
}

/** The one object of a stream. */
async function firstOf<T>(body: ByteQueue): Promise<T> {
  for await (const value of readJsonStream(body)) return decodeAs<T>(value);
  throw new EngineError(
    'unavailable',
    'Lost the connection to the carve daemon while it waited for the container',
    {
      details: { code: 'ECONNRESET' },
    },
  );
}

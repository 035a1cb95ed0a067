/**
 * What a container says and does, as it happens.
 * Source: Docker Engine API 1.51, Container; engine-api facts 3, 5.3, 5.5.
 */

import { EngineError } from '../../base/error.ts';
import type { ContainerOperations, WaitCondition } from '../../engine/engine.ts';
import { parseDetachKeys } from '../../spec/docker/detach-keys.ts';
import { encodeFrame } from '../frame.ts';
import type { Call } from '../call.ts';
import { encodeBigJson, encodeJson } from '../json.ts';
import { afterFirst, mapPieces } from '../progress.ts';
import { bigJson, json, jsonType, type Reply } from '../reply.ts';
import type { Route } from '../route.ts';
import { parseMomentNs } from '../time.ts';

const rawType = 'application/vnd.docker.raw-stream';
const framedType = 'application/vnd.docker.multiplexed-stream';

/** Routes over `containers`. */
export function containerStreamRoutes(containers: ContainerOperations): readonly Route[] {
  return [
    {
      method: 'POST',
      path: '/containers/{name}/attach',
      handle: (call) => attach(containers, call),
    },
    { method: 'GET', path: '/containers/{name}/logs', handle: (call) => logs(containers, call) },
    { method: 'POST', path: '/containers/{name}/wait', handle: (call) => wait(containers, call) },
    { method: 'GET', path: '/containers/{name}/stats', handle: (call) => stats(containers, call) },
    {
      method: 'GET',
      path: '/containers/{name}/top',
      handle: async (call) =>
        json(await containers.top(call.name, call.query.nonEmpty('ps_args') ?? '-ef')),
    },
    {
      method: 'GET',
      path: '/containers/{name}/changes',
      handle: async (call) => json(await containers.changes(call.name)),
    },
    {
      method: 'GET',
      path: '/containers/{name}/export',
      handle: async (call) => ({
        kind: 'stream',
        contentType: 'application/octet-stream',
        pieces: await containers.export(call.name, { signal: call.signal }),
        lateError: undefined,
      }),
    },
  ];
}

/** Content-Type of the streams of a process: the framing itself does not depend on it. */
export function streamType(framing: 'raw' | 'multiplexed', version: number): string {
  return framing === 'multiplexed' && version >= 42 ? framedType : rawType;
}

async function attach(containers: ContainerOperations, call: Call): Promise<Reply> {
  const { query } = call;
  const detachKeys = parseDetachKeys(query.text('detachKeys'));
  // dockerode repeats the query as a body; what follows it is input.
  await call.ignoreBody();
  const hasInput = query.boolean('stdin') && query.boolean('stream');
  const keysText = query.nonEmpty('detachKeys');
  const attachment = await containers.attach(call.name, {
    stdin: hasInput,
    stdout: query.boolean('stdout'),
    stderr: query.boolean('stderr'),
    logs: query.boolean('logs'),
    stream: query.boolean('stream'),
    ...(keysText === undefined ? {} : { detachKeys: keysText }),
  });
  return {
    kind: 'hijack',
    attachment,
    contentType: streamType(attachment.framing, call.version),
    hasInput,
    detachKeys: attachment.framing === 'raw' ? detachKeys : undefined,
  };
}

async function logs(containers: ContainerOperations, call: Call): Promise<Reply> {
  const { query } = call;
  const stdout = query.boolean('stdout');
  const stderr = query.boolean('stderr');
  if (!stdout && !stderr) {
    throw new EngineError('invalid', 'Bad parameters: you must choose at least one stream');
  }
  const sinceNs = parseMomentNs(query, 'since');
  const untilNs = parseMomentNs(query, 'until');
  const tail = tailCount(query.text('tail'));
  const { framing, chunks } = await containers.logs(call.name, {
    stdout,
    stderr,
    follow: query.boolean('follow'),
    timestamps: query.boolean('timestamps'),
    details: query.boolean('details'),
    ...(sinceNs === undefined ? {} : { sinceNs }),
    ...(untilNs === undefined || untilNs === 0n ? {} : { untilNs }),
    ...(tail === undefined ? {} : { tail }),
    signal: call.signal,
  });
  return {
    kind: 'stream',
    contentType: streamType(framing, call.version),
    pieces: chunks,
    lateError: (message) => {
      const text = `Error grabbing logs: ${message}\n`;
      return framing === 'raw' ? text : encodeFrame('error', text);
    },
  };
}

/** A number, else everything: `all` and what old clients send. */
function tailCount(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** The head leaves at once: Go's client starts the container only when it has it. */
function wait(containers: ContainerOperations, call: Call): Reply {
  const condition = waitCondition(call);
  const { result } = containers.wait(call.name, condition, { signal: call.signal });
  // Its failure is told by the pieces, even when the client leaves before they are read.
  result.catch(() => undefined);
  const pieces = async function* (): AsyncGenerator<string> {
    const { statusCode, error } = await result;
    const body = error === undefined ? {} : { Error: { Message: error } };
    yield `${encodeJson({ StatusCode: statusCode, ...body })}\n`;
  };
  return {
    kind: 'stream',
    contentType: jsonType,
    pieces: pieces(),
    lateError: (message) => `${encodeJson({ StatusCode: -1, Error: { Message: message } })}\n`,
  };
}

function waitCondition(call: Call): WaitCondition {
  const text = call.version >= 30 ? call.query.nonEmpty('condition') : undefined;
  switch (text) {
    case undefined:
      return 'not-running';
    case 'not-running':
    case 'next-exit':
    case 'removed':
      return text;
    default:
      throw new EngineError('invalid', `invalid condition: ${JSON.stringify(text.slice(0, 80))}`);
  }
}

async function stats(containers: ContainerOperations, call: Call): Promise<Reply> {
  const stream = call.query.boolean('stream', true);
  const oneShot = call.version >= 41 && call.query.boolean('one-shot');
  if (stream && oneShot) {
    throw new EngineError('invalid', 'cannot have stream=true and one-shot=true');
  }
  const samples = containers.stats(call.name, { stream, oneShot, signal: call.signal });
  if (!stream) {
    for await (const sample of samples) return bigJson(sample);
    throw new EngineError('cancelled', 'The container was gone before its resources were read');
  }
  return {
    kind: 'stream',
    contentType: jsonType,
    pieces: mapPieces(await afterFirst(samples), (sample) => `${encodeBigJson(sample)}\n`),
    lateError: undefined,
  };
}

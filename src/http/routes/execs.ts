/**
 * Further processes in running containers.
 * Source: Docker Engine API 1.51, Exec; engine-api facts 3.1, 5.8.
 */

import { Duplex } from 'node:stream';
import { EngineError, isEngineError } from '../../base/error.ts';
import type { Attachment, ExecOperations } from '../../engine/engine.ts';
import { parseDetachKeys } from '../../spec/docker/detach-keys.ts';
import { encodeFrame } from '../frame.ts';
import type { Call } from '../call.ts';
import { execConfig, execStartBody, type ExecStartBody } from '../decode/container.ts';
import { empty, json, type Reply } from '../reply.ts';
import type { Route } from '../route.ts';
import { textOfError } from '../status.ts';
import { streamType } from './container-streams.ts';
import { consoleSize } from './containers.ts';

/** Routes over `execs`. */
export function execRoutes(execs: ExecOperations): readonly Route[] {
  return [
    { method: 'POST', path: '/containers/{name}/exec', handle: (call) => create(execs, call) },
    { method: 'POST', path: '/exec/{name}/start', handle: (call) => start(execs, call) },
    {
      method: 'POST',
      path: '/exec/{name}/resize',
      handle: async (call) => {
        await execs.resize(call.name, consoleSize(call));
        return empty(200);
      },
    },
    {
      method: 'GET',
      path: '/exec/{name}/json',
      handle: async (call) => json(await execs.inspect(call.name)),
    },
  ];
}

async function create(execs: ExecOperations, call: Call): Promise<Reply> {
  const config = await call.body(execConfig);
  if (config?.Cmd === undefined || config.Cmd === null || config.Cmd.length === 0) {
    throw new EngineError('invalid', 'No exec command specified');
  }
  parseDetachKeys(config.DetachKeys);
  const { id } = await execs.create(call.name, config);
  return json({ Id: id }, 201);
}

async function start(execs: ExecOperations, call: Call): Promise<Reply> {
  const body = (await call.body(execStartBody)) ?? {};
  const detach = body.Detach ?? false;
  const tty = body.Tty ?? false;
  const size = call.version >= 42 && tty ? sizeOf(body) : undefined;
  const options = { detach, tty, ...(size === undefined ? {} : { consoleSize: size }) };
  const detachKeys =
    tty && !detach ? parseDetachKeys((await execs.inspect(call.name)).DetachKeys) : undefined;
  const attachment = await attached(() => execs.start(call.name, options), options);
  if (attachment === undefined) return empty(200);
  return {
    kind: 'hijack',
    attachment,
    contentType: streamType(attachment.framing, call.version),
    hasInput: true,
    detachKeys,
  };
}

/**
 * A program that cannot be run is told on its own output, as its exit code is
 * told by inspect: clients look for both there, not at the status.
 */
async function attached(
  begin: () => Promise<Attachment | undefined>,
  { detach, tty }: { readonly detach: boolean; readonly tty: boolean },
): Promise<Attachment | undefined> {
  try {
    return await begin();
  } catch (error) {
    if (detach || !isEngineError(error) || error.details['exitCode'] === undefined) throw error;
    return spoken(`${textOfError(error)}\r\n`, tty);
  }
}

/** Output that is just `text`; input is thrown away. */
function spoken(text: string, tty: boolean): Attachment {
  const stream = new Duplex({
    read: () => undefined,
    write: (_chunk, _encoding, done) => done(),
  });
  stream.push(tty ? text : encodeFrame('stdout', text));
  stream.push(null);
  return { framing: tty ? 'raw' : 'multiplexed', stream };
}

/** `[rows, columns]`; zeros mean unset. Errors: `invalid`. */
function sizeOf(
  body: ExecStartBody,
): { readonly rows: number; readonly columns: number } | undefined {
  const { ConsoleSize: size } = body;
  if (size === undefined || size.length === 0) return undefined;
  const [rows = 0, columns = 0] = size;
  if (size.length !== 2 || rows < 0 || columns < 0 || rows > 0xffff || columns > 0xffff) {
    throw new EngineError('invalid', 'Invalid ConsoleSize: it must be [rows, columns]');
  }
  return rows === 0 && columns === 0 ? undefined : { rows, columns };
}

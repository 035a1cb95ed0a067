/**
 * `logs`: a container's output, ready to send.
 * Source: Engine API `GET /containers/{id}/logs`; engine-api facts 5.3.
 */

import { EngineError, messageOf } from '../../base/error.ts';
import { encodeStreamFrame, STREAM_NUMBER, streamFrameHeader } from '../../spec/stream-frame.ts';
import { formatFixedTimeNs } from '../../spec/time.ts';
import type { LogOptions } from '../engine.ts';
import type { LogLine, LogQuery } from '../log-reader.ts';
import type { EngineParts } from '../parts.ts';
import type { Container } from './container.ts';
import { runDirOf, stateDirOf } from './paths.ts';

/** What `logs` answers. */
export interface LogAnswer {
  /** `raw` with a console, `multiplexed` without. */
  readonly framing: 'raw' | 'multiplexed';
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** Errors: `not-found`; `invalid` without a stream; `unsupported` without a log. */
export function readLogs(parts: EngineParts, ref: string, options: LogOptions): LogAnswer {
  const container = parts.containers.get(ref);
  if (!options.stdout && !options.stderr) {
    throw new EngineError('invalid', 'Bad parameters: you must choose at least one stream');
  }
  if (container.record.log.kind === 'none') {
    throw new EngineError('unsupported', 'configured logging driver does not support reading');
  }
  const framing = container.record.config.Tty === true ? 'raw' : 'multiplexed';
  return { framing, chunks: encodeLog(parts, container, { options, framing }) };
}

async function* encodeLog(
  parts: EngineParts,
  container: Container,
  how: { readonly options: LogOptions; readonly framing: 'raw' | 'multiplexed' },
): AsyncGenerator<Uint8Array, void, undefined> {
  const { options, framing } = how;
  const prefix = makePrefix(container, options);
  try {
    for await (const batch of openLog(parts, container, options)) {
      yield Buffer.concat(batch.flatMap((line) => encodeLine(line, prefix?.(line), framing)));
    }
  } catch (error) {
    if (options.signal?.aborted === true) return;
    const text = new TextEncoder().encode(`Error grabbing logs: ${messageOf(error)}\n`);
    yield framing === 'raw' ? text : encodeStreamFrame(STREAM_NUMBER.error, text);
  }
}

function encodeLine(
  line: LogLine,
  head: Uint8Array | undefined,
  framing: 'raw' | 'multiplexed',
): readonly Uint8Array[] {
  const pieces = head === undefined ? [line.bytes] : [head, line.bytes];
  if (framing === 'raw') return pieces;
  const bytes = line.bytes.length + (head?.length ?? 0);
  return [streamFrameHeader(STREAM_NUMBER[line.stream], bytes), ...pieces];
}

/** The lines a client asked for. */
export function openLog(
  parts: EngineParts,
  container: Container,
  options: LogOptions,
): AsyncIterable<readonly LogLine[]> {
  const query: LogQuery = {
    stdout: options.stdout,
    stderr: options.stderr,
    follow: options.follow && container.isAlive,
    bulk: !options.timestamps && !options.details,
    ...(options.tail === undefined ? {} : { tail: options.tail }),
    ...(options.sinceNs === undefined ? {} : { sinceNs: options.sinceNs }),
    ...(options.untilNs === undefined ? {} : { untilNs: options.untilNs }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
  const { id } = container;
  return parts.logs.read(
    { stateDir: stateDirOf(parts.paths, id), runDir: runDirOf(parts.paths, id) },
    query,
  );
}

/** What stands before each line; `undefined`: nothing. */
function makePrefix(
  container: Container,
  options: LogOptions,
): ((line: LogLine) => Uint8Array) | undefined {
  if (!options.timestamps && !options.details) return undefined;
  const details = options.details ? `${logDetails(container)} ` : '';
  const encoder = new TextEncoder();
  return (line) =>
    encoder.encode((options.timestamps ? `${formatFixedTimeNs(line.timeNs)} ` : '') + details);
}

/** Labels and variables that `--log-opt labels=` and `env=` chose, sorted, URL-escaped. */
function logDetails(container: Container): string {
  const { config, hostConfig } = container.record;
  const options = hostConfig.LogConfig?.Config ?? {};
  const chosen = new Map<string, string>();
  const labels = config.Labels ?? {};
  for (const key of split(options['labels']))
    if (Object.hasOwn(labels, key)) chosen.set(key, labels[key] ?? '');
  const names = new Set(split(options['env']));
  for (const entry of config.Env ?? []) {
    const at = entry.indexOf('=');
    if (names.has(entry.slice(0, at))) chosen.set(entry.slice(0, at), entry.slice(at + 1));
  }
  return [...chosen]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`)
    .join(',');
}

function split(text: string | undefined): readonly string[] {
  return text === undefined || text === '' ? [] : text.split(',');
}

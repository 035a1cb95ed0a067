/**
 * `attach`: a client on a container's streams, before it starts or while it runs.
 * Source: Engine API `POST /containers/{id}/attach`; engine-api facts 3.2.
 */

import { Duplex } from 'node:stream';
import { EngineError } from '../../base/error.ts';
import type { AttachRequest } from '../../runtime/runtime.ts';
import type { Attachment, AttachOptions } from '../engine.ts';
import type { EngineParts } from '../parts.ts';
import { announce } from './announce.ts';
import type { Container } from './container.ts';
import { readLogs } from './logs.ts';

/** Errors: `not-found`; `conflict` when paused, restarting or being removed. */
export async function attachContainer(
  parts: EngineParts,
  ref: string,
  options: AttachOptions,
): Promise<Attachment> {
  const container = parts.containers.get(ref);
  checkAttachable(container, ref);
  const framing = container.record.config.Tty === true ? 'raw' : 'multiplexed';
  const stream = options.stream
    ? await openStream(container, options)
    : replay(parts, ref, options);
  announce(parts, container, 'attach');
  if (options.stream) leaveWithStdin(parts, container, { options, stream });
  // Gone while the process still runs: the client left, by keys or by its connection.
  stream.once('close', () => {
    if (container.isAlive && !stream.readableEnded) announce(parts, container, 'detach');
  });
  return { framing, stream };
}

/** Milliseconds in which the answer to a client's last input may still reach it. */
const LAST_ANSWER_MS = 100;

/**
 * Where stdin outlives its client (no `StdinOnce`, or a terminal), a client
 * whose input ended is done: as in Docker, its attachment ends, the process goes on.
 */
function leaveWithStdin(
  parts: EngineParts,
  container: Container,
  { options, stream }: { readonly options: AttachOptions; readonly stream: Duplex },
): void {
  const { OpenStdin: isOpen, StdinOnce: isOnce, Tty: isTerminal } = container.record.config;
  if (!options.stdin || isOpen !== true || (isOnce === true && isTerminal !== true)) return;
  stream.once('finish', () => {
    parts.clock.after(LAST_ANSWER_MS, () => stream.destroy());
  });
}

function checkAttachable(container: Container, ref: string): void {
  const { phase } = container.state;
  if (phase === 'paused') {
    throw new EngineError(
      'conflict',
      `container ${ref} is paused, unpause the container before attach`,
    );
  }
  if (phase === 'restarting') {
    throw new EngineError(
      'conflict',
      `container ${ref} is restarting, wait until the container is running`,
    );
  }
  if (container.isRemoving) {
    throw new EngineError(
      'conflict',
      `container ${ref} is marked for removal and cannot be attached to`,
    );
  }
}

/** To the process, or to the one that the next start brings. */
async function openStream(container: Container, options: AttachOptions): Promise<Duplex> {
  const request: AttachRequest = {
    stdin: options.stdin && container.record.config.OpenStdin === true,
    stdout: options.stdout,
    stderr: options.stderr,
    logs: options.logs,
    // Whoever was there before the start is the foreground: it misses nothing.
    lossless: container.live === undefined,
  };
  if (container.live === undefined) return container.attachments.wait(request);
  return container.attachments.attach(container.live.runtime, request);
}

/** The log so far, and no more. */
function replay(parts: EngineParts, ref: string, options: AttachOptions): Duplex {
  if (!options.logs) return emptyStream();
  const { chunks } = readLogs(parts, ref, {
    stdout: options.stdout,
    stderr: options.stderr,
    follow: false,
    timestamps: false,
    details: false,
  });
  return Duplex.from(chunks);
}

function emptyStream(): Duplex {
  const stream = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  stream.push(null);
  return stream;
}

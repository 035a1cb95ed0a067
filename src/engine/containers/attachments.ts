/**
 * Clients that see a container's output: those that wait for its start, and
 * those connected to its process.
 */

import type { Duplex } from 'node:stream';
import { messageOf } from '../../base/error.ts';
import type { Log } from '../../base/log.ts';
import type { AttachRequest, RunningContainer } from '../../runtime/runtime.ts';
import type { LateDuplex } from './late-duplex.ts';
import { lateDuplex } from './late-duplex.ts';

interface Waiting {
  readonly request: AttachRequest;
  readonly late: LateDuplex;
}

/** The clients of one container. */
export class Attachments {
  readonly #log: Log;
  #waiting = new Set<Waiting>();
  readonly #open = new Set<Duplex>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Count of clients that wait for a start. */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** Count of clients that are connected. */
  get openCount(): number {
    return this.#open.size;
  }

  /** A stream that connects at the next start. */
  wait(request: AttachRequest): Duplex {
    const entry: Waiting = { request, late: lateDuplex() };
    this.#waiting.add(entry);
    entry.late.stream.once('close', () => this.#waiting.delete(entry));
    return this.#keep(entry.late.stream);
  }

  /** A stream to a process that runs. */
  async attach(running: RunningContainer, request: AttachRequest): Promise<Duplex> {
    const late = lateDuplex();
    late.connect(await running.attach(request), async () => running.exited);
    return this.#keep(late.stream);
  }

  /** The container started: everyone who waits is connected. */
  connect(running: RunningContainer): void {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const { request, late } of waiting) {
      running.attach(request).then(
        (target) => late.connect(target, async () => running.exited),
        (error: unknown) => {
          this.#log.warn('attach failed', { error: messageOf(error) });
          late.endUnconnected();
        },
      );
    }
  }

  /** There will be no start: everyone who waits is told by the end of the stream. */
  endWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const { late } of waiting) late.endUnconnected();
  }

  /** Resolves when no client is connected any more. */
  async drained(): Promise<void> {
    await Promise.all([...this.#open].map((stream) => closed(stream)));
  }

  #keep(stream: Duplex): Duplex {
    this.#open.add(stream);
    stream.once('close', () => this.#open.delete(stream));
    return stream;
  }
}

async function closed(stream: Duplex): Promise<void> {
  if (stream.closed) return;
  await new Promise<void>((resolve) => stream.once('close', () => resolve()));
}

/**
 * Events: the last 256 for clients that ask for the past, and a stream for
 * each that follows.
 *
 * **Invariants**
 * - Publishing never waits and never fails.
 * - A follower that does not read is cut off, not buffered for: at most
 *   `FOLLOWER_MAX` events wait for it.
 *
 * Source: Engine API `GET /events`.
 */

import type { Clock } from '../../base/clock.ts';
import { EngineError } from '../../base/error.ts';
import type { EngineEvent, EventType } from '../../spec/docker/system.ts';

/** Count of past events kept. Source: dockerd's own figure. */
export const RING_SIZE = 256;
/** Count of events that may wait for one follower. */
export const FOLLOWER_MAX = 4096;

/** What happened to whom. */
export interface EventFacts {
  readonly type: EventType;
  readonly action: string;
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** What a follower wants. */
export interface FollowOptions {
  /** Nanoseconds since the epoch: past events from here on; `undefined` with `untilNs` set: all kept ones. */
  readonly sinceNs?: bigint;
  /** Nanoseconds since the epoch: where the stream ends. */
  readonly untilNs?: bigint;
  readonly accept: (event: EngineEvent) => boolean;
  readonly signal?: AbortSignal;
}

/** The events of one engine. */
export class EventBus {
  readonly #clock: Clock;
  readonly #ring: EngineEvent[] = [];
  readonly #followers = new Set<Follower>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Count of clients that follow. */
  get followerCount(): number {
    return this.#followers.size;
  }

  publish(facts: EventFacts): void {
    const timeNano = this.#clock.nowNs();
    const event: EngineEvent = {
      Type: facts.type,
      Action: facts.action,
      Actor: { ID: facts.id, Attributes: facts.attributes },
      scope: 'local',
      time: Number(timeNano / 1_000_000_000n),
      timeNano,
    };
    this.#ring.push(event);
    if (this.#ring.length > RING_SIZE) this.#ring.shift();
    for (const follower of this.#followers) follower.offer(event);
  }

  /** Errors: `exhausted` when the reader is too slow. Ends at `untilNs` or when aborted. */
  async *follow(options: FollowOptions): AsyncGenerator<EngineEvent, void, undefined> {
    const { sinceNs, untilNs, signal } = options;
    const nowNs = this.#clock.nowNs();
    // Registered before the past is replayed: nothing between the two is missed.
    const follower = new Follower(options);
    this.#followers.add(follower);
    const end = (): void => follower.end();
    signal?.addEventListener('abort', end, { once: true });
    const waitMs =
      untilNs === undefined ? undefined : Math.max(0, Number((untilNs - nowNs) / 1_000_000n));
    const timer = waitMs === undefined ? undefined : this.#clock.after(waitMs, end);
    try {
      if (sinceNs !== undefined || untilNs !== undefined) yield* this.#past(options);
      if (untilNs !== undefined && untilNs <= nowNs) return;
      if (signal?.aborted !== true) yield* follower.events();
    } finally {
      timer?.cancel();
      signal?.removeEventListener('abort', end);
      this.#followers.delete(follower);
    }
  }

  /** All streams end. */
  close(): void {
    for (const follower of this.#followers) follower.end();
  }

  *#past(options: FollowOptions): Generator<EngineEvent, void, undefined> {
    // Of a copy: the ring moves while the client reads.
    for (const event of Array.from(this.#ring)) {
      if (options.sinceNs !== undefined && event.timeNano < options.sinceNs) continue;
      if (options.untilNs !== undefined && event.timeNano > options.untilNs) continue;
      if (options.accept(event)) yield event;
    }
  }
}

/** One client's queue. */
class Follower {
  readonly #accept: (event: EngineEvent) => boolean;
  #queue: EngineEvent[] = [];
  #wake: (() => void) | undefined;
  #isEnded = false;
  #isOverrun = false;

  constructor(options: FollowOptions) {
    this.#accept = options.accept;
  }

  offer(event: EngineEvent): void {
    if (this.#isEnded || !this.#accept(event)) return;
    if (this.#queue.length >= FOLLOWER_MAX) {
      this.#isOverrun = true;
      this.#queue = [];
      this.end();
      return;
    }
    this.#queue.push(event);
    this.#wake?.();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake?.();
  }

  async *events(): AsyncGenerator<EngineEvent, void, undefined> {
    for (;;) {
      const batch = this.#queue;
      this.#queue = [];
      yield* batch;
      if (this.#isOverrun) {
        throw new EngineError(
          'exhausted',
          `Event stream cut off: ${FOLLOWER_MAX} events were not read in time`,
        );
      }
      if (this.#queue.length > 0) continue;
      if (this.#isEnded) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}

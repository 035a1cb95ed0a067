/**
 * One question to several servers: one after another, the next one before the
 * last one was given up; four seconds in all.
 *
 * **Invariant:** it settles within `totalMs`, and afterwards no socket of it is
 * open.
 */

import { exchange } from './exchange.ts';
import { type Query, RCODE } from './query.ts';
import type { Reply } from './response.ts';
import type { Upstream } from './upstream.ts';

/** How long servers are waited for. */
export interface ForwardTimes {
  /** Milliseconds for everything. */
  readonly totalMs: number;
  /** Milliseconds without an answer until the next one is asked too. */
  readonly staggerMs: number;
}

/** Docker's four seconds, shared by three attempts. */
export const FORWARD_TIMES: ForwardTimes = { totalMs: 4000, staggerMs: 1000 };
const ATTEMPTS = 3;
/** Milliseconds for which a server that did not answer is asked last. */
const SLOW_MS = 10_000;
const SLOW_MAX = 64;

/** What is asked. */
export interface Forwarding {
  readonly query: Query;
  /** In order of preference; at least one. */
  readonly upstreams: readonly Upstream[];
  readonly isTcp: boolean;
  readonly signal: AbortSignal;
}

/** Answers that another server may have a better one for. */
const UNHELPFUL: ReadonlySet<number> = new Set([
  RCODE.formatError,
  RCODE.serverFailure,
  RCODE.notImplemented,
  RCODE.refused,
]);

function keyOf({ address, port }: Upstream): string {
  return `${address} ${port}`;
}

/** Asks servers, and remembers which did not answer lately. */
export class Forwarder {
  readonly #times: ForwardTimes;
  readonly #nowMs: () => number;
  /** Server → until when it is asked last. */
  readonly #slowUntilMs = new Map<string, number>();

  /** `nowMs` grows steadily. */
  constructor(nowMs: () => number, times: ForwardTimes = FORWARD_TIMES) {
    this.#nowMs = nowMs;
    this.#times = times;
  }

  /** The best answer; `undefined`: none in time, or `signal` was aborted. Never rejects. */
  ask(forwarding: Forwarding): Promise<Reply | undefined> {
    const attempts = this.#attempts(forwarding.upstreams);
    const own = new AbortController();
    const signal = AbortSignal.any([own.signal, forwarding.signal]);
    return new Promise((resolve) => {
      let openCount = 0;
      let unhelpful: Reply | undefined;
      let stagger: NodeJS.Timeout | undefined;
      const finish = (reply: Reply | undefined): void => {
        clearTimeout(stagger);
        clearTimeout(total);
        forwarding.signal.removeEventListener('abort', giveUp);
        resolve(reply);
        own.abort();
      };
      const giveUp = (): void => finish(unhelpful);
      const next = (): void => {
        clearTimeout(stagger);
        if (own.signal.aborted) return;
        const upstream = attempts.shift();
        if (upstream === undefined) {
          if (openCount === 0) finish(unhelpful);
          return;
        }
        openCount += 1;
        stagger = setTimeout(() => {
          this.#remember(upstream);
          next();
        }, this.#times.staggerMs);
        exchange({ upstream, query: forwarding.query, signal }, forwarding.isTcp)
          .then(
            (reply) => {
              if (!UNHELPFUL.has(reply.rcode)) finish(reply);
              else unhelpful = reply;
            },
            () => {
              if (!own.signal.aborted) this.#remember(upstream);
            },
          )
          .finally(() => {
            openCount -= 1;
            next();
          });
      };
      const total = setTimeout(giveUp, this.#times.totalMs);
      forwarding.signal.addEventListener('abort', giveUp);
      if (forwarding.signal.aborted) giveUp();
      else next();
    });
  }

  /** Three attempts: every server, those that were slow last; where there are fewer, again. */
  #attempts(upstreams: readonly Upstream[]): Upstream[] {
    const nowMs = this.#nowMs();
    const isSlow = (upstream: Upstream): boolean =>
      (this.#slowUntilMs.get(keyOf(upstream)) ?? 0) > nowMs;
    const ordered = [
      ...upstreams.filter((upstream) => !isSlow(upstream)),
      ...upstreams.filter(isSlow),
    ];
    const attempts = Array.from({ length: ATTEMPTS }, (_, at) => ordered[at % ordered.length]);
    return attempts.flatMap((upstream) => (upstream === undefined ? [] : [upstream]));
  }

  #remember(upstream: Upstream): void {
    const nowMs = this.#nowMs();
    if (this.#slowUntilMs.size >= SLOW_MAX) this.#slowUntilMs.clear();
    this.#slowUntilMs.set(keyOf(upstream), nowMs + SLOW_MS);
  }
}

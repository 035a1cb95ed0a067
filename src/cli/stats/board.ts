/** The containers that `stats` shows, each with its last figures; follows containers that come and go. */

import type { Client } from '../../client/client.ts';
import { shortId } from '../print/listing.ts';
import { usageCells, usageOf, type Usage } from './usage.ts';

interface Row {
  readonly id: string;
  /** As the user or the list called it. */
  readonly container: string;
  name: string;
  usage: Usage | undefined;
}

/** Rows by container, in order of appearance. */
export class StatsBoard {
  readonly #client: Client;
  readonly #signal: AbortSignal;
  readonly #rows = new Map<string, Row>();

  /** `signal` ends all that it follows. */
  constructor(client: Client, signal: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  /** Rows as cells for a listing. */
  rows(isFull: boolean): readonly Readonly<Record<string, string>>[] {
    return [...this.#rows.values()].map(({ id, container, name, usage }) => ({
      Container: container,
      ID: isFull ? id : shortId(id),
      Name: name === '' ? '--' : name,
      ...usageCells(usage),
    }));
  }

  /** Count of containers shown. */
  get size(): number {
    return this.#rows.size;
  }

  /** One figure for each container, then no more. */
  async sampleOnce(refs: readonly string[]): Promise<void> {
    for (const ref of refs)
      this.#rows.set(ref, { id: ref, container: ref, name: '', usage: undefined });
    await Promise.all(refs.map((ref) => this.#follow(ref, false)));
  }

  /** Follows a container until it is gone or the board is done; settles with its first figure. */
  async follow(ref: string): Promise<void> {
    if (this.#rows.has(ref)) return;
    this.#rows.set(ref, { id: ref, container: ref, name: '', usage: undefined });
    const first = Promise.withResolvers<void>();
    void this.#follow(ref, true, first.resolve).then(first.resolve, first.reject);
    await first.promise;
  }

  /** Follows every container that starts from now on, and forgets those that end. */
  async watchAll(): Promise<void> {
    const filters = { type: ['container'], event: ['start', 'die', 'destroy'] };
    for await (const event of this.#client.system.events({ filters, signal: this.#signal })) {
      if (event.Action === 'start') this.follow(event.Actor.ID).catch(() => undefined);
      else this.#rows.delete(event.Actor.ID);
    }
  }

  async #follow(
    ref: string,
    isStream: boolean,
    onSample: () => void = () => undefined,
  ): Promise<void> {
    try {
      for await (const sample of this.#client.containers.stats(ref, {
        stream: isStream,
        signal: this.#signal,
      })) {
        const row = this.#rows.get(ref);
        if (row === undefined) return;
        this.#rows.set(ref, {
          ...row,
          id: sample.id === '' ? row.id : sample.id,
          name: sample.name.replace(/^\//, ''),
          usage: usageOf(sample),
        });
        onSample();
      }
    } catch (error) {
      if (this.#signal.aborted) return;
      this.#rows.delete(ref);
      throw error;
    }
    if (isStream) this.#rows.delete(ref);
  }
}

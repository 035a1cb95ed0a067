/**
 * One request as the routes see it: decoded where they ask, nothing before.
 * Source: engine-api facts 1.3 (bodies).
 */

import type { Readable } from 'node:stream';
import { EngineError } from '../base/error.ts';
import { type Decode, decodeBody } from './decode/shape.ts';
import type { Filters } from '../engine/engine.ts';
import { parseFilters } from './filters.ts';
import { Query } from './query.ts';
import type { Exchange } from './wire/exchange.ts';

/** Bytes of a JSON body. */
export const jsonBodyBytesMax: number = 4 * 1024 * 1024;

/** What was found in the request's target. */
export interface CallTarget {
  /** Minor number of the API version to speak. */
  readonly version: number;
  /** Name or id in the path; empty when the path has none. */
  readonly name: string;
  /** Query text, without the `?`. */
  readonly query: string;
}

/** See the module. */
export class Call {
  /** Minor number of the API version to speak. */
  readonly version: number;
  /** Name or id in the path; empty when the path has none. */
  readonly name: string;
  readonly #exchange: Exchange;
  readonly #queryText: string;
  #query: Query | undefined;

  constructor(exchange: Exchange, target: CallTarget) {
    this.#exchange = exchange;
    this.version = target.version;
    this.name = target.name;
    this.#queryText = target.query;
  }

  /** Errors: `invalid` for bad percent-encoding. */
  get query(): Query {
    this.#query ??= new Query(this.#queryText);
    return this.#query;
  }

  /** Aborts when the client is gone. For reads and for what may be undone; a mutation that began is finished. */
  get signal(): AbortSignal {
    return this.#exchange.signal;
  }

  /** The `filters` parameter. Errors: `invalid`. */
  get filters(): Filters {
    return parseFilters(this.query.text('filters'));
  }

  /** A header; `name` in lower case. `undefined` when absent or empty. */
  header(name: string): string | undefined {
    const value = this.#exchange.head.headers.get(name);
    return value === '' ? undefined : value;
  }

  /** The JSON body; `undefined` when there is none, or it is `null`. Errors: `invalid`. */
  async body<T>(decode: Decode<T>): Promise<T | undefined> {
    const bytes = await this.#exchange.body.collect(jsonBodyBytesMax);
    if (bytes.length === 0) return undefined;
    this.#checkMediaType();
    const value = parseJson(bytes);
    return value === null ? undefined : decodeBody(decode, value);
  }

  /** The body is read and has no meaning. */
  async ignoreBody(): Promise<void> {
    if (!this.#exchange.body.isEmpty) await this.#exchange.body.collect(jsonBodyBytesMax);
  }

  /** The body as it comes: archives. */
  bodyStream(): Readable {
    return this.#exchange.body.stream();
  }

  #checkMediaType(): void {
    const type = this.header('content-type');
    const [media = ''] = (type ?? '').split(';');
    if (media.trim().toLowerCase() === 'application/json') return;
    throw new EngineError(
      'invalid',
      `unsupported Content-Type header (${(type ?? '').slice(0, 100)}): must be 'application/json'`,
    );
  }
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new EngineError('invalid', 'Invalid request body: it is not one JSON value');
  }
}

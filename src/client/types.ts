/**
 * Values that several endpoints share.
 *
 * Source: Docker Engine API 1.51; `/carve/plan` is carve's own.
 */

/** Options of every call. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Rows and columns of a terminal. */
export interface ConsoleSize {
  readonly rows: number;
  readonly columns: number;
}

/** `{key: [values]}`; keys AND, values of one key OR (except `label`, where all must match). */
export type Filters = Readonly<Record<string, readonly string[]>>;

/** A plan as data for people and programs: what would be done, in order. */
export interface ExplainedPlan {
  /** e.g. `start 0123456789ab (web)`. */
  readonly title: string;
  readonly steps: readonly {
    /** Place of the operation in the plan, from 0. */
    readonly index: number;
    readonly op: string;
    /** One line for people. */
    readonly text: string;
    readonly fields: object;
  }[];
}

/** One step of a long image operation. Source: Engine API `JSONMessage`. */
export interface Progress {
  readonly id?: string;
  readonly status?: string;
  readonly stream?: string;
  readonly progressDetail?: {
    /** Bytes done. */
    readonly current?: number;
    /** Bytes to do. */
    readonly total?: number;
  };
  readonly aux?: object;
  readonly error?: string;
  readonly errorDetail?: { readonly code?: number; readonly message?: string };
}

/** Filters as the API takes them: a JSON map of lists; `undefined` when there are none. */
export function encodeFilters(filters: Filters | undefined): string | undefined {
  if (filters === undefined || Object.keys(filters).length === 0) return undefined;
  return JSON.stringify(filters);
}

/** `os/arch[/variant]` as the JSON some endpoints want. */
export function encodePlatform(platform: string | undefined): string | undefined {
  if (platform === undefined || platform === '') return undefined;
  const [os, architecture, variant] = platform.split('/');
  return JSON.stringify({ os, architecture, variant });
}

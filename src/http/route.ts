/** What a route is. */

import type { Call } from './call.ts';
import type { Reply } from './reply.ts';

/** One endpoint: decodes the request, calls one operation of the engine, encodes its result. */
export interface Route {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  /** With at most one `{name}`, which is greedy. */
  readonly path: string;
  /** First API version that has it, as minor number; older ones get 404. */
  readonly since?: number;
  handle(call: Call): Promise<Reply> | Reply;
}

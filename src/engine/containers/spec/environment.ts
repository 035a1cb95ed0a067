/**
 * The environment of a container's process, pure.
 *
 * Source: engine-api facts 8 "Env order"; Engine API `Config.Env`.
 */

import { EngineError } from '../../../base/error.ts';

const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What the defaults depend on. */
export interface EnvironmentRequest {
  /** `KEY=VALUE` of links. */
  readonly linkEnv: readonly string[];
  /** `KEY=VALUE` of the merged configuration; a key without value takes a default away. */
  readonly env: readonly string[];
  /** Empty: no HOSTNAME. */
  readonly hostname: string;
  readonly hasTerminal: boolean;
  readonly home: string;
}

/** PATH, HOSTNAME, TERM, those of links, the request's in order (in place of a default of that name), HOME. Errors: `invalid`. */
export function containerEnvironment(request: EnvironmentRequest): readonly string[] {
  const env = new Map<string, string>();
  const put = (entry: string): void => {
    const at = entry.indexOf('=');
    if (at < 0) env.delete(entry);
    else env.set(entry.slice(0, at), entry);
  };
  put(DEFAULT_PATH);
  if (request.hostname !== '') put(`HOSTNAME=${request.hostname}`);
  if (request.hasTerminal) put('TERM=xterm');
  for (const entry of request.linkEnv) put(entry);
  for (const entry of request.env) {
    if (entry.includes('\0') || entry === '' || entry.startsWith('=')) {
      throw new EngineError(
        'invalid',
        `invalid environment variable: ${JSON.stringify(entry.slice(0, 80))}`,
      );
    }
    put(entry);
  }
  if (!env.has('HOME')) put(`HOME=${request.home}`);
  return [...env.values()];
}

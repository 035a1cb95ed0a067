/**
 * Links between containers on Docker's own networks (`HostConfig.Links`).
 * Source: Engine API `HostConfig.Links`: `CONTAINER[:ALIAS]`; Docker ignores them on networks of the user's, where names resolve anyway.
 */

import { EngineError } from '../../base/error.ts';
import type { Container } from '../containers/container.ts';

/** A link as a request has it. */
export interface Link {
  /** Reference of the other container. */
  readonly container: string;
  /** What it is called here. */
  readonly alias: string;
}

/** `db:database`, `db`, and `/db:/web/database` as inspect shows it. Errors: `invalid`. */
export function parseLink(text: string): Link {
  if (text === '') throw new EngineError('invalid', 'empty string specified for links');
  const match = /^\/?([^\s:/\p{Cc}]+)(?::(?:\/[^\s:/\p{Cc}]+\/)?([^\s:/\p{Cc}]+))?$/u.exec(text);
  if (match === null) {
    throw new EngineError('invalid', `bad format for links: ${text.slice(0, 80)}`);
  }
  const [, container = '', alias = container] = match;
  return { container, alias };
}

/**
 * Who is linked to must be there, and have a network of its own. Errors:
 * `invalid`, also for a container that is not there: `not-found` would mean the image.
 */
export function checkLinks(
  links: readonly string[],
  find: (ref: string) => Container | undefined,
): void {
  for (const { container: ref } of links.map(parseLink)) {
    const other = find(ref);
    if (other === undefined) {
      throw new EngineError(
        'invalid',
        `could not get container for ${ref}: No such container: ${ref}`,
      );
    }
    if (other.record.hostConfig.NetworkMode === 'host') {
      throw new EngineError(
        'invalid',
        "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
      );
    }
  }
}

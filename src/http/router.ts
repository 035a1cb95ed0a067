/**
 * From method and path to a route, with two or three look-ups in a hash table
 * instead of a walk over eighty patterns.
 *
 * Three forms of path: `/info` (fixed), `/images/{name}` and
 * `/images/{name}/json`. Names are greedy, because image names hold slashes:
 * the last segment decides, what is before it is the name.
 *
 * Source: engine-api facts 1.1.
 */

import { decodeComponent } from './query.ts';

/** A route that fits, and the name in the path (empty for a fixed one). */
export interface RouteMatch<T> {
  readonly route: T;
  /** Percent-decoded. */
  readonly name: string;
}

/** Routes by method and path. */
export class Router<T> {
  /** `GET /info` → route. */
  readonly #fixed = new Map<string, T>();
  /** `GET /images json` → route; `DELETE /images ` for a name without a suffix. */
  readonly #named = new Map<string, T>();
  /** First segment → collections that begin with it, longest first. */
  readonly #collections = new Map<string, string[]>();

  /** `path`: `/info`, `/images/{name}` or `/images/{name}/json`; one name at most. */
  add(method: string, path: string, route: T): void {
    const [collection = '', suffix] = path.split('/{name}');
    if (suffix === undefined) {
      this.#fixed.set(`${method} ${path}`, route);
      return;
    }
    this.#named.set(`${method} ${collection} ${suffix.slice(1)}`, route);
    const first = firstSegment(collection);
    const known = this.#collections.get(first) ?? [];
    if (!known.includes(collection)) known.push(collection);
    known.sort((a, b) => b.length - a.length);
    this.#collections.set(first, known);
  }

  /** `undefined` when nothing fits. Errors: `invalid` for bad percent-encoding in the name. */
  find(method: string, path: string): RouteMatch<T> | undefined {
    const route = this.#fixed.get(`${method} ${path}`);
    if (route !== undefined) return { route, name: '' };
    for (const collection of this.#collections.get(firstSegment(path)) ?? []) {
      if (path.startsWith(collection) && path.charCodeAt(collection.length) === slashCode) {
        const match = this.#findNamed(`${method} ${collection}`, path.slice(collection.length + 1));
        if (match !== undefined) return match;
      }
    }
    return undefined;
  }

  /** `rest`: name, or name and suffix. */
  #findNamed(key: string, rest: string): RouteMatch<T> | undefined {
    const slash = rest.lastIndexOf('/');
    const bySuffix = slash > 0 ? this.#named.get(`${key} ${rest.slice(slash + 1)}`) : undefined;
    if (bySuffix !== undefined) {
      return { route: bySuffix, name: decodeComponent(rest.slice(0, slash)) };
    }
    // A suffix of two segments: attach/ws.
    const earlier = slash > 0 ? rest.lastIndexOf('/', slash - 1) : -1;
    const byLongSuffix =
      earlier > 0 ? this.#named.get(`${key} ${rest.slice(earlier + 1)}`) : undefined;
    if (byLongSuffix !== undefined) {
      return { route: byLongSuffix, name: decodeComponent(rest.slice(0, earlier)) };
    }
    const bare = rest === '' ? undefined : this.#named.get(`${key} `);
    return bare === undefined ? undefined : { route: bare, name: decodeComponent(rest) };
  }
}

const slashCode = 0x2f;

/** `/images/a/b` → `/images`. */
function firstSegment(path: string): string {
  const slash = path.indexOf('/', 1);
  return slash === -1 ? path : path.slice(0, slash);
}

/**
 * All containers of one engine, by id and by name.
 *
 * **Invariant:** a name belongs to at most one container or reservation; of
 * several creates of one name exactly one wins, because taking it is one
 * synchronous step.
 *
 * Source: Engine API; lookup order full id, name, unique id prefix.
 */

import { EngineError } from '../../base/error.ts';
import { isContainerId } from '../../base/id.ts';
import type { Container } from './container.ts';

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
/** Longest name in characters. */
const NAME_MAX = 255;

/** Name without its leading slash. Errors: `invalid` in Docker's words. */
export function parseContainerName(text: string): string {
  const name = text.startsWith('/') ? text.slice(1) : text;
  if (NAME.test(name) && name.length <= NAME_MAX) return name;
  throw new EngineError(
    'invalid',
    `Invalid container name (${text.slice(0, NAME_MAX + 2)}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
  );
}

/** Containers of one engine. */
export class ContainerRegistry {
  readonly #byId = new Map<string, Container>();
  /** Name → id, also of containers still being created. */
  readonly #names = new Map<string, string>();

  get size(): number {
    return this.#byId.size;
  }

  /** Oldest first. */
  all(): IterableIterator<Container> {
    return this.#byId.values();
  }

  /** True when nobody has the name. */
  isFree(name: string): boolean {
    return !this.#names.has(name);
  }

  /** Take a name for `id`. Errors: `conflict`, naming the owner. */
  reserve(name: string, id: string): void {
    const owner = this.#names.get(name);
    if (owner !== undefined && owner !== id) {
      throw new EngineError(
        'conflict',
        `Conflict. The container name "/${name}" is already in use by container "${owner}". You have to remove (or rename) that container to be able to reuse that name.`,
        { details: { name, owner } },
      );
    }
    this.#names.set(name, id);
  }

  /** Give a name back; harmless when it belongs to another. */
  release(name: string, id: string): void {
    if (this.#names.get(name) === id) this.#names.delete(name);
  }

  /** Make a container known; its name is reserved already. */
  add(container: Container): void {
    this.#byId.set(container.id, container);
  }

  /** Forget a container and its name. */
  remove(container: Container): void {
    this.#byId.delete(container.id);
    this.release(container.name, container.id);
  }

  /** `undefined` when there is none. Errors: `invalid` when a prefix fits several. */
  find(ref: string): Container | undefined {
    const exact = this.#byId.get(ref);
    if (exact !== undefined) return exact;
    const named = this.#names.get(ref.startsWith('/') ? ref.slice(1) : ref);
    if (named !== undefined) return this.#byId.get(named);
    return isContainerId(ref) ? undefined : this.#findPrefix(ref);
  }

  /** Errors: `not-found` with `No such container: REF`. */
  get(ref: string): Container {
    const container = this.find(ref);
    if (container !== undefined) return container;
    throw new EngineError('not-found', `No such container: ${ref}`, { details: { ref } });
  }

  #findPrefix(prefix: string): Container | undefined {
    if (!/^[0-9a-f]{1,63}$/.test(prefix)) return undefined;
    let found: Container | undefined;
    for (const [id, container] of this.#byId) {
      if (!id.startsWith(prefix)) continue;
      if (found !== undefined) {
        throw new EngineError('invalid', `Multiple IDs found with provided prefix: ${prefix}`);
      }
      found = container;
    }
    return found;
  }
}

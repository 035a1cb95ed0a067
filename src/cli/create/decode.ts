/** A value without its fields that say nothing, which the API takes as unset. */

/** `T` with its fields optional, and not `undefined`. */
export type Pruned<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> };

/** Without the fields that are false, 0, undefined, null, or an empty text, list or map. */
export function prune<T extends object>(value: T): Pruned<T> {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => says(item))) as Pruned<T>;
}

function says(item: unknown): boolean {
  if (item === undefined || item === null || item === false || item === '' || item === 0)
    return false;
  return typeof item !== 'object' || Object.keys(item).length > 0;
}

/** Objects without the fields that were not given. */

/** `{[key]: value}`; nothing when the value is absent, 0, or an empty text, list or object. */
export function given<K extends string, V>(
  key: K,
  value: V | undefined,
): { readonly [P in K]?: V } {
  if (value === undefined || isEmpty(value)) return {};
  const object: Partial<Record<K, V>> = {};
  object[key] = value;
  return object;
}

function isEmpty(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0;
  return value === 0 || value === '';
}

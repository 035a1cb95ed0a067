/** The order people expect of names: numbers in them by their value. Pure. Source: docker's lists. */

/** Negative when `a` comes first, positive when `b` does. */
export function compareNatural(a: string, b: string): number {
  const left = chunksOf(a);
  const right = chunksOf(b);
  for (let index = 0; index < Math.min(left.length, right.length); index += 1) {
    const order = compareChunks(left[index] ?? '', right[index] ?? '');
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

function chunksOf(text: string): readonly string[] {
  return text.match(/\d+|\D+/g) ?? [];
}

function compareChunks(a: string, b: string): number {
  if (/^\d/.test(a) && /^\d/.test(b)) {
    const difference = BigInt(a) - BigInt(b);
    if (difference !== 0n) return difference < 0n ? -1 : 1;
    return a.length - b.length;
  }
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

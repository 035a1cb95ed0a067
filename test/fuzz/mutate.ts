/**
 * Seeded changes of bytes and of JSON: the same seed gives the same inputs on
 * every machine. `CARVE_FUZZ` multiplies how many, `CARVE_FUZZ_SEED` starts elsewhere.
 */

/** How many times the usual count of inputs is tried. */
export const FUZZ_FACTOR: number = Number(process.env['CARVE_FUZZ'] ?? '1');

/** First seed. */
export const FUZZ_SEED: number = Number(process.env['CARVE_FUZZ_SEED'] ?? '1');

/** Numbers by a seed. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed * 0x9e3779b1) >>> 0;
  }

  /** 0 ≤ x < `sides`, whole. */
  roll(sides: number): number {
    // mulberry32
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % Math.max(1, sides);
  }

  pick<T>(from: readonly T[]): T {
    const found = from[this.roll(from.length)];
    if (found === undefined) throw new Error('nothing to pick from');
    return found;
  }
}

const TELLING: readonly number[] = [0, 1, 9, 10, 32, 46, 47, 48, 55, 61, 127, 128, 255];

/** A copy of `bytes` with a few changes; pieces of `others` may get in. */
export function mutateBytes(dice: Dice, bytes: Buffer, others: readonly Buffer[]): Buffer {
  let result: Buffer = Buffer.from(bytes);
  for (let changes = 1 + dice.roll(5); changes > 0; changes--)
    result = change(dice, result, others);
  return result;
}

function change(dice: Dice, bytes: Buffer, others: readonly Buffer[]): Buffer {
  const at = dice.roll(bytes.length);
  const length = 1 + dice.roll(600);
  switch (dice.roll(7)) {
    case 0:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << dice.roll(8));
      return bytes;
    case 1:
    case 2:
      bytes[at] = dice.pick(TELLING);
      return bytes;
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    case 4: {
      const other = dice.pick(others);
      const from = dice.roll(other.length) & ~511;
      const piece = other.subarray(from, from + 512 * (1 + dice.roll(4)));
      const to = at & ~511;
      return Buffer.concat([bytes.subarray(0, to), piece, bytes.subarray(to)]);
    }
    case 5:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.max(0, at - length))]);
    default:
      return dice.roll(4) === 0 ? bytes.subarray(0, at) : bytes;
  }
}

/** Values that readers of JSON stumble over. */
const VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  2 ** 53,
  1e308,
  '',
  'x',
  '../../etc/passwd',
  '\u0000',
  'sha256:',
  [],
  {},
  [[]],
  [null],
  [{}],
  { __proto__: null },
  'a'.repeat(5000),
  Array.from({ length: 300 }, () => 1),
];

/** A copy of a JSON value with a few values changed, moved or taken away. */
export function mutateJson(dice: Dice, value: unknown): unknown {
  const copy: unknown = structuredClone(value);
  let holder: unknown = { root: copy };
  const root = holder;
  for (let changes = 1 + dice.roll(3); changes > 0; changes--) {
    holder = root;
    // Down to some place.
    for (let depth = dice.roll(6); depth > 0; depth--) {
      const inner: unknown = isHolder(holder) ? holder[dice.pick(keysOf(holder))] : undefined;
      if (!isHolder(inner) || keysOf(inner).length === 0) break;
      holder = inner;
    }
    if (isHolder(holder) && keysOf(holder).length > 0) changeValue(dice, holder);
  }
  return isHolder(root) ? root['root'] : undefined;
}

type Holder = Record<string, unknown>;

function isHolder(value: unknown): value is Holder {
  return typeof value === 'object' && value !== null && keysOf(value).length > 0;
}

function keysOf(value: object): readonly string[] {
  return Object.keys(value);
}

function changeValue(dice: Dice, holder: Holder): void {
  const key = dice.pick(keysOf(holder));
  switch (dice.roll(5)) {
    case 0:
      Reflect.deleteProperty(holder, key);
      return;
    case 1:
      holder[
        dice.pick([
          'manifests',
          'layers',
          'config',
          'mediaType',
          '__proto__',
          'constructor',
          key.toUpperCase(),
        ])
      ] = holder[key];
      return;
    case 2:
      holder[key] = [holder[key], holder[key]];
      return;
    default:
      holder[key] = structuredClone(dice.pick(VALUES));
  }
}

/**
 * `cpu.shares` (2 to 262144, nominal 1024) → `cpu.weight` (1 to 10000, nominal
 * 100): a quadratic in the logarithm, through (2, 1), (1024, 100) and
 * (262144, 10000), so that nominal stays nominal.
 *
 * Source: runc 1.4 and crun 1.23; the older linear formula gave 39 for 1024.
 */

const SHARES_MIN = 2;
const SHARES_MAX = 262_144;
const WEIGHT_MIN = 1;
const WEIGHT_MAX = 10_000;

/** Weight 1 to 10000; 0 stays 0 (unset). */
export function sharesToWeight(shares: number): number {
  if (shares === 0) return 0;
  if (shares <= SHARES_MIN) return WEIGHT_MIN;
  if (shares >= SHARES_MAX) return WEIGHT_MAX;
  const log = Math.log2(shares);
  return Math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34));
}

/**
 * The closed union of plan operations, derived from the schema: what is not in
 * `schema.ts` does not type-check, and a new operation breaks every exhaustive
 * switch until it is handled.
 */

import type { FieldShape, OPS } from './schema.ts';
import type { OpName } from './shape.ts';

/** TypeScript value of a field: 64-bit numbers are bigint, slots are 0..31. */
type FieldValue<F extends FieldShape> = F['type'] extends 'u64'
  ? bigint
  : F['type'] extends 'text'
    ? string
    : F['type'] extends 'texts'
      ? readonly string[]
      : F['type'] extends 'bytes'
        ? Uint8Array
        : number;

type Fields<F extends Readonly<Record<string, FieldShape>>> = {
  readonly [K in keyof F as F[K] extends { readonly optional: true } ? never : K]: FieldValue<F[K]>;
} & {
  readonly [K in keyof F as F[K] extends { readonly optional: true } ? K : never]?:
    | FieldValue<F[K]>
    | undefined;
};

/** One operation by name, e.g. `PlanOpOf<'mount-attr'>`. */
export type PlanOpOf<N extends OpName> = { readonly op: N } & Fields<(typeof OPS)[N]['fields']>;

/** Any operation: `{ op: 'umount', path: '/mnt', flags: 2 }`. */
export type PlanOp = { readonly [N in OpName]: PlanOpOf<N> }[OpName];

/** A plan: what is done, in order; the first failure stops it. */
export type Plan = readonly PlanOp[];

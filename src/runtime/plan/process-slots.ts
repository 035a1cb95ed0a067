/**
 * Descriptors of other processes, one each however often they are needed.
 * They are opened before the clone: the new process may be in a pid namespace
 * where their numbers mean others.
 *
 * Source: pidfd_open(2).
 */

import type { NamespaceProcess } from '../../spec/oci/runtime.ts';
import type { ProcessIdentity } from '../runtime.ts';
import type { PlanBuilder } from './builder.ts';

/** Opens processes of one plan. */
export class ProcessSlots {
  readonly builder: PlanBuilder;
  readonly #slots = new Map<string, number>();

  constructor(builder: PlanBuilder) {
    this.builder = builder;
  }

  /** The slot of a pidfd. Precondition: the plan is before its clone, or asked for this process there. */
  slotOf(process: NamespaceProcess | ProcessIdentity): number {
    const { pid, startTicks } = process;
    const key = `${pid} ${startTicks}`;
    const known = this.#slots.get(key);
    if (known !== undefined) return known;
    const slot = this.builder.take();
    this.builder.push({ op: 'pidfd', slot, pid, startTicks: BigInt(startTicks) });
    this.#slots.set(key, slot);
    return slot;
  }
}

/**
 * What every concern of one container's plan reads: the input, what was
 * decided about namespaces, and the plan so far.
 */

import type { OciMount } from '../../spec/oci/runtime.ts';
import type { PlanBuilder } from './builder.ts';
import type { ContainerPlanInput } from './input.ts';
import type { MountOptions } from './mount-options.ts';
import type { NamespacePlan } from './namespaces.ts';

/** A mount with its options read. */
export interface PlannedMount {
  readonly mount: OciMount;
  /** Absolute, without a slash at the end. */
  readonly destination: string;
  readonly options: MountOptions;
  /** Already prepared: the slot that holds it. */
  readonly slot?: number;
  /** Slot of the process that sees the source. */
  readonly processSlot?: number;
  /** Slot of the namespace that says how its ids are shown. */
  readonly usernsSlot?: number;
}

/** One container's planning. */
export interface PlanContext {
  readonly builder: PlanBuilder;
  readonly input: ContainerPlanInput;
  readonly namespaces: NamespacePlan;
  /** In the order of the configuration. */
  readonly mounts: readonly PlannedMount[];
  /** /dev is our own tmpfs (not a bind of the user's). */
  readonly hasOwnDev: boolean;
  /** Slot of the network namespace that the plan begins in; absent: no mount needs it. */
  readonly callersNetwork?: number;
}

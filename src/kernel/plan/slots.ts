/** Slots that planners of several layers know in one plan. */

/** The procfs of a container's pid namespace, not attached anywhere yet, in a plan that starts it. */
export const PROC_SLOT = 1;

/** `--plan` of `run` and `create`. */

import type { ContainerCreateBody } from '../../spec/docker/container.ts';
import type { Context } from '../command.ts';
import { formatPlan } from '../print/plan.ts';
import type { PlanFormat } from '../flags/plan.ts';
import type { CreateFlags } from './flags.ts';

/** Prints what creating and starting would do. */
export async function showRunPlan(
  context: Context,
  flags: CreateFlags,
  { body, format }: { readonly body: ContainerCreateBody; readonly format: PlanFormat },
): Promise<void> {
  const plan = await context.client.containers.planRun(body, {
    name: flags.name === '' ? undefined : flags.name,
    platform: flags.platform === '' ? undefined : flags.platform,
  });
  await context.io.stdout.write(formatPlan(plan, format));
}

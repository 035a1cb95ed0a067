/** `carve create`. */

import { defineCommand, type Command } from '../../command.ts';
import { createBody, createContainer } from '../../create/create-container.ts';
import { createFlags } from '../../create/flags.ts';
import { showRunPlan } from '../../create/show-plan.ts';
import { wantedPlan } from '../../flags/plan.ts';

/** Creates a container and prints its id. */
export const createCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
    flags: createFlags,
    args: { min: 1, completes: 'image' },
    isInterspersed: false,
    examples: ['carve create --name web -p 8080:80 nginx', 'carve create --plan debian'],
  },
  async (context, { flags, given, args }) => {
    const plan = wantedPlan(flags, given);
    const body = createBody(context, flags, { given, args });
    if (plan !== undefined) {
      await showRunPlan(context, flags, { body, format: plan });
      return;
    }
    const id = await createContainer(context, flags, body);
    await context.io.stdout.write(`${id}\n`);
  },
);

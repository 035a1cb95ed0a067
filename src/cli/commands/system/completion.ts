/** `carve completion`. */

import { defineCommand, type Command } from '../../command.ts';
import { completionScripts, shells } from '../../complete/scripts.ts';
import { argumentError } from '../../flags/usage-error.ts';

/** Prints the script that teaches a shell carve's commands. */
export const completionCommand: Command = defineCommand(
  {
    synopsis: 'bash|zsh|fish',
    flags: {},
    args: { min: 1, max: 1 },
    examples: ['source <(carve completion bash)', 'carve completion zsh > ~/.zfunc/_carve'],
  },
  async ({ io }, { args }) => {
    const shell = shells.find((name) => name === args[0]);
    if (shell === undefined)
      throw argumentError(`unknown shell '${args[0] ?? ''}': there is bash, zsh and fish`);
    await io.stdout.write(completionScripts[shell]);
  },
);

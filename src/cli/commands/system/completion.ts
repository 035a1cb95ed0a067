/** `carve completion` and what its scripts ask. */

import { isEngineError } from '../../../base/error.ts';
import { createClient, type Client } from '../../../client/client.ts';
import { formatHost } from '../../../client/host.ts';
import { defineCommand, type Command } from '../../command.ts';
import { complete, type FindNames } from '../../complete/complete.ts';
import { completionScripts, shells } from '../../complete/scripts.ts';
import { argumentError } from '../../flags/usage-error.ts';
import { neutraliseCell } from '../../print/safe.ts';

/** Longest wait for an engine that is slow to tell its names, in milliseconds. */
const patienceMs = 1500;

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

/** Answers the scripts: the words that fit as the last one given. Never fails. */
export const completeCommand: Command = defineCommand(
  { synopsis: 'WORD...', flags: {}, args: { min: 0 }, isInterspersed: false },
  async ({ client, io }, { args }) => {
    const { rootEntry } = await import('../index.ts');
    // A client that starts no engine: a key press is not a wish for one.
    const quiet = createClient({ host: formatHost(client.address) });
    const { candidates, files } = await complete(rootEntry, args, namesOf(quiet));
    quiet.close();
    const lines = candidates.map(({ word, help }) => `${neutraliseCell(word)}\t${help}\n`);
    await io.stdout.write(`${files}\n${lines.join('')}`);
  },
);

function namesOf(client: Client): FindNames {
  const signal = AbortSignal.timeout(patienceMs);
  return async (kind) => {
    try {
      switch (kind) {
        case 'container':
        case 'running-container': {
          const list = await client.containers.list({ all: kind === 'container', signal });
          return list.flatMap(({ Names }) => Names.map((name) => name.replace(/^\//, '')));
        }
        case 'image':
          return (await client.images.list({ signal })).flatMap(({ RepoTags }) =>
            RepoTags.map((name) => name.replace(/:latest$/, '')),
          );
        case 'network':
          return ['host', 'none'];
        case 'volume':
          return [];
      }
    } catch (error) {
      // Without an engine there are no names; that is nothing to interrupt a typing hand for.
      if (isEngineError(error) || signal.aborted) return [];
      throw error;
    }
  };
}

/** `carve __complete`: what the scripts of the shells ask. */

import { isEngineError } from '../../base/error.ts';
import { createClient, type Client } from '../../client/client.ts';
import type { GroupEntry } from '../commands/tree.ts';
import type { Io } from '../io.ts';
import { neutraliseCell } from '../print/safe.ts';
import { complete, type FindNames } from './complete.ts';

/** Longest wait for an engine that is slow to tell its names, in milliseconds. */
const patienceMs = 1500;

/** Prints the words that fit as the last of `words`. Asks the engine at `host` for names, and never starts one: a key press is not a wish for it. */
export async function answerCompletion(
  root: GroupEntry,
  words: readonly string[],
  { io, host }: { readonly io: Io; readonly host: string },
): Promise<void> {
  const client = createClient({ host });
  const { candidates, files } = await complete(root, words, namesOf(client));
  client.close();
  const lines = candidates.map(({ word, help }) => `${neutraliseCell(word)}\t${help}\n`);
  await io.stdout.write(`${files}\n${lines.join('')}`);
}

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
          return (await client.networks.list({ signal })).map(({ Name }) => Name);
        case 'volume':
          return (await client.volumes.list({}, { signal })).map(({ Name }) => Name);
      }
    } catch (error) {
      // Without an engine there are no names; that is nothing to interrupt a typing hand for.
      if (isEngineError(error) || signal.aborted) return [];
      throw error;
    }
  };
}

/** `carve inspect`. */

import { EngineError, isEngineError } from '../../../base/error.ts';
import type { Client } from '../../../client/client.ts';
import { defineCommand, type Command } from '../../command.ts';
import { inspectObjects } from '../../inspect-objects.ts';

type Find = (client: Client, name: string, withSize: boolean) => Promise<object>;

/** Kinds of things, in the order a name is looked up. */
const kinds: ReadonlyMap<string, Find> = new Map<string, Find>([
  ['container', (client, name, size) => client.containers.inspect(name, { size })],
  ['image', (client, name) => client.images.inspect(name)],
  ['network', (client, name) => client.networks.inspect(name)],
  ['volume', (client, name) => client.volumes.inspect(name)],
]);

/** Prints all there is to know about things of any kind. */
export const inspectCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] NAME|ID [NAME|ID...]',
    flags: {
      format: { kind: 'string', short: 'f', help: 'Write each by a template, or as json' },
      size: { kind: 'bool', short: 's', help: 'Count sizes of containers too' },
      type: {
        kind: 'string',
        help: 'Look only for this kind of thing',
        choices: [...kinds.keys()],
      },
    },
    args: { min: 1, completes: 'container' },
  },
  ({ client, io }, { flags, args }) => {
    const one = kinds.get(flags.type);
    return inspectObjects(io, {
      names: args,
      format: flags.format,
      find: (name) =>
        one === undefined ? findAny(client, name, flags.size) : one(client, name, flags.size),
    });
  },
);

async function findAny(client: Client, name: string, withSize: boolean): Promise<object> {
  for (const find of kinds.values()) {
    try {
      return await find(client, name, withSize);
    } catch (error) {
      // What cannot be a name of this kind may be one of the next.
      if (
        !isEngineError(error) ||
        (error.kind !== 'not-found' && error.kind !== 'invalid' && error.kind !== 'unsupported')
      )
        throw error;
    }
  }
  throw new EngineError('not-found', `Error: No such object: ${name}`);
}

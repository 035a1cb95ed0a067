/** `carve commit`. */

import { repositoryOf, familiarRepository, parseReference } from '../../../spec/reference.ts';
import { defineCommand, type Command } from '../../command.ts';

/** Makes an image of a container's files and configuration. */
export const commitCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] CONTAINER [REPOSITORY[:TAG]]',
    flags: {
      author: {
        kind: 'string',
        short: 'a',
        help: 'Who made it, e.g. "Ada Lovelace <ada@example.org>"',
      },
      change: {
        kind: 'list',
        short: 'c',
        help: 'Apply a Dockerfile instruction, e.g. CMD ["bash"]',
      },
      message: { kind: 'string', short: 'm', help: 'Why it was made' },
      pause: { kind: 'bool', short: 'p', help: 'Freeze the container meanwhile', default: true },
      'no-pause': { kind: 'bool', help: 'Let the container go on meanwhile' },
    },
    args: { min: 1, max: 2, completes: 'container' },
  },
  async ({ client, io }, { flags, args }) => {
    const [ref = '', name] = args;
    const reference = name === undefined || name === '' ? undefined : parseReference(name);
    const { Id } = await client.containers.commit(ref, {
      ...(reference === undefined
        ? {}
        : {
            repository:
              name?.includes('/') === true
                ? repositoryOf(reference)
                : familiarRepository(reference),
          }),
      ...(reference?.tag === undefined ? {} : { tag: reference.tag }),
      ...(flags.message === '' ? {} : { comment: flags.message }),
      ...(flags.author === '' ? {} : { author: flags.author }),
      pause: flags.pause && !flags['no-pause'],
      changes: flags.change,
    });
    await io.stdout.write(`${Id}\n`);
  },
);

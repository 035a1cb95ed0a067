/** `carve diff`. */

import { defineCommand, type Command } from '../../command.ts';
import { neutraliseCell } from '../../print/safe.ts';

/** Letter of each kind of change: changed, added, deleted. */
const letters = { 0: 'C', 1: 'A', 2: 'D' } as const;

/** Lists the files a container changed against its image. */
export const diffCommand: Command = defineCommand(
  { synopsis: 'CONTAINER', flags: {}, args: { min: 1, max: 1, completes: 'container' } },
  async ({ client, io }, { args }) => {
    const [ref = ''] = args;
    const changes = (await client.containers.changes(ref)) ?? [];
    await io.stdout.write(
      changes.map(({ Kind, Path }) => `${letters[Kind]} ${neutraliseCell(Path)}\n`).join(''),
    );
  },
);

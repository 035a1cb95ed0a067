/** `carve top`. */

import { defineCommand, type Command } from '../../command.ts';
import { formatTable } from '../../print/table.ts';

/** docker's width of these columns. */
const columnWidthMin = 20;

/** Lists the processes of a container as `ps` does. */
export const topCommand: Command = defineCommand(
  {
    synopsis: 'CONTAINER [PS OPTIONS]',
    flags: {},
    args: { min: 1, completes: 'running-container' },
    isInterspersed: false,
    examples: ['carve top web', 'carve top web -eo pid,comm'],
  },
  async ({ client, io }, { args }) => {
    const [ref = '', ...options] = args;
    const { Titles, Processes } = await client.containers.top(
      ref,
      options.length === 0 ? undefined : options.join(' '),
    );
    await io.stdout.write(formatTable([Titles, ...(Processes ?? [])], columnWidthMin));
  },
);

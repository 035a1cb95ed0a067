/** `carve egress log`. */

import { formatJson } from '../../../client/decode.ts';
import type { EgressDenial } from '../../../spec/egress.ts';
import { defineCommand, type Command } from '../../command.ts';
import { neutraliseCell, neutraliseJson } from '../../print/safe.ts';
import { formatTable } from '../../print/table.ts';

/** Lists what containers tried to reach and might not. */
export const egressLogCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] [CONTAINER]',
    details:
      'One line for each destination that an egress policy denied within the last hour, and for each name that was refused.',
    flags: {
      format: { kind: 'string', help: 'Write the list as json', choices: ['json'] },
    },
    args: { min: 0, max: 1, completes: 'container' },
    examples: ['carve egress log', 'carve egress log --format json web'],
  },
  async ({ client, io }, { flags, args }) => {
    const { Entries } = await client.networks.denials(args[0]);
    await io.stdout.write(
      flags.format === 'json'
        ? `${neutraliseJson(formatJson(Entries, 2))}\n`
        : formatTable([
            ['CONTAINER', 'DENIED', 'PROTOCOL', 'COUNT', 'LAST'],
            ...Entries.map(rowOf),
          ]),
    );
  },
);

function rowOf(entry: EgressDenial): readonly string[] {
  const { ContainerName, Kind, Protocol = 'dns', Count, LastAt } = entry;
  const what = Kind === 'name' ? (entry.Name ?? '') : destinationOf(entry);
  return [ContainerName, what, Protocol, String(Count), LastAt].map(neutraliseCell);
}

function destinationOf({ Address = '', Port }: EgressDenial): string {
  if (Port === undefined) return Address;
  return Address.includes(':') ? `[${Address}]:${Port}` : `${Address}:${Port}`;
}

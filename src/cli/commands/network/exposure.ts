/** `carve network exposure`. */

import { formatJson } from '../../../client/decode.ts';
import type { ContainerExposure, ExposedTo, ExposureWay } from '../../../spec/exposure.ts';
import { defineCommand, type Command } from '../../command.ts';
import { neutraliseCell, neutraliseJson } from '../../print/safe.ts';
import { formatTable } from '../../print/table.ts';

/** Shows who reaches which port of which container, and what containers reach. */
export const networkExposureCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] [CONTAINER]',
    details:
      'A port that is published on a loopback address is reached from this machine only, one on another address from wherever that address is reached, one of a routed network at the container’s own address. Containers of a network reach every port of each other.',
    flags: {
      format: { kind: 'string', help: 'Write all of it as json', choices: ['json'] },
    },
    args: { min: 0, max: 1, completes: 'running-container' },
    examples: ['carve network exposure', 'carve network exposure --format json web'],
  },
  async ({ client, io }, { flags, args }) => {
    const exposure = await client.networks.exposure(args[0]);
    await io.stdout.write(
      flags.format === 'json'
        ? `${neutraliseJson(formatJson(exposure, 2))}\n`
        : formatTables(exposure.Containers),
    );
  },
);

function formatTables(containers: readonly ContainerExposure[]): string {
  const ways = containers.flatMap(({ ContainerName, Ways }) =>
    Ways.map((way) => [ContainerName, way.Network, way.Port, way.At, sourcesOf(way)]),
  );
  const reaches = containers.map((each) => [each.ContainerName, reachOf(each)]);
  const clean = (rows: readonly (readonly string[])[]): string[][] =>
    rows.map((row) => row.map(neutraliseCell));
  return [
    formatTable([['CONTAINER', 'NETWORK', 'PORT', 'AT', 'REACHED FROM'], ...clean(ways)]),
    formatTable([['CONTAINER', 'REACHES'], ...clean(reaches)]),
  ].join('\n');
}

const WORDS: Readonly<Record<Exclude<ExposedTo, 'peers'>, string>> = {
  host: 'this machine',
  lan: 'other machines',
  containers: 'containers of other networks',
};

function sourcesOf({ From, Peers, Links }: ExposureWay): string {
  if (From.length === 0) return 'nowhere';
  const by = Links === undefined ? '' : ` by ${Links.join(' or ')}`;
  return From.map((each) => {
    if (each === 'peers') return Peers.join(', ');
    return each === 'lan' ? `${WORDS.lan}${by}` : WORDS[each];
  }).join(', ');
}

function reachOf({ Reaches, Allowed }: ContainerExposure): string {
  if (Reaches === 'as-the-host') return 'what this machine reaches';
  if (Reaches === 'nothing') return 'its own networks';
  if (Reaches === 'everything') return 'everything';
  const lists = Allowed.map((list) => (list.length === 0 ? 'nothing else' : list.join(', ')));
  return `its own networks; ${lists.join(' and ')}`;
}

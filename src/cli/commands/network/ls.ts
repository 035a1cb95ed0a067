/** `carve network ls`. */

import type { ListedNetwork } from '../../../client/networks.ts';
import { defineCommand, type Command } from '../../command.ts';
import { readFilters } from '../../filters.ts';
import { printListing, shortId } from '../../print/listing.ts';
import { compareNatural } from '../../print/natural.ts';

/** Lists networks. */
export const networkLsCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS]',
    flags: {
      filter: {
        kind: 'list',
        short: 'f',
        help: 'List only what fits, e.g. driver=bridge or label=KEY',
      },
      format: { kind: 'string', help: 'Write each network by a template, or as json' },
      'no-trunc': { kind: 'bool', help: 'Shorten nothing' },
      quiet: { kind: 'bool', short: 'q', help: 'Print only ids' },
    },
    args: { min: 0, max: 0 },
    examples: ['carve network ls', "carve network ls --format '{{.Name}} {{.Driver}}'"],
  },
  async (context, { flags }) => {
    const { client, io } = context;
    const networks = await client.networks.list({ filters: readFilters(flags.filter) });
    const rows = networks
      .toSorted((a, b) => compareNatural(a.Name, b.Name))
      .map((network) => rowOf(network, flags['no-trunc']));
    const format =
      flags.format === '' ? (context.config().formatOf('networks') ?? '') : flags.format;
    if (flags.quiet && (format === '' || format === 'table')) {
      await io.stdout.write(rows.map(({ ID }) => `${String(ID)}\n`).join(''));
      return;
    }
    await printListing(io.stdout, {
      rows,
      headings,
      columns: ['ID', 'Name', 'Driver', 'Scope'],
      format,
    });
  },
);

const headings = {
  ID: 'NETWORK ID',
  Name: 'NAME',
  Driver: 'DRIVER',
  Scope: 'SCOPE',
  IPv4: 'IPV4',
  IPv6: 'IPV6',
  Internal: 'INTERNAL',
  Labels: 'LABELS',
  CreatedAt: 'CREATED AT',
} as const;

function rowOf(network: ListedNetwork, isFull: boolean): Readonly<Record<string, unknown>> {
  const labels = network.Labels ?? {};
  return {
    CreatedAt: goTime(network.Created),
    Driver: network.Driver,
    ID: isFull ? network.Id : shortId(network.Id),
    // An engine that does not say it has nothing else.
    IPv4: network.EnableIPv4 === true ? 'true' : 'false',
    IPv6: String(network.EnableIPv6),
    Internal: String(network.Internal),
    Label: (name: unknown) => labels[String(name)] ?? '',
    Labels: Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .toSorted()
      .join(','),
    Name: network.Name,
    Scope: network.Scope,
  };
}

/** RFC 3339 as Go prints a time. */
function goTime(text: string): string {
  const match = /^(\S+)T([\d:.]+)(?:Z|([+-]\d\d):(\d\d))$/.exec(text);
  if (match === null) return text;
  const [, date = '', time = '', hours, minutes = ''] = match;
  const zone = hours === undefined ? '+0000 UTC' : `${hours}${minutes} ${hours}${minutes}`;
  return `${date} ${time} ${zone}`;
}

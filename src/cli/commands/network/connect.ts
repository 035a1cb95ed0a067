/** `carve network connect` and `carve network disconnect`. */

import type { EndpointSettings } from '../../../spec/docker/container.ts';
import { defineCommand, type Command } from '../../command.ts';
import { recordOfPairs, splitFields } from '../../create/key-value.ts';
import type { FlagValues } from '../../flags/table.ts';

const connectFlags = {
  alias: { kind: 'list', help: 'Another name of the container on this network' },
  'driver-opt': { kind: 'list', help: 'Option of the driver, as KEY=VALUE' },
  'gw-priority': {
    kind: 'int',
    help: 'The network of the highest priority gets the default route',
  },
  ip: { kind: 'string', help: 'IPv4 address, of a subnet that was asked for' },
  ip6: { kind: 'string', help: 'IPv6 address, of a subnet that was asked for' },
  link: { kind: 'list', help: 'Name another container, as CONTAINER[:ALIAS]' },
  'link-local-ip': { kind: 'list', help: 'Link-local address' },
} as const;

/** Connects a container to a network. */
export const networkConnectCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] NETWORK CONTAINER',
    flags: connectFlags,
    args: { min: 2, max: 2, completes: ['network', 'container'] },
    examples: ['carve network connect --alias db backend postgres'],
  },
  async ({ client }, { flags, args }) => {
    const [network = '', container = ''] = args;
    await client.networks.connect(network, {
      Container: container,
      EndpointConfig: readEndpoint(flags),
    });
  },
);

/** Disconnects a container from a network. */
export const networkDisconnectCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] NETWORK CONTAINER',
    flags: {
      force: { kind: 'bool', short: 'f', help: 'Also from a network that is gone' },
    },
    args: { min: 2, max: 2, completes: ['network', 'container'] },
  },
  async ({ client }, { flags, args }) => {
    const [network = '', container = ''] = args;
    await client.networks.disconnect(network, { Container: container, Force: flags.force });
  },
);

function readEndpoint(flags: FlagValues<typeof connectFlags>): EndpointSettings {
  const { ip, ip6, link, alias } = flags;
  const linkLocal = flags['link-local-ip'].flatMap(splitFields);
  return {
    IPAMConfig: {
      ...(ip === '' ? {} : { IPv4Address: ip }),
      ...(ip6 === '' ? {} : { IPv6Address: ip6 }),
      ...(linkLocal.length === 0 ? {} : { LinkLocalIPs: linkLocal }),
    },
    ...(link.length === 0 ? {} : { Links: link }),
    ...(alias.length === 0 ? {} : { Aliases: alias.flatMap(splitFields) }),
    ...(flags['driver-opt'].length === 0
      ? {}
      : { DriverOpts: recordOfPairs(flags['driver-opt'].flatMap(splitFields)) }),
    ...(flags['gw-priority'] === 0 ? {} : { GwPriority: flags['gw-priority'] }),
  };
}

/** `carve network create`. */

import type { NetworkCreateBody } from '../../../spec/docker/network.ts';
import { defineCommand, type Command } from '../../command.ts';
import { recordOfPairs, splitFields } from '../../create/key-value.ts';
import { readIpam } from '../../network/ipam.ts';
import { neutraliseText } from '../../print/safe.ts';

/** Makes a network and prints its id. */
export const networkCreateCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] NETWORK',
    details:
      'Without --subnet the engine chooses subnets that no network and no route of the host has. A bridge network has IPv4 and IPv6 unless one is switched off.',
    examples: [
      'carve network create web',
      'carve network create --subnet 10.5.0.0/16 --gateway 10.5.0.1 --ip-range 10.5.8.0/24 lan',
      'carve network create -d macvlan -o parent=eth0 --subnet 192.0.2.0/24 wire',
    ],
    flags: {
      attachable: { kind: 'bool', help: 'Let containers be attached by hand' },
      'aux-address': { kind: 'map', help: 'Keep an address free, as NAME=ADDRESS' },
      'config-from': { kind: 'string', help: 'Take the configuration of this network' },
      'config-only': { kind: 'bool', help: 'Make a configuration and no network' },
      driver: {
        kind: 'string',
        short: 'd',
        help: 'How containers are connected: bridge, macvlan or ipvlan',
        default: 'bridge',
      },
      egress: {
        kind: 'string',
        help: 'Let containers out to nothing but what is allowed: deny; or to everything: allow',
        choices: ['deny', 'allow'],
      },
      'egress-allow': {
        kind: 'list',
        help: 'Let containers reach a name or a network, e.g. *.example.org:443 or 10.0.0.0/8',
      },
      gateway: { kind: 'list', help: 'Address of the network itself in its subnet' },
      ingress: { kind: 'bool', help: 'Make the routing mesh of a swarm' },
      internal: { kind: 'bool', help: 'Let nothing out of the network, and nothing in' },
      'ip-range': {
        kind: 'list',
        help: 'Choose addresses of containers from this part of a subnet',
      },
      'ipam-driver': { kind: 'string', help: 'How addresses are chosen', default: 'default' },
      'ipam-opt': { kind: 'map', help: 'Option of the choice of addresses, as KEY=VALUE' },
      ipv4: { kind: 'bool', help: 'Give containers IPv4 addresses', default: true },
      ipv6: { kind: 'bool', help: 'Give containers IPv6 addresses; usual on a bridge' },
      label: { kind: 'list', help: 'Give the network a label, as KEY=VALUE' },
      opt: { kind: 'map', short: 'o', help: 'Option of the driver, as KEY=VALUE' },
      scope: { kind: 'string', help: 'Where the network exists: local' },
      subnet: {
        kind: 'list',
        help: 'Subnet of the network, e.g. 10.5.0.0/16; one for each family or more',
      },
    },
    args: { min: 1, max: 1 },
  },
  async ({ client, io }, { flags, given, args }) => {
    const [name = ''] = args;
    const body: NetworkCreateBody = {
      Name: name,
      Driver: flags.driver,
      Scope: flags.scope,
      Internal: flags.internal,
      Attachable: flags.attachable,
      Ingress: flags.ingress,
      ConfigOnly: flags['config-only'],
      ...(flags['config-from'] === '' ? {} : { ConfigFrom: { Network: flags['config-from'] } }),
      IPAM: readIpam({
        driver: flags['ipam-driver'],
        subnets: flags.subnet.flatMap(splitFields),
        ranges: flags['ip-range'].flatMap(splitFields),
        gateways: flags.gateway.flatMap(splitFields),
        auxAddresses: recordOfPairs(flags['aux-address']),
        options: recordOfPairs(flags['ipam-opt']),
      }),
      ...(given.has('ipv4') ? { EnableIPv4: flags.ipv4 } : {}),
      ...(given.has('ipv6') ? { EnableIPv6: flags.ipv6 } : {}),
      Options: { ...recordOfPairs(flags.opt), ...egressOptions(flags) },
      Labels: recordOfPairs(flags.label),
    };
    const { Id, Warning } = await client.networks.create(body);
    if (Warning !== '') await io.stderr.write(`WARNING: ${neutraliseText(Warning)}\n`);
    await io.stdout.write(`${Id}\n`);
  },
);

function egressOptions(flags: {
  readonly egress: string;
  readonly 'egress-allow': readonly string[];
}): Readonly<Record<string, string>> {
  const { egress, 'egress-allow': allow } = flags;
  return {
    ...(egress === '' ? {} : { 'carve.egress': egress }),
    ...(allow.length === 0 ? {} : { 'carve.egress.allow': allow.join(',') }),
  };
}

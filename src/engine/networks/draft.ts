/**
 * From a request for a network to its record. Pure: what is taken and what is
 * random are given.
 *
 * Source: Engine API `POST /networks/create`, in Docker's words where they are clear.
 */

import { EngineError } from '../../base/error.ts';
import { DEFAULT_POOLS } from '../../network/ipam/pool.ts';
import { planSubnets } from '../../network/ipam/plan-subnets.ts';
import { checkOptions, parseBridgeOptions } from '../../network/options.ts';
import type { NetworkDriver, NetworkRecord } from '../../network/store.ts';
import { formatNetwork, type Network } from '../../spec/cidr.ts';
import type { NetworkCreateBody } from '../../spec/docker/network.ts';
import { configuredBy, draftConfiguration, withConfiguration } from './configuration.ts';
import { checkNetworkEgress } from './egress.ts';

/** What a draft depends on. */
export interface DraftContext {
  readonly id: string;
  /** Nanoseconds since the epoch. */
  readonly nowNs: bigint;
  /** All of them, also those on their way in or out. */
  readonly networks: readonly NetworkRecord[];
  /** Ids of those on their way out or in. */
  readonly unsettled: ReadonlySet<string>;
  /** Destinations of the host's routes. */
  readonly routes: readonly Network[];
  /** The kernel has IPv6. */
  readonly hasIpv6: boolean;
  readonly random: () => Uint8Array;
}

/** A network to be, and what the client should be told. */
export interface NetworkDraft {
  readonly network: NetworkRecord;
  readonly warning: string;
}

/** The first pool is left to the default bridge, which gets its subnet when it is first used. */
const POOLS = [...DEFAULT_POOLS.slice(1), ...DEFAULT_POOLS.slice(0, 1)];

/** Longest name in characters. */
const NAME_MAX = 255;
const PREDEFINED: ReadonlySet<string> = new Set(['bridge', 'host', 'none', 'default']);

/** Errors: `invalid`; `denied`; `conflict` name; `not-found` driver or configuration; `unsupported`; `exhausted` pools. */
export function draftNetwork(asked: NetworkCreateBody, context: DraftContext): NetworkDraft {
  const name = checkName(asked.Name, context);
  if (asked.ConfigOnly === true) {
    const { id, nowNs } = context;
    const network = draftConfiguration(asked, { id, name, createdAtNs: nowNs });
    return { network, warning: '' };
  }
  const settled = context.networks.filter(({ id }) => !context.unsettled.has(id));
  const body = withConfiguration(asked, settled);
  const driver = checkDriver(body.Driver);
  checkScope(body);
  const { Internal: isInternal = false, Attachable: isAttachable = false } = body;
  const options = body.Options ?? {};
  const ipam = body.IPAM ?? {};
  checkIpamDriver(ipam.Driver);
  checkOptions({ driver, options, isInternal });
  checkNetworkEgress({ driver, options, labels: body.Labels ?? {} });
  const families = familiesOf(body, { driver, hasKernelIpv6: context.hasIpv6 });
  const planned = planSubnets(ipam.Config ?? [], { ...context, ...families, pools: POOLS });
  const network: NetworkRecord = {
    id: context.id,
    name,
    createdAtNs: context.nowNs,
    driver,
    isPredefined: false,
    ...families,
    subnets: planned.subnets,
    isInternal,
    isAttachable,
    ipamOptions: ipam.Options ?? {},
    options,
    labels: body.Labels ?? {},
    ...configuredBy(asked),
  };
  checkLink(network, context.networks);
  const unused = planned.unused.map(formatNetwork).join(', ');
  const warning =
    unused === '' ? '' : `${unused} is not used: its IP version is off for this network`;
  return { network, warning };
}

/** IPv4 unless switched off; IPv6 too on a bridge, and where a subnet of it is given. Errors: `invalid` for none. */
function familiesOf(
  body: NetworkCreateBody,
  where: { readonly driver: NetworkDriver; readonly hasKernelIpv6: boolean },
): Pick<NetworkRecord, 'hasIpv4' | 'hasIpv6'> {
  const options = body.Options ?? {};
  const isGiven = (body.IPAM?.Config ?? []).some(({ Subnet = '' }) => Subnet.includes(':'));
  // An address of our own choosing means nothing on somebody else's wire.
  const isUsual = isGiven || (where.driver === 'bridge' && where.hasKernelIpv6);
  const hasIpv4 = body.EnableIPv4 ?? flagOf(options, 'com.docker.network.enable_ipv4') ?? true;
  const hasIpv6 = body.EnableIPv6 ?? flagOf(options, 'com.docker.network.enable_ipv6') ?? isUsual;
  if (hasIpv4 || hasIpv6) return { hasIpv4, hasIpv6 };
  throw new EngineError('invalid', 'IPv4 or IPv6 must be enabled');
}

function checkName(name = '', { networks }: DraftContext): string {
  if (name.trim() === '') throw new EngineError('invalid', 'invalid name: name is empty');
  if (name.trim() !== name || /\p{Cc}/u.test(name) || name.length > NAME_MAX) {
    throw new EngineError(
      'invalid',
      `invalid name ${JSON.stringify(name.slice(0, 80))}: a network's name has 1 to ${NAME_MAX} characters, none of them a control character, and no space around it`,
    );
  }
  if (PREDEFINED.has(name)) {
    throw new EngineError('denied', `operation is not permitted on predefined ${name} network`);
  }
  const owner = networks.find((network) => network.name === name);
  if (owner !== undefined) {
    throw new EngineError('conflict', `network with name ${name} already exists`, {
      details: { name, owner: owner.id },
    });
  }
  return name;
}

function checkDriver(name = ''): NetworkDriver {
  if (name === '' || name === 'default' || name === 'bridge') return 'bridge';
  if (name === 'macvlan' || name === 'ipvlan') return name;
  if (name === 'host' || name === 'null') {
    throw new EngineError('denied', `only one instance of "${name}" network is allowed`);
  }
  if (name === 'overlay') throw swarmOnly();
  throw new EngineError('not-found', `plugin ${JSON.stringify(name.slice(0, 80))} not found`, {
    hint: 'The network drivers of carve are bridge, macvlan and ipvlan',
  });
}

function checkScope(body: NetworkCreateBody): void {
  const scope = body.Scope ?? '';
  if (scope === 'swarm' || body.Ingress === true) throw swarmOnly();
  if (scope !== '' && scope !== 'local') {
    throw new EngineError(
      'invalid',
      `invalid network scope ${JSON.stringify(scope.slice(0, 80))}: it is local`,
    );
  }
}

function swarmOnly(): EngineError {
  return new EngineError(
    'denied',
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
  );
}

function checkIpamDriver(name = ''): void {
  if (name === '' || name === 'default') return;
  if (name === 'null') {
    throw new EngineError(
      'unsupported',
      'Cannot make a network without addresses: carve has no ipam driver "null"',
    );
  }
  throw new EngineError('not-found', `plugin ${JSON.stringify(name.slice(0, 80))} not found`, {
    hint: 'The ipam driver of carve is default',
  });
}

function flagOf(options: NetworkRecord['options'], option: string): boolean | undefined {
  const value = options[option];
  if (value === undefined) return undefined;
  if (/^(?:1|t|true)$/i.test(value)) return true;
  if (/^(?:0|f|false)$/i.test(value)) return false;
  throw new EngineError('invalid', `driver-opt "${option}" is not a valid bool`);
}

/** Two bridges cannot have one link. */
function checkLink(network: NetworkRecord, others: readonly NetworkRecord[]): void {
  if (network.driver !== 'bridge') return;
  const { link } = parseBridgeOptions(network.options);
  if (link === undefined) return;
  const owner = others.find(
    (other) => other.driver === 'bridge' && parseBridgeOptions(other.options).link === link,
  );
  if (owner === undefined) return;
  throw new EngineError(
    'denied',
    `cannot create network ${network.name}: conflicts with network ${owner.name}: both would have the bridge ${link}`,
  );
}

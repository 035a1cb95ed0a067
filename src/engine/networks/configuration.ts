/**
 * Configurations of networks (`network create --config-only`): settings under a
 * name, and the networks that are made from them (`--config-from`). Pure.
 *
 * Source: Engine API `ConfigOnly`, `ConfigFrom`; Docker's rules in its words,
 * checked against Docker 20.10; docs/decisions/0048-configurations-of-networks.md.
 */

import { EngineError } from '../../base/error.ts';
import { checkSubnets } from '../../network/ipam/plan-subnets.ts';
import type { NetworkRecord } from '../../network/store.ts';
import type { NetworkCreateBody } from '../../spec/docker/network.ts';

/** The record of a configuration. Errors: `denied` for what no configuration has; `invalid` subnets. */
export function draftConfiguration(
  body: NetworkCreateBody,
  draft: Pick<NetworkRecord, 'id' | 'name' | 'createdAtNs'>,
): NetworkRecord {
  checkKeeps(body);
  const { IPAM, EnableIPv4, EnableIPv6 } = body;
  const ipam = { Driver: '', ...IPAM };
  const subnets = ipam.Config ?? [];
  // The driver that will read the options is not known yet.
  checkSubnets(subnets);
  return {
    ...draft,
    driver: 'null',
    isPredefined: false,
    hasIpv4: EnableIPv4 ?? true,
    hasIpv6: EnableIPv6 ?? false,
    subnets: [],
    isInternal: false,
    isAttachable: false,
    ipamOptions: ipam.Options ?? {},
    options: body.Options ?? {},
    labels: body.Labels ?? {},
    configuration: {
      ipamDriver: ipam.Driver,
      subnets,
      ...(typeof EnableIPv4 === 'boolean' ? { hasIpv4: EnableIPv4 } : {}),
      ...(typeof EnableIPv6 === 'boolean' ? { hasIpv6: EnableIPv6 } : {}),
    },
  };
}

/** What the network is to be for others is not a configuration's to say. */
function checkKeeps(body: NetworkCreateBody): void {
  const { Ingress, Internal, Attachable, Scope = '' } = body;
  if (Ingress === true || Internal === true || Attachable === true || Scope !== '') {
    throw denied(
      'configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.',
    );
  }
  if (sourceOf(body) !== '') {
    throw denied('a configuration network cannot depend on another configuration network');
  }
}

/** The request with what its configuration says. Errors: `denied` where both say something; `not-found`. */
export function withConfiguration(
  body: NetworkCreateBody,
  networks: readonly NetworkRecord[],
): NetworkCreateBody {
  const source = sourceOf(body);
  if (source === '') return body;
  checkAddsNothing(body);
  const found = networks.find(({ name }) => name === source);
  if (found?.configuration === undefined) {
    throw new EngineError(
      'not-found',
      `configuration network ${JSON.stringify(source.slice(0, 255))} does not exist`,
    );
  }
  const { ipamDriver, subnets, hasIpv4, hasIpv6 } = found.configuration;
  return {
    ...body,
    IPAM: { Driver: ipamDriver, Config: subnets, Options: found.ipamOptions },
    EnableIPv4: hasIpv4 ?? null,
    EnableIPv6: hasIpv6 ?? null,
    Options: found.options,
    Labels: found.labels,
  };
}

/** What the network is made from, for its record. */
export function configuredBy(body: NetworkCreateBody): Pick<NetworkRecord, 'configuredBy'> {
  const source = sourceOf(body);
  return source === '' ? {} : { configuredBy: source };
}

/** Networks that are made from it need it: they name it. Errors: `denied`. */
export function checkNotUsed(network: NetworkRecord, networks: readonly NetworkRecord[]): void {
  if (network.configuration === undefined) return;
  const users = networks.filter((each) => each.configuredBy === network.name);
  if (users.length === 0) return;
  throw denied(
    `error while removing network: configuration network ${JSON.stringify(network.name)} is in use`,
    `Remove the networks that are made from it first: ${users.map(({ name }) => name).join(', ')}`,
  );
}

/** Nobody can be on it. Errors: `denied`. */
export function checkNoConfiguration(network: NetworkRecord): void {
  if (network.configuration === undefined) return;
  throw denied(
    'cannot create endpoint on configuration-only network',
    `Make a network from it: carve network create --config-from ${network.name} NETWORK`,
  );
}

function checkAddsNothing(body: NetworkCreateBody): void {
  const { Driver = '', Config, Options } = body.IPAM ?? {};
  const isEmpty = (map: object | null | undefined): boolean => Object.keys(map ?? {}).length === 0;
  const isPlain =
    (Driver === '' || Driver === 'default') &&
    (Config ?? []).length === 0 &&
    isEmpty(Options) &&
    isEmpty(body.Labels) &&
    body.EnableIPv4 !== false &&
    body.EnableIPv6 !== true;
  if (!isPlain) {
    throw denied(
      'user specified configurations are not supported if the network depends on a configuration network',
    );
  }
  if (!isEmpty(body.Options)) {
    throw denied(
      'network driver options are not supported if the network depends on a configuration network',
    );
  }
}

function sourceOf({ ConfigFrom }: NetworkCreateBody): string {
  return ConfigFrom?.Network ?? '';
}

function denied(text: string, hint?: string): EngineError {
  return new EngineError('denied', text, hint === undefined ? {} : { hint });
}

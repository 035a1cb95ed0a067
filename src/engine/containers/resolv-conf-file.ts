/**
 * A container's /etc/resolv.conf on the disk: written again whenever its
 * networks changed, until the container edits it.
 *
 * Source: engine-api facts 8.
 */

import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { policyOfContainer, policyOfNetwork } from '../networks/egress.ts';
import { hasNames } from '../networks/names.ts';
import type { EngineParts } from '../parts.ts';
import type { Container } from './container.ts';
import { renderResolvConf } from './render-files.ts';
import { renderResolverConf } from './render-network-files.ts';

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The text for the networks the container is on now. */
function textFor(parts: EngineParts, { record, endpoints }: Container): string {
  const { Dns, DnsSearch, DnsOptions, NetworkMode } = record.hostConfig;
  const request = { servers: Dns ?? [], search: DnsSearch ?? [], options: DnsOptions ?? [] };
  const hostText = parts.host.readResolvConf();
  const isNamed = endpoints.some(({ networkId }) => {
    const network = parts.networks.find(networkId);
    return network !== undefined && (hasNames(network) || policyOfNetwork(network) !== undefined);
  });
  // Under an egress policy names are asked of the engine, which opens the way to them.
  const isHeld = endpoints.length > 0 && policyOfContainer(record) !== undefined;
  return isNamed || isHeld
    ? renderResolverConf(hostText, request)
    : renderResolvConf(hostText, {
        ...request,
        isHostNetwork: NetworkMode === 'host',
        hasIpv6: endpoints.some(({ ipv6 }) => ipv6 !== undefined),
      });
}

/** Write `path`, unless the container has changed it. In place: the container has it mounted. */
export function writeResolvConf(parts: EngineParts, container: Container, path: string): void {
  // What was written last, as a digest: the container cannot reach this one.
  const mark = `${path}.written`;
  const old = readText(path);
  if (old !== undefined && digestOf(old) !== readText(mark)) return;
  const text = textFor(parts, container);
  if (text === old) return;
  writeFileSync(mark, digestOf(text), { mode: 0o600 });
  writeFileSync(path, text, { mode: 0o644 });
}

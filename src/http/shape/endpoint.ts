/**
 * Networks of a container as a client's version knows them.
 * Source: Docker Engine API, version history 1.44, 1.45, 1.52; engine-api facts 1.2, 6.1.
 */

import type { EndpointSettings } from '../../spec/docker/container.ts';
import type { NetworkSettings } from '../../spec/docker/inspect.ts';

/** The legacy fields that copy the endpoint on the network named `bridge`; dropped in 1.52. */
const noBridge = {
  EndpointID: '',
  Gateway: '',
  GlobalIPv6Address: '',
  GlobalIPv6PrefixLen: 0,
  IPAddress: '',
  IPPrefixLen: 0,
  IPv6Gateway: '',
  MacAddress: '',
};

/** Fields that have had no meaning for years and that typed clients still read. */
const obsolete = {
  Bridge: '',
  HairpinMode: false,
  LinkLocalIPv6Address: '',
  LinkLocalIPv6PrefixLen: 0,
  SecondaryIPAddresses: null,
  SecondaryIPv6Addresses: null,
};

/** `NetworkSettings` of an inspect. `names`: what the container answers to, for clients before 1.45. */
export function shapeNetworkSettings(
  settings: NetworkSettings,
  names: { readonly shortId: string; readonly hostname: string },
  version: number,
): object {
  const { bridge } = settings.Networks;
  return {
    ...obsolete,
    SandboxID: settings.SandboxID,
    SandboxKey: settings.SandboxKey,
    Ports: settings.Ports,
    ...noBridge,
    ...(bridge === undefined ? {} : copyOf(bridge)),
    Networks:
      version >= 45
        ? settings.Networks
        : Object.fromEntries(
            Object.entries(settings.Networks).map(([name, endpoint]) => [
              name,
              olderEndpoint(endpoint, names, version),
            ]),
          ),
  };
}

function copyOf(endpoint: EndpointSettings): typeof noBridge {
  return {
    EndpointID: endpoint.EndpointID ?? '',
    Gateway: endpoint.Gateway ?? '',
    GlobalIPv6Address: endpoint.GlobalIPv6Address ?? '',
    GlobalIPv6PrefixLen: endpoint.GlobalIPv6PrefixLen ?? 0,
    IPAddress: endpoint.IPAddress ?? '',
    IPPrefixLen: endpoint.IPPrefixLen ?? 0,
    IPv6Gateway: endpoint.IPv6Gateway ?? '',
    MacAddress: endpoint.MacAddress ?? '',
  };
}

/** Before 1.45 the short id and the hostname were aliases; before 1.44 there were no DNS names. */
function olderEndpoint(
  endpoint: EndpointSettings,
  names: { readonly shortId: string; readonly hostname: string },
  version: number,
): EndpointSettings {
  const aliases = [...(endpoint.Aliases ?? []), names.shortId, names.hostname];
  const older = { ...endpoint, Aliases: [...new Set(aliases.filter((alias) => alias !== ''))] };
  if (version >= 44) return older;
  const { DNSNames: _, ...withoutNames } = older;
  return withoutNames;
}

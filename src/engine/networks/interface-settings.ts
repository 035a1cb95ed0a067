/**
 * What a client asks of a container's interface beside its addresses: more
 * addresses of the link, and kernel settings of it alone. Pure.
 *
 * Source: Engine API `EndpointIPAMConfig.LinkLocalIPs`; Docker's endpoint option
 * `com.docker.network.endpoint.sysctls`.
 */

import type { Endpoint } from '../../network/endpoint.ts';
import type { EndpointSettings } from '../../spec/docker/container.ts';

/** Endpoint option: `net.ipv4.conf.IFNAME.NAME=VALUE`, several with commas between. */
export const ENDPOINT_SYSCTLS = 'com.docker.network.endpoint.sysctls';

/** Precondition: the settings are checked. */
export function interfaceSettings(
  { IPAMConfig, DriverOpts }: EndpointSettings,
  interfaceName: string,
): Pick<Endpoint, 'linkLocal' | 'settings'> {
  const linkLocal = IPAMConfig?.LinkLocalIPs ?? [];
  const sysctls = (DriverOpts?.[ENDPOINT_SYSCTLS] ?? '').split(',').filter((each) => each !== '');
  return {
    ...(linkLocal.length === 0 ? {} : { linkLocal }),
    ...(sysctls.length === 0
      ? {}
      : { settings: sysctls.map((sysctl) => readSysctl(sysctl, interfaceName)) }),
  };
}

/** A name of an interface may have dots itself: it takes its place last. */
function readSysctl(sysctl: string, interfaceName: string): readonly [string, string] {
  const at = sysctl.indexOf('=');
  const [, ...words] = sysctl.slice(0, at).split('.');
  const path = words.map((word) => (word.toUpperCase() === 'IFNAME' ? interfaceName : word));
  return [path.join('/'), sysctl.slice(at + 1)];
}

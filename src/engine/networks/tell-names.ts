/** What is told of a container to the name server's directory, and to those that link to it, kept true. */

import type { Container } from '../containers/container.ts';
import type { ContainerRecord } from '../containers/record.ts';
import { writeHosts } from '../containers/network-files.ts';
import type { EngineParts } from '../parts.ts';
import { linkersOf } from './links.ts';
import { tellNames } from './names.ts';
import { servedPorts } from './served-ports.ts';

/** After every change of its endpoints, links or name. */
export function tellContainer(parts: EngineParts, container: Container): void {
  for (const linker of linkersOf(parts, container)) writeHosts(parts, linker);
  const { record, endpoints } = container;
  if (endpoints.length === 0) {
    parts.names.directory.forget(container.id);
    return;
  }
  const isFirst = (endpoint: (typeof endpoints)[number]): boolean =>
    endpoint.isDefault4 || endpoint.isDefault6;
  tellNames(
    parts.names.directory,
    {
      id: container.id,
      endpoints: [...endpoints.filter(isFirst), ...endpoints.filter((each) => !isFirst(each))],
      servers: record.hostConfig.Dns ?? [],
      options: record.hostConfig.DnsOptions ?? [],
      links: linksOf(parts, record),
      ports: servedPorts(record),
    },
    (id) => parts.networks.find(id),
  );
}

/** `other:alias` of every network; another container that is gone has no alias. */
function linksOf(
  parts: Pick<EngineParts, 'containers'>,
  record: ContainerRecord,
): readonly { readonly alias: string; readonly containerId: string }[] {
  const links = Object.values(record.endpoints).flatMap((settings) => settings?.Links ?? []);
  return links.flatMap((link) => {
    const [ref = '', alias = ref] = link.split(':');
    const other = parts.containers.find(ref);
    return other === undefined ? [] : [{ alias, containerId: other.id }];
  });
}

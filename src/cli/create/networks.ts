/**
 * Networks of a container, as the API's values. Pure. The flags for one
 * network (`--ip`, `--network-alias`…) belong to the first.
 *
 * Source: docker's `--network`: a name, or `name=…,alias=…,ip=…`.
 */

import { EngineError } from '../../base/error.ts';
import type { EndpointSettings } from '../../spec/docker/container.ts';
import { readEach } from '../flags/parse.ts';
import { recordOfPairs, splitFields, splitPair } from './key-value.ts';
import type { FlagValues } from '../flags/table.ts';
import type { networkFlags } from './flags-host.ts';
import { ipVersion } from '../../client/ip-version.ts';

/** The networks of a container. */
export interface NetworkSet {
  readonly mode: string;
  readonly endpoints: Readonly<Record<string, EndpointSettings>>;
}

/** One network as asked for. */
interface Attachment {
  readonly target: string;
  readonly aliases: readonly string[];
  readonly driverOptions: readonly string[];
  readonly links: readonly string[];
  readonly ip4: string;
  readonly ip6: string;
  readonly linkLocal: readonly string[];
  readonly mac: string;
  /** Higher wins the default route. */
  readonly priority: number;
}

type NetworkFlags = FlagValues<typeof networkFlags>;

/** The networks of flags. Throws `invalid` for what cannot be together. */
export function readNetworks(flags: NetworkFlags): NetworkSet {
  const parsed = readEach('--network', flags.network, parseNetwork);
  const [first = bareAttachment('default'), ...others] = parsed;
  const attachments = [withFlags(first, flags), ...others];
  const endpoints: Record<string, EndpointSettings> = {};
  for (const attachment of attachments) {
    if (attachment.target in endpoints) {
      throw new EngineError(
        'invalid',
        `network "${attachment.target}" is specified multiple times`,
      );
    }
    if (attachments.length > 1 && isHostSide(attachment.target)) {
      throw new EngineError(
        'invalid',
        `conflicting options: cannot attach both user-defined and non-user-defined network-modes`,
      );
    }
    const endpoint = endpointOf(attachment);
    // One network and nothing to say about it: the mode alone says it all.
    const isPlain = attachments.length === 1 && Object.keys(endpoint).length === 0;
    if (!isPlain) endpoints[attachment.target] = endpoint;
  }
  return { mode: first.target, endpoints };
}

/** Modes that are no networks of the engine. */
function isHostSide(target: string): boolean {
  return ['host', 'none', 'default', 'bridge'].includes(target) || target.startsWith('container:');
}

/** Reads one `--network` value. Throws `invalid`. */
export function parseNetwork(text: string): Attachment {
  if (!/^\w+(?:-\w+)*=/.test(text)) return bareAttachment(text);
  const draft: Draft = { ...bareAttachment(''), aliases: [], driverOptions: [], linkLocal: [] };
  for (const field of splitFields(text)) {
    const { key, value } = splitPair(field);
    const name = key.trim().toLowerCase();
    if (value === undefined)
      throw new EngineError('invalid', `invalid field ${field}: must be a key=value pair`);
    const reader = Object.hasOwn(fieldReaders, name) ? fieldReaders[name] : undefined;
    if (reader === undefined) throw new EngineError('invalid', `invalid field key ${name}`);
    reader(draft, value.trim());
  }
  if (draft.target === '') throw new EngineError('invalid', 'the long form needs a name');
  return draft;
}

/** An attachment while its fields are read. */
interface Draft extends Attachment {
  target: string;
  readonly aliases: string[];
  readonly driverOptions: string[];
  readonly linkLocal: string[];
  ip4: string;
  ip6: string;
  mac: string;
  priority: number;
}

const fieldReaders: Readonly<Record<string, (draft: Draft, value: string) => void>> = {
  name: (draft, value) => {
    draft.target = value;
  },
  alias: (draft, value) => {
    draft.aliases.push(value);
  },
  'driver-opt': (draft, value) => {
    draft.driverOptions.push(value);
  },
  'link-local-ip': (draft, value) => {
    draft.linkLocal.push(value);
  },
  ip: (draft, value) => {
    draft.ip4 = checkIp(value, 'ip');
  },
  ip6: (draft, value) => {
    draft.ip6 = checkIp(value, 'ip6');
  },
  'mac-address': (draft, value) => {
    draft.mac = checkMac(value);
  },
  'gw-priority': (draft, value) => {
    if (!/^-?\d{1,9}$/.test(value)) {
      throw new EngineError('invalid', `invalid gw-priority (${value}): value must be an integer`);
    }
    draft.priority = Number(value);
  },
};

function bareAttachment(target: string): Attachment {
  const none: readonly string[] = [];
  return {
    target,
    aliases: none,
    driverOptions: none,
    links: none,
    ip4: '',
    ip6: '',
    linkLocal: none,
    mac: '',
    priority: 0,
  };
}

/** The first network with what other flags say about it. */
function withFlags(first: Attachment, flags: NetworkFlags): Attachment {
  const conflict = (flag: string, isDouble: boolean, field: string = flag): void => {
    if (isDouble)
      throw new EngineError(
        'invalid',
        `conflicting options: cannot specify both --${flag} and per-network ${field}`,
      );
  };
  conflict('network-alias', flags['network-alias'].length > 0 && first.aliases.length > 0, 'alias');
  conflict('link-local-ip', flags['link-local-ip'].length > 0 && first.linkLocal.length > 0);
  conflict('ip', flags.ip !== '' && first.ip4 !== '');
  conflict('ip6', flags.ip6 !== '' && first.ip6 !== '');
  conflict('mac-address', flags['mac-address'] !== '' && first.mac !== '');
  return {
    ...first,
    aliases: [...first.aliases, ...flags['network-alias']],
    links: flags.link,
    ip4: first.ip4 === '' ? checkIp(flags.ip, 'ip') : first.ip4,
    ip6: first.ip6 === '' ? checkIp(flags.ip6, 'ip6') : first.ip6,
    linkLocal: [...first.linkLocal, ...flags['link-local-ip']],
    mac: first.mac === '' ? checkMac(flags['mac-address']) : first.mac,
  };
}

function endpointOf(attachment: Attachment): EndpointSettings {
  const { aliases, driverOptions, links, ip4, ip6, linkLocal, mac, priority } = attachment;
  const isUserDefined = !isHostSide(attachment.target);
  const ipam = {
    ...(ip4 === '' ? {} : { IPv4Address: ip4 }),
    ...(ip6 === '' ? {} : { IPv6Address: ip6 }),
    ...(linkLocal.length === 0 ? {} : { LinkLocalIPs: linkLocal }),
  };
  return {
    ...(Object.keys(ipam).length === 0 ? {} : { IPAMConfig: ipam }),
    ...(aliases.length === 0 ? {} : { Aliases: aliases }),
    ...(links.length === 0 || !isUserDefined ? {} : { Links: links }),
    ...(driverOptions.length === 0 ? {} : { DriverOpts: recordOfPairs(driverOptions) }),
    ...(mac === '' ? {} : { MacAddress: mac }),
    ...(priority === 0 ? {} : { GwPriority: priority }),
  };
}

function checkIp(text: string, flag: string): string {
  const isGood = text === '' || (flag === 'ip' ? ipVersion(text) === 4 : ipVersion(text) === 6);
  if (!isGood) throw new EngineError('invalid', `invalid address "${text}" for --${flag}`);
  return text;
}

function checkMac(text: string): string {
  if (text !== '' && !/^(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(text)) {
    throw new EngineError('invalid', `${text} is not a valid mac address`);
  }
  return text.toLowerCase().replaceAll('-', ':');
}

/** `HOST:IP` or `HOST=IP` → `HOST:IP`, brackets of an IPv6 address removed. Throws `invalid`. */
export function parseExtraHost(text: string): string {
  const match = /^(?<name>[^=:]+)[=:](?<address>.+)$/.exec(text)?.groups;
  const { name, address = '' } = match ?? {};
  if (name === undefined) throw new EngineError('invalid', `bad format for add-host: "${text}"`);
  const bare = address.replace(/^\[(.*)\]$/, '$1');
  if (bare !== 'host-gateway' && ipVersion(bare) === 0)
    throw new EngineError('invalid', `invalid IP address in add-host: "${bare}"`);
  return `${name}:${bare}`;
}

/** An address of a DNS server. Throws `invalid`. */
export function parseDns(text: string): string {
  const address = text.trim();
  if (ipVersion(address) === 0)
    throw new EngineError('invalid', `IP address is not correctly formatted: ${text}`);
  return address;
}

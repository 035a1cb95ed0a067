/**
 * What a container may reach: an allow-list as text → rules, and what several
 * lists allow together. Pure.
 *
 * An entry is `TARGET[:PORT[-PORT]][/PROTOCOL]`; the target is a name, a name
 * behind `*.`, an address or a network. An IPv6 address before a port stands in
 * brackets.
 *
 * Source: docs/decisions/0043-egress.md.
 */

import { EngineError } from '../../base/error.ts';
import {
  bitsOf,
  firstOf,
  lastOf,
  networkOf,
  tryParseAddress,
  type Family,
  type Network,
} from '../../spec/cidr.ts';

/** Protocols that an entry can name. */
export type EgressProtocol = 'tcp' | 'udp' | 'sctp' | 'icmp';

/** First and last, both included. */
export type Range<T> = readonly [T, T];

/** Where a rule leads, beside its target. */
interface RuleEnd {
  /** Only these ports; `undefined`: all. */
  readonly ports: Range<number> | undefined;
  /** Only this protocol; `undefined`: all, with ports TCP and UDP. */
  readonly protocol: EgressProtocol | undefined;
}

/** An entry that names what may be resolved. */
export interface NameRule extends RuleEnd {
  readonly kind: 'name';
  /** Lower case, without a dot at its end; empty: every name. */
  readonly name: string;
  /** It means the names below it, not itself. */
  readonly isWildcard: boolean;
}

/** An entry that names addresses. */
export interface NetworkRule extends RuleEnd {
  readonly kind: 'network';
  readonly network: Network;
}

/** One entry. */
export type EgressRule = NameRule | NetworkRule;

/** A list under deny: what is not on it is not reached. */
export type EgressPolicy = readonly EgressRule[];

/** Numbers of protocols. Source: IANA protocol numbers. */
const PROTOCOL_NUMBER = { tcp: 6, udp: 17, sctp: 132 } as const;
const ICMP_NUMBER: Readonly<Record<Family, number>> = { ipv4: 1, ipv6: 58 };
const PORT_MAX = 65_535;
const PROTOCOL_MAX = 255;
/** Entries of one list. */
const ENTRIES_MAX = 128;
/** Characters of a name. */
const NAME_MAX = 253;
/** Ports that one name can have: each is an element of its own. */
const NAME_PORTS_MAX = 32;
/** Pieces that the lists of one endpoint may be together. */
const BOXES_MAX = 2048;

/** How a policy is asked for. */
export interface EgressRequest {
  /** `deny`, `allow`, or empty: deny when there is a list. */
  readonly mode: string;
  readonly allow: readonly string[];
}

/** A request → its list; `undefined`: everything may be reached. Errors: `invalid`. */
export function parseEgress({ mode, allow }: EgressRequest): EgressPolicy | undefined {
  if (mode !== '' && mode !== 'deny' && mode !== 'allow') {
    throw new EngineError(
      'invalid',
      `invalid egress mode ${quoted(mode)}: it must be deny or allow`,
    );
  }
  if (mode === 'allow' && allow.length > 0) {
    throw new EngineError(
      'invalid',
      'invalid egress policy: a list of what is allowed needs the mode deny',
    );
  }
  if (mode === 'allow' || (mode === '' && allow.length === 0)) return undefined;
  if (allow.length > ENTRIES_MAX) {
    throw new EngineError(
      'invalid',
      `invalid egress policy: its list has ${allow.length} entries, and may have ${ENTRIES_MAX}`,
    );
  }
  return allow.map(parseEntry);
}

/** One entry. Errors: `invalid`, naming it. */
export function parseEntry(text: string): EgressRule {
  const groups =
    /^(?<target>.+?)(?:\/(?<protocol>tcp|udp|sctp|icmp))?$/i.exec(text.trim())?.groups ?? {};
  const protocol = protocolOf(groups['protocol']);
  const network = readNetwork(groups['target'] ?? '', text);
  const rule = network ?? readName(groups['target'] ?? '', text);
  if (protocol === 'icmp' && rule.ports !== undefined) throw bad(text, 'icmp has no ports');
  if (rule.kind === 'name') checkNameEnd(rule.ports, protocol, text);
  return { ...rule, protocol };
}

function protocolOf(text: string | undefined): EgressProtocol | undefined {
  const lower = text?.toLowerCase();
  return lower === 'tcp' || lower === 'udp' || lower === 'sctp' || lower === 'icmp'
    ? lower
    : undefined;
}

function checkNameEnd(
  ports: Range<number> | undefined,
  protocol: EgressProtocol | undefined,
  text: string,
): void {
  if (protocol !== undefined && ports === undefined)
    throw bad(text, 'a name with a protocol needs a port, as example.org:443/tcp');
  if (ports !== undefined && ports[1] - ports[0] >= NAME_PORTS_MAX)
    throw bad(text, `a name can have ${NAME_PORTS_MAX} ports in an entry`);
}

type Unended<T> = Omit<T, 'protocol'>;

/** An IPv6 address in brackets, an IPv4 one, or an IPv6 one alone; bits; ports. */
const NETWORK_FORMS: readonly RegExp[] = [
  /^\[(?<address>[0-9a-f.]*:[0-9a-f:.]*)\](?:\/(?<bits>\d{1,3}))?(?::(?<ports>[\d-]+))?$/i,
  /^(?<address>[\d.]+)(?:\/(?<bits>\d{1,2}))?(?::(?<ports>[\d-]+))?$/,
  /^(?<address>[0-9a-f.]*:[0-9a-f.]*:[0-9a-f:.]*)(?:\/(?<bits>\d{1,3}))?$/i,
];

function readNetwork(target: string, text: string): Unended<NetworkRule> | undefined {
  const match = NETWORK_FORMS.map((form) => form.exec(target)).find((found) => found !== null);
  if (match === undefined) return undefined;
  const { address = '', bits, ports } = match.groups ?? {};
  const network = networkFrom(address, bits, text);
  return { kind: 'network', network, ports: readPorts(ports, text) };
}

function networkFrom(addressText: string, bits: string | undefined, text: string): Network {
  const address = tryParseAddress(addressText);
  if (address === undefined) throw bad(text, 'its address is none');
  const prefixLength = bits === undefined ? bitsOf(address.family) : Number(bits);
  if (prefixLength > bitsOf(address.family)) throw bad(text, 'its network has too many bits');
  const network = networkOf(address, prefixLength);
  if (network.address.value !== address.value)
    throw bad(text, 'its address has bits beyond the network');
  return network;
}

/** Labels of letters, digits, - and _. Source: RFC 1035 2.3.4, RFC 2181 11. */
function readName(target: string, text: string): Unended<NameRule> {
  const everything = /^\*(?::(?<ports>[\d-]+))?$/.exec(target);
  if (everything !== null) {
    const ports = readPorts(everything.groups?.['ports'], text);
    return { kind: 'name', name: '', isWildcard: true, ports };
  }
  const groups =
    /^(?<star>\*\.)?(?<name>[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*)\.?(?::(?<ports>[\d-]+))?$/i.exec(
      target,
    )?.groups;
  const name = groups?.['name']?.toLowerCase() ?? '';
  if (groups === undefined || name.length > NAME_MAX) {
    throw bad(text, 'it is no name, no address and no network');
  }
  const ports = readPorts(groups['ports'], text);
  return { kind: 'name', name, isWildcard: groups['star'] !== undefined, ports };
}

function readPorts(ports: string | undefined, text: string): Range<number> | undefined {
  if (ports === undefined) return undefined;
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(ports);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  if (match === null || first < 1 || last > PORT_MAX || first > last)
    throw bad(text, `its ports must be from 1 to ${PORT_MAX}`);
  return [first, last];
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}

function bad(text: string, why: string): EngineError {
  return new EngineError('invalid', `invalid egress entry ${quoted(text)}: ${why}`, {
    hint: 'Write it as example.org:443, *.example.org, 10.0.0.0/8:5432/tcp or [fd00::]/8',
  });
}

/** A part of what may be reached: addresses of one family × protocols × ports. */
export interface Box {
  readonly addresses: Range<bigint>;
  readonly protocols: Range<number>;
  readonly ports: Range<number>;
}

/** Protocols and ports of a rule. */
function endsOf(rule: RuleEnd, family: Family): readonly Omit<Box, 'addresses'>[] {
  const ports = rule.ports ?? [0, PORT_MAX];
  const only = (number: number): Omit<Box, 'addresses'> => ({ protocols: [number, number], ports });
  if (rule.protocol === 'icmp') return [only(ICMP_NUMBER[family])];
  if (rule.protocol !== undefined) return [only(PROTOCOL_NUMBER[rule.protocol])];
  if (rule.ports !== undefined) return [only(PROTOCOL_NUMBER.tcp), only(PROTOCOL_NUMBER.udp)];
  return [{ protocols: [0, PROTOCOL_MAX], ports }];
}

function boxesOf(policy: EgressPolicy, family: Family): readonly Box[] {
  return policy.flatMap((rule) => {
    if (rule.kind !== 'network' || rule.network.address.family !== family) return [];
    const addresses = [firstOf(rule.network), lastOf(rule.network)] as const;
    return endsOf(rule, family).map((end) => ({ addresses, ...end }));
  });
}

function overlap<T extends number | bigint>(a: Range<T>, b: Range<T>): Range<T> | undefined {
  const first = a[0] > b[0] ? a[0] : b[0];
  const last = a[1] < b[1] ? a[1] : b[1];
  return first > last ? undefined : [first, last];
}

function intersect(a: Box, b: Box): readonly Box[] {
  const addresses = overlap(a.addresses, b.addresses);
  const protocols = overlap(a.protocols, b.protocols);
  const ports = overlap(a.ports, b.ports);
  return addresses === undefined || protocols === undefined || ports === undefined
    ? []
    : [{ addresses, protocols, ports }];
}

/**
 * What every one of these lists allows by address, in pieces that do not
 * overlap: the kernel refuses ranges that do. Errors: `invalid` for too many.
 */
export function allowedBoxes(policies: readonly EgressPolicy[], family: Family): readonly Box[] {
  const [first = [], ...others] = policies.map((policy) => boxesOf(policy, family));
  let boxes = first;
  for (const more of others) {
    boxes = boxes.flatMap((box) => more.flatMap((other) => intersect(box, other)));
    checkCount(boxes);
  }
  const pieces = disjoint(boxes);
  checkCount(pieces);
  return pieces;
}

function checkCount({ length }: readonly Box[]): void {
  if (length <= BOXES_MAX) return;
  throw new EngineError(
    'invalid',
    `invalid egress policy: the lists of the container and of its network have ${length} parts in common, and may have ${BOXES_MAX}`,
  );
}

/** The same set of packets; address ranges between two cuts, with all that covers them. */
function disjoint(boxes: readonly Box[]): readonly Box[] {
  const cuts = [
    ...new Set(boxes.flatMap(({ addresses: [first, last] }) => [first, last + 1n])),
  ].toSorted((a, b) => (a < b ? -1 : 1));
  const pieces: Box[] = [];
  const open = new Map<string, Box>();
  cuts.slice(0, -1).forEach((cut, index) => {
    const addresses = [cut, (cuts[index + 1] ?? cut) - 1n] as const;
    const covering = boxes.filter((box) => box.addresses[0] <= cut && box.addresses[1] >= cut);
    const ends = mergeEnds(covering);
    const keys = new Set(ends.map(keyOf));
    for (const [key, box] of open) {
      if (keys.has(key)) continue;
      pieces.push(box);
      open.delete(key);
    }
    for (const end of ends) {
      const before = open.get(keyOf(end));
      const start = before?.addresses[0] ?? addresses[0];
      open.set(keyOf(end), { ...end, addresses: [start, addresses[1]] });
    }
  });
  return [...pieces, ...open.values()];
}

function keyOf({ protocols, ports }: Omit<Box, 'addresses'>): string {
  return [...protocols, ...ports].join();
}

/** Protocols and ports that do not overlap, of boxes on the same addresses. */
function mergeEnds(boxes: readonly Box[]): readonly Omit<Box, 'addresses'>[] {
  const whole = boxes.find(({ protocols }) => protocols[1] === PROTOCOL_MAX);
  if (whole !== undefined) return [{ protocols: whole.protocols, ports: whole.ports }];
  const numbers = [...new Set(boxes.map(({ protocols }) => protocols[0]))];
  return numbers.flatMap((number) => {
    const ranges = boxes
      .filter(({ protocols }) => protocols[0] === number)
      .map(({ ports }) => ports)
      .toSorted((a, b) => a[0] - b[0]);
    const merged: [number, number][] = [];
    for (const [first, last] of ranges) {
      const before = merged.at(-1);
      if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
      else merged.push([first, last]);
    }
    return merged.map((ports) => ({ protocols: [number, number] as const, ports }));
  });
}

/** Whether an entry means this name (lower case). */
export function matchesName(rule: NameRule, name: string): boolean {
  const bare = name.endsWith('.') ? name.slice(0, -1) : name;
  if (!rule.isWildcard) return bare === rule.name;
  return rule.name === '' || bare.endsWith(`.${rule.name}`);
}

/** One service behind a name: a protocol's number and a port. */
export interface Service {
  /** Number of the protocol, as in an IP header. */
  readonly protocol: number;
  readonly port: number;
}

/** What may be reached behind a name. */
export type NameGrant = 'nothing' | 'everything' | readonly Service[];

/** What every one of these lists allows behind a name (lower case). */
export function grantOfName(policies: readonly EgressPolicy[], name: string): NameGrant {
  const grants = policies.map((policy) => grantOf(policy, name));
  return grants.reduce(common, 'everything');
}

function grantOf(policy: EgressPolicy, name: string): NameGrant {
  const rules = policy.filter(
    (rule): rule is NameRule => rule.kind === 'name' && matchesName(rule, name),
  );
  if (rules.length === 0) return 'nothing';
  if (rules.some(({ ports }) => ports === undefined)) return 'everything';
  const services = rules.flatMap(({ ports: [first, last] = [0, 0], protocol }) => {
    const protocols =
      protocol === undefined || protocol === 'icmp' ? (['tcp', 'udp'] as const) : [protocol];
    return protocols.flatMap((each) =>
      Array.from({ length: last - first + 1 }, (_, index) => ({
        protocol: PROTOCOL_NUMBER[each],
        port: first + index,
      })),
    );
  });
  return [...new Map(services.map((each) => [`${each.protocol} ${each.port}`, each])).values()];
}

function common(a: NameGrant, b: NameGrant): NameGrant {
  if (a === 'nothing' || b === 'nothing') return 'nothing';
  if (a === 'everything') return b;
  if (b === 'everything') return a;
  const both = a.filter((one) =>
    b.some(({ protocol, port }) => protocol === one.protocol && port === one.port),
  );
  return both.length === 0 ? 'nothing' : both;
}

/**
 * What a container is told: from the directory, or that others have to be
 * asked. Pure.
 *
 * **Invariant:** only networks that the asker is on are looked at; a name that
 * is known there is never asked elsewhere, whatever the record type.
 * Source: RFC 1035 3.5 and RFC 3596 2.5 (reverse names), RFC 2782 (SRV).
 */

import { type Address, addressBytes } from '../../spec/cidr.ts';
import type { ClientSettings, Membership, NameDirectory } from './directory.ts';
import { encodeName, lowerName } from './name.ts';
import { CLASS_IN, type Question, RCODE, TYPE } from './query.ts';
import type { OwnRecord } from './response.ts';

/** Seconds that a client may remember what we said: a container that starts again may have another address. */
export const OWN_TTL_SECONDS = 10;

/** What to do with a question. */
export type Verdict =
  | {
      readonly kind: 'answer';
      /** Number of the answer code: see `RCODE`. */
      readonly rcode: number;
      readonly records: readonly OwnRecord[];
      /** Addresses among the records. */
      readonly addresses: readonly Address[];
    }
  | { readonly kind: 'forward' };

/** Who asks what. */
export interface Asked {
  readonly directory: NameDirectory;
  readonly client: ClientSettings;
  readonly question: Question;
  /** How often something was asked before: where a list of addresses begins. */
  readonly turnNumber: number;
}

const FORWARD: Verdict = { kind: 'forward' };

function own(records: readonly OwnRecord[], addresses: readonly Address[] = []): Verdict {
  return { kind: 'answer', rcode: RCODE.noError, records, addresses };
}

function refused(rcode: number): Verdict {
  return { kind: 'answer', rcode, records: [], addresses: [] };
}

const V4_SUFFIX = '.in-addr.arpa';
const V6_SUFFIX = '.ip6.arpa';

/** The address of a reverse name. */
export function parseReverseName(name: string): Address | undefined {
  if (name.endsWith(V4_SUFFIX)) {
    const parts = name.slice(0, -V4_SUFFIX.length).split('.').toReversed();
    const isV4 =
      parts.length === 4 &&
      parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255);
    if (!isV4) return undefined;
    const value = parts.reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
    return { family: 'ipv4', value };
  }
  if (!name.endsWith(V6_SUFFIX)) return undefined;
  const digits = name.slice(0, -V6_SUFFIX.length).split('.').toReversed();
  if (digits.length !== 32 || !digits.every((digit) => /^[0-9a-f]$/.test(digit))) return undefined;
  return { family: 'ipv6', value: BigInt(`0x${digits.join('')}`) };
}

/** Who has a name on a network: by the name alone, or with the network's behind it. */
function holdersOn(asked: Asked, networkId: string, name: string): readonly Membership[] {
  const { directory } = asked;
  const plain = directory.holders(networkId, name);
  const networkName = directory.networkName(networkId);
  if (plain.length > 0 || networkName === undefined) return plain;
  const suffix = `.${networkName}`;
  return name.endsWith(suffix) ? directory.holders(networkId, name.slice(0, -suffix.length)) : [];
}

/** For each network of the asker, in its order, who has the name there. */
function find(asked: Asked, name: string): readonly (readonly Membership[])[] {
  const { client, directory } = asked;
  const link = client.links?.find(({ alias }) => lowerName(alias) === name);
  return client.networks
    .map(({ networkId }) => {
      if (link === undefined) return holdersOn(asked, networkId, name);
      const target = directory.member(networkId, link.containerId);
      return target === undefined ? [] : [target];
    })
    .filter((holders) => holders.length > 0);
}

function rotate<T>(list: readonly T[], turnNumber: number): readonly T[] {
  if (list.length < 2) return list;
  const at = turnNumber % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}

function isWanted(type: number, address: Address): boolean {
  return type === TYPE.any || type === (address.family === 'ipv4' ? TYPE.a : TYPE.aaaa);
}

function addressVerdict(asked: Asked, found: readonly (readonly Membership[])[]): Verdict {
  const { type } = asked.question;
  const perNetwork = found.map((holders) =>
    holders.flatMap(({ addresses }) => addresses.filter((address) => isWanted(type, address))),
  );
  // One network's addresses: of several the asker prefers the first that has any.
  const addresses = perNetwork.find((list) => list.length > 0) ?? [];
  const rotated = rotate(addresses, asked.turnNumber);
  const records = rotated.map((address) => ({
    type: address.family === 'ipv4' ? TYPE.a : TYPE.aaaa,
    data: addressBytes(address),
  }));
  return own(records, rotated);
}

function pointerVerdict(asked: Asked, name: string): Verdict | undefined {
  const address = parseReverseName(name);
  if (address === undefined) return undefined;
  const { client, directory, question } = asked;
  for (const { networkId } of client.networks) {
    const owner = directory.owner(networkId, address);
    if (owner === undefined) continue;
    const first = owner.names[0] ?? owner.containerId.slice(0, 12);
    const data = encodeName(`${first}.${owner.networkName}`);
    const isAsked = question.type === TYPE.ptr || question.type === TYPE.any;
    return own(isAsked && data !== undefined ? [{ type: TYPE.ptr, data }] : []);
  }
  return undefined;
}

const SERVICE = /^_([^.]+)\._(tcp|udp|sctp)\.(.+)$/;

function serviceVerdict(asked: Asked, name: string): Verdict | undefined {
  const [, label, protocol, target] = SERVICE.exec(name) ?? [];
  if (label === undefined || target === undefined) return undefined;
  const [holders] = find(asked, target);
  if (holders === undefined) return undefined;
  const { type } = asked.question;
  if (type !== TYPE.srv && type !== TYPE.any) return own([]);
  const records = holders.flatMap((holder) =>
    (holder.ports ?? [])
      .filter((port) => port.protocol === protocol)
      .filter(({ port, services = [] }) =>
        [String(port), ...services.map(lowerName)].includes(label),
      )
      .flatMap(({ port }) => serviceRecord(port, holders.length > 1 ? holder.names[0] : target)),
  );
  return own(rotate(records, asked.turnNumber));
}

/** Priority and weight 0. */
function serviceRecord(port: number, target: string | undefined): readonly OwnRecord[] {
  const name = encodeName(target ?? '');
  if (target === undefined || name === undefined) return [];
  const head = Buffer.alloc(6);
  head.writeUInt16BE(port, 4);
  return [{ type: TYPE.srv, data: Buffer.concat([head, name]) }];
}

/** What the asker is told. */
export function answerQuestion(asked: Asked): Verdict {
  const { client, question } = asked;
  const isTransfer = question.type === TYPE.axfr || question.type === TYPE.ixfr;
  if (question.classNumber !== CLASS_IN || isTransfer) return refused(RCODE.refused);
  const name = lowerName(question.name);
  const special = pointerVerdict(asked, name) ?? serviceVerdict(asked, name);
  if (special !== undefined) return special;
  const found = find(asked, name);
  if (found.length > 0) return addressVerdict(asked, found);
  const isBare = name !== '' && !name.includes('.');
  return isBare && client.keepsBareNames === true ? refused(RCODE.nameError) : FORWARD;
}

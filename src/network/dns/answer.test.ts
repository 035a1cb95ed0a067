/** What containers are told: names, aliases, ids, links, reverse names, services, and what stays between networks. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { message } from '../../../test/names/messages.ts';
import { formatAddress, parseAddress } from '../../spec/cidr.ts';
import { answerQuestion, parseReverseName } from './answer.ts';
import { type ClientSettings, type Membership, NameDirectory } from './directory.ts';
import { readName } from './name.ts';
import { decodeQuery } from './query.ts';

const WEB = 'a'.repeat(64);
const DB = 'b'.repeat(64);
const OTHER = 'c'.repeat(64);
const TYPES = {
  A: 1,
  PTR: 12,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  HTTPS: 65,
  ANY: 255,
  AXFR: 252,
} as const;

function member(rest: Partial<Membership> & { readonly containerId: string }): Membership {
  return { networkId: 'n1', networkName: 'Front', addresses: [], names: [], ...rest };
}

function directoryOf(...members: readonly Membership[]): NameDirectory {
  const directory = new NameDirectory();
  for (const one of members) directory.join(one);
  return directory;
}

const web = member({
  containerId: WEB,
  names: ['Web', 'api', 'web.local'],
  addresses: [parseAddress('10.0.0.2'), parseAddress('fd00::2')],
  ports: [{ port: 80, protocol: 'tcp', services: ['http'] }],
});
const db = member({ containerId: DB, names: ['db', 'api'], addresses: [parseAddress('10.0.0.3')] });
const other = member({
  networkId: 'n2',
  networkName: 'back',
  containerId: OTHER,
  names: ['secret', 'web'],
  addresses: [parseAddress('10.9.0.2')],
});
const ON_N1: ClientSettings = { networks: [{ networkId: 'n1', isInternal: false }], servers: [] };

interface Ask {
  readonly client?: ClientSettings;
  readonly directory?: NameDirectory;
  /** How often something was asked before. */
  readonly turn?: number;
  /** Number of the class. */
  readonly classNumber?: number;
}

/** The verdict as text: `forward`, `code N`, or the records. */
function ask(name: string, type: keyof typeof TYPES = 'A', rest: Ask = {}): string {
  const received = decodeQuery(
    message({ name, type: TYPES[type], classNumber: rest.classNumber ?? 1 }),
  );
  if (received.kind !== 'query') return assert.fail(`${name} is no query`);
  const verdict = answerQuestion({
    directory: rest.directory ?? directoryOf(web, db, other),
    client: rest.client ?? ON_N1,
    question: received.query.question,
    turnNumber: rest.turn ?? 0,
  });
  if (verdict.kind === 'forward') return 'forward';
  if (verdict.rcode !== 0) return `code ${verdict.rcode}`;
  return verdict.records.map(({ type: number, data }) => textOf(number, data)).join(' ');
}

function textOf(type: number, data: Uint8Array): string {
  const bytes = Buffer.from(data);
  if (type === TYPES.PTR) return readName(bytes, 0, 'no-pointers')?.text ?? '?';
  if (type === TYPES.SRV) {
    return `${bytes.readUInt16BE(0)},${bytes.readUInt16BE(2)},${bytes.readUInt16BE(4)},${readName(bytes, 6, 'no-pointers')?.text}`;
  }
  const family = type === TYPES.A ? 'ipv4' : 'ipv6';
  return formatAddress({ family, value: BigInt(`0x${bytes.toString('hex')}`) });
}

test('a container is found by name, alias, both ids, with its network’s name, in letters of any case', () => {
  const rows: readonly (readonly [string, string])[] = [
    ['web', '10.0.0.2'],
    ['WEB', '10.0.0.2'],
    ['db', '10.0.0.3'],
    ['web.local', '10.0.0.2'],
    ['web.front', '10.0.0.2'],
    ['Web.FRONT', '10.0.0.2'],
    ['web.local.front', '10.0.0.2'],
    [WEB.slice(0, 12), '10.0.0.2'],
    [DB.slice(0, 12), '10.0.0.3'],
    [`${DB.slice(0, 12)}.front`, '10.0.0.3'],
    ['front', 'forward'],
    ['nobody', 'forward'],
    ['web.nobody', 'forward'],
    ['web.front.front', 'forward'],
    ['', 'forward'],
    ['aaaa', 'forward'],
  ];
  for (const [name, expected] of rows) assert.equal(ask(name), expected, name);
});

test('a name that is known has no other records, and is not asked elsewhere', () => {
  assert.equal(ask('web', 'AAAA'), 'fd00::2');
  assert.equal(ask('db', 'AAAA'), '');
  assert.equal(ask('web', 'TXT'), '');
  assert.equal(ask('web', 'HTTPS'), '');
  assert.equal(ask('web', 'ANY'), '10.0.0.2 fd00::2');
});

test('several containers with one alias: all addresses, each first in its turn', () => {
  assert.equal(ask('api', 'A', { turn: 0 }), '10.0.0.2 10.0.0.3');
  assert.equal(ask('api', 'A', { turn: 1 }), '10.0.0.3 10.0.0.2');
  assert.equal(ask('api', 'A', { turn: 2 }), '10.0.0.2 10.0.0.3');
  assert.equal(ask('api', 'AAAA', { turn: 5 }), 'fd00::2');
});

test('nothing is told of networks that the asker is not on', () => {
  assert.equal(ask('secret'), 'forward');
  assert.equal(ask('secret.back'), 'forward');
  assert.equal(ask('2.0.9.10.in-addr.arpa', 'PTR'), 'forward');
  assert.equal(ask(OTHER.slice(0, 12)), 'forward');
  const nowhere: ClientSettings = { networks: [], servers: [] };
  assert.equal(ask('web', 'A', { client: nowhere }), 'forward');
  const n2: ClientSettings = { networks: [{ networkId: 'n2', isInternal: true }], servers: [] };
  assert.equal(ask('web', 'A', { client: n2 }), '10.9.0.2');
  assert.equal(ask('db', 'A', { client: n2 }), 'forward');
});

test('of several networks the first that has the name in this family answers', () => {
  const both = (first: string, second: string): ClientSettings => ({
    networks: [first, second].map((networkId) => ({ networkId, isInternal: false })),
    servers: [],
  });
  assert.equal(ask('web', 'A', { client: both('n1', 'n2') }), '10.0.0.2');
  assert.equal(ask('web', 'A', { client: both('n2', 'n1') }), '10.9.0.2');
  assert.equal(ask('web', 'AAAA', { client: both('n2', 'n1') }), 'fd00::2');
  assert.equal(ask('web.front', 'A', { client: both('n2', 'n1') }), '10.0.0.2');
});

test('a link is a name that only its container knows, on networks both are on', () => {
  const linked: ClientSettings = {
    ...ON_N1,
    links: [
      { alias: 'Database', containerId: DB },
      { alias: 'far', containerId: OTHER },
    ],
  };
  assert.equal(ask('database', 'A', { client: linked }), '10.0.0.3');
  assert.equal(ask('database'), 'forward');
  assert.equal(ask('far', 'A', { client: linked }), 'forward');
});

test('reverse names of our addresses are names with the network’s; others are asked elsewhere', () => {
  assert.equal(ask('2.0.0.10.in-addr.arpa', 'PTR'), 'Web.Front');
  const v6 = `${'fd000000000000000000000000000002'.split('').toReversed().join('.')}.ip6.arpa`;
  assert.equal(ask(v6, 'PTR'), 'Web.Front');
  assert.equal(ask(v6.toUpperCase(), 'PTR'), 'Web.Front');
  assert.equal(ask('2.0.0.10.in-addr.arpa', 'A'), '');
  assert.equal(ask('9.0.0.10.in-addr.arpa', 'PTR'), 'forward');
  for (const name of [
    '0.0.10.in-addr.arpa',
    '02.0.0.10.in-addr.arpa',
    '256.0.0.10.in-addr.arpa',
    'x.ip6.arpa',
  ]) {
    assert.equal(ask(name, 'PTR'), 'forward', name);
  }
});

test('parseReverseName() is the inverse of writing an address backwards', () => {
  fc.assert(
    fc.property(fc.ipV4(), (text) => {
      const name = `${text.split('.').toReversed().join('.')}.in-addr.arpa`;
      assert.deepEqual(parseReverseName(name), parseAddress(text));
    }),
  );
});

test('services: SRV of ports that are known, nothing of others, other names elsewhere', () => {
  assert.equal(ask('_http._tcp.web', 'SRV'), '0,0,80,web');
  assert.equal(ask('_80._tcp.web.front', 'SRV'), '0,0,80,web.front');
  assert.equal(ask('_80._udp.web', 'SRV'), '');
  assert.equal(ask('_81._tcp.web', 'SRV'), '');
  assert.equal(ask('_http._tcp.web', 'A'), '');
  assert.equal(ask('_http._tcp.api', 'SRV'), '0,0,80,Web');
  assert.equal(ask('_http._tcp.nobody', 'SRV'), 'forward');
  assert.equal(ask('_http.web', 'SRV'), 'forward');
});

test('other classes and transfers are refused', () => {
  assert.equal(ask('web', 'A', { classNumber: 3 }), 'code 5');
  assert.equal(ask('web', 'AXFR'), 'code 5');
});

test('names without a dot stay here where the user chose ndots', () => {
  const client: ClientSettings = { ...ON_N1, keepsBareNames: true };
  assert.equal(ask('nobody', 'A', { client }), 'code 3');
  assert.equal(ask('nobody.example', 'A', { client }), 'forward');
  assert.equal(ask('web', 'A', { client }), '10.0.0.2');
});

test('who left, or joined anew, is found so at once, and nothing is kept of it', () => {
  const directory = directoryOf(web, db);
  directory.join({ ...web, names: ['www'], addresses: [parseAddress('10.0.0.7')] });
  assert.equal(ask('web', 'A', { directory }), 'forward');
  assert.equal(ask('www', 'A', { directory }), '10.0.0.7');
  assert.equal(ask('2.0.0.10.in-addr.arpa', 'PTR', { directory }), 'forward');
  directory.leave('n1', WEB);
  directory.leave('n1', WEB);
  assert.equal(ask('www', 'A', { directory }), 'forward');
  assert.equal(ask('api', 'A', { directory }), '10.0.0.3');
  directory.leave('n1', DB);
  assert.equal(directory.networkName('n1'), undefined);
});

test('an address that went over to another container stays that one’s', () => {
  const directory = directoryOf(web);
  directory.join({ ...db, addresses: [parseAddress('10.0.0.2')] });
  directory.leave('n1', WEB);
  assert.equal(ask('2.0.0.10.in-addr.arpa', 'PTR', { directory }), 'db.Front');
});

test('whatever joins and leaves, a directory knows exactly who is there', () => {
  const names = fc.constantFrom('a', 'B', 'c');
  const step = fc.record({
    containerId: fc.constantFrom('x'.repeat(64), 'y'.repeat(64), 'z'.repeat(64)),
    networkId: fc.constantFrom('n1', 'n2'),
    joins: fc.boolean(),
    names: fc.array(names, { maxLength: 3 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const directory = new NameDirectory();
      const model = new Map<string, Membership>();
      for (const one of steps) {
        const key = `${one.networkId} ${one.containerId}`;
        const joining = member({ ...one, networkName: one.networkId });
        if (one.joins) directory.join(joining);
        else directory.leave(one.networkId, one.containerId);
        if (one.joins) model.set(key, joining);
        else model.delete(key);
      }
      for (const networkId of ['n1', 'n2'])
        for (const name of ['a', 'b', 'c']) {
          const expected = [...model.values()]
            .filter(
              (one) =>
                one.networkId === networkId && one.names.some((has) => has.toLowerCase() === name),
            )
            .map(({ containerId }) => containerId);
          const found = directory.holders(networkId, name).map(({ containerId }) => containerId);
          assert.deepEqual(found.toSorted(), expected.toSorted());
        }
    }),
  );
});

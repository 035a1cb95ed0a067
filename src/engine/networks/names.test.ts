/** What the name server is told of containers. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerQuestion } from '../../network/dns/answer.ts';
import { NameDirectory } from '../../network/dns/directory.ts';
import { decodeQuery } from '../../network/dns/query.ts';
import type { NetworkRecord } from '../../network/store.ts';
import { formatAddress, parseAddress, parseNetwork } from '../../spec/cidr.ts';
import { message } from '../../../test/names/messages.ts';
import { type NamedContainer, type NamedEndpoint, tellNames } from './names.ts';

function network(id: string, rest: Partial<NetworkRecord> = {}): NetworkRecord {
  const subnet = parseNetwork('10.0.0.0/24');
  return {
    id,
    name: id,
    createdAtNs: 0n,
    driver: 'bridge',
    isPredefined: false,
    hasIpv4: true,
    hasIpv6: false,
    subnets: [{ subnet, range: undefined, gateway: parseAddress('10.0.0.1'), reserved: {} }],
    isInternal: false,
    isAttachable: true,
    ipamOptions: {},
    options: {},
    labels: {},
    ...rest,
  };
}

const NETWORKS: readonly NetworkRecord[] = [
  network('bridge', { isPredefined: true }),
  network('front'),
  network('back', { isInternal: true }),
];
const findNetwork = (id: string): NetworkRecord | undefined =>
  NETWORKS.find((each) => each.id === id);

function endpoint(networkId: string, address: string, ...names: readonly string[]): NamedEndpoint {
  const ipv4 = { address: parseAddress(address) };
  return { networkId, networkName: networkId, ipv4, ipv6: undefined, names };
}

function container(id: string, ...endpoints: readonly NamedEndpoint[]): NamedContainer {
  return { id, endpoints, servers: [], options: [], links: [], ports: [] };
}

/** What `asker` is told of `name`. */
function ask(directory: NameDirectory, asker: string, name: string): string {
  const client = directory.client(asker);
  const received = decodeQuery(message({ name }));
  assert.ok(client !== undefined && received.kind === 'query');
  const { question } = received.query;
  const verdict = answerQuestion({ directory, client, question, turnNumber: 0 });
  return verdict.kind === 'forward' ? 'forward' : verdict.addresses.map(formatAddress).join();
}

test('tellNames(): containers find each other on networks of the user, not on the default bridge', () => {
  const directory = new NameDirectory();
  tellNames(
    directory,
    container('a', endpoint('bridge', '10.0.0.2', 'web'), endpoint('front', '10.0.1.2', 'web')),
    findNetwork,
  );
  tellNames(directory, container('b', endpoint('bridge', '10.0.0.3', 'db')), findNetwork);
  tellNames(directory, container('c', endpoint('front', '10.0.1.4', 'job')), findNetwork);
  assert.equal(ask(directory, 'b', 'web'), 'forward');
  assert.equal(ask(directory, 'a', 'db'), 'forward');
  assert.equal(ask(directory, 'c', 'web'), '10.0.1.2');
  assert.equal(ask(directory, 'a', 'job.front'), '10.0.1.4');
});

test('tellNames() again says only what is true now; forget() leaves nothing', () => {
  const directory = new NameDirectory();
  tellNames(directory, container('a', endpoint('front', '10.0.1.2', 'old')), findNetwork);
  tellNames(directory, container('a', endpoint('back', '10.0.2.2', 'new')), findNetwork);
  tellNames(
    directory,
    container('b', endpoint('front', '10.0.1.3'), endpoint('back', '10.0.2.3')),
    findNetwork,
  );
  assert.equal(ask(directory, 'b', 'old'), 'forward');
  assert.equal(ask(directory, 'b', 'new'), '10.0.2.2');
  directory.forget('a');
  directory.forget('a');
  assert.equal(directory.client('a'), undefined);
  assert.equal(ask(directory, 'b', 'new'), 'forward');
});

test('tellNames() passes on which networks lead outside, and what was asked for', () => {
  const directory = new NameDirectory();
  tellNames(
    directory,
    {
      ...container('a', endpoint('back', '10.0.2.2'), endpoint('gone', '10.0.9.9')),
      servers: ['1.1.1.1'],
      options: ['ndots:2'],
    },
    findNetwork,
  );
  assert.deepEqual(directory.client('a'), {
    networks: [{ networkId: 'back', isInternal: true, subnets: [parseNetwork('10.0.0.0/24')] }],
    servers: ['1.1.1.1'],
    links: [],
    keepsBareNames: true,
  });
});

/**
 * Networks, as far as they exist: `none` and `host` are there, more cannot be
 * made yet.
 * Source: Docker Engine API 1.51, Network; engine-api facts 2, 6.2.
 */

import { createHash } from 'node:crypto';
import { EngineError } from '../../base/error.ts';
import type { Filters, SystemOperations } from '../../engine/engine.ts';
import { json } from '../reply.ts';
import type { Route } from '../route.ts';

/** Source: Engine API `Network`. */
interface Network {
  readonly Name: string;
  readonly Id: string;
  readonly Created: string;
  readonly Scope: 'local';
  readonly Driver: string;
  readonly EnableIPv4: boolean;
  readonly EnableIPv6: boolean;
  readonly IPAM: { readonly Driver: string; readonly Options: null; readonly Config: readonly [] };
  readonly Internal: boolean;
  readonly Attachable: boolean;
  readonly Ingress: boolean;
  readonly ConfigFrom: { readonly Network: string };
  readonly ConfigOnly: boolean;
  readonly Options: Readonly<Record<string, string>>;
  readonly Labels: Readonly<Record<string, string>>;
}

/** Routes; `system` gives the engine's id, from which those of the networks come. */
export function networkRoutes(system: SystemOperations): readonly Route[] {
  const all = async (): Promise<readonly Network[]> => {
    const { ID } = await system.info();
    return [predefined('host', ID), predefined('none', ID)];
  };
  return [
    {
      method: 'GET',
      path: '/networks',
      handle: async (call) => json((await all()).filter(fitting(call.filters))),
    },
    {
      method: 'GET',
      path: '/networks/{name}',
      handle: async (call) => json({ ...find(await all(), call.name), Containers: {} }),
    },
    { method: 'POST', path: '/networks/create', handle: () => notYet('Creating a network') },
    {
      method: 'POST',
      path: '/networks/prune',
      since: 25,
      handle: () => json({ NetworksDeleted: [] }),
    },
    {
      method: 'DELETE',
      path: '/networks/{name}',
      handle: async (call) => {
        const { Name } = find(await all(), call.name);
        throw new EngineError('denied', `${Name} is a pre-defined network and cannot be removed`);
      },
    },
    {
      method: 'POST',
      path: '/networks/{name}/connect',
      handle: () => notYet('Connecting a container to a network'),
    },
    {
      method: 'POST',
      path: '/networks/{name}/disconnect',
      handle: () => notYet('Disconnecting a container from a network'),
    },
  ];
}

function predefined(name: 'host' | 'none', engineId: string): Network {
  return {
    Name: name,
    Id: createHash('sha256').update(`${engineId}/${name}`).digest('hex'),
    Created: '0001-01-01T00:00:00Z',
    Scope: 'local',
    Driver: name === 'none' ? 'null' : name,
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: { Driver: 'default', Options: null, Config: [] },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Options: {},
    Labels: {},
  };
}

/** By id, name, or unique prefix of the id. Errors: `not-found`, `invalid` when ambiguous. */
function find(networks: readonly Network[], ref: string): Network {
  const exact = networks.find(({ Id }) => Id === ref) ?? networks.find(({ Name }) => Name === ref);
  if (exact !== undefined) return exact;
  const [first, second] = networks.filter(({ Id }) => Id.startsWith(ref));
  if (first === undefined) throw new EngineError('not-found', `network ${ref} not found`);
  if (second !== undefined) {
    throw new EngineError(
      'invalid',
      `network ${ref} is ambiguous (2 matches found based on ID prefix)`,
    );
  }
  return first;
}

/** Errors: `invalid` for an unknown key or value. */
function fitting(filters: Filters): (network: Network) => boolean {
  const tests = Object.entries(filters).map(([key, values]) => {
    const test = fits.get(key);
    if (test === undefined) throw new EngineError('invalid', `invalid filter '${key}'`);
    return (network: Network): boolean =>
      key === 'label'
        ? values.every((value) => test(network, value))
        : values.length === 0 || values.some((value) => test(network, value));
  });
  return (network) => tests.every((test) => test(network));
}

const fits: ReadonlyMap<string, (network: Network, value: string) => boolean> = new Map([
  ['dangling', (_network: Network, value: string) => !/^(?:1|t|true)$/i.test(value)],
  ['driver', (network: Network, value: string) => network.Driver === value],
  ['id', (network: Network, value: string) => matches(network.Id, value)],
  ['label', () => false],
  ['name', (network: Network, value: string) => matches(network.Name, value)],
  ['scope', (_network: Network, value: string) => value === 'local'],
  ['type', (_network: Network, value: string) => isBuiltin(value)],
]);

/** Errors: `invalid`. */
function isBuiltin(type: string): boolean {
  if (type === 'builtin' || type === 'custom') return type === 'builtin';
  throw new EngineError('invalid', `invalid filter: 'type'='${type}'`);
}

/** The text itself, or a pattern in it. Errors: `invalid` for a bad pattern. */
function matches(text: string, value: string): boolean {
  if (text === value) return true;
  try {
    return new RegExp(value.slice(0, 256)).test(text);
  } catch {
    throw new EngineError('invalid', `invalid filter: bad pattern ${JSON.stringify(value)}`);
  }
}

/** Errors: always `unsupported`. */
function notYet(what: string): never {
  throw new EngineError(
    'unsupported',
    `${what} is not supported yet: containers run with --network none or --network host`,
  );
}

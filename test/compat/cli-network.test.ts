/** `carve network` beside `docker network`: what is printed of the same answers, and what is asked of the engine. Needs no engine. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { runCli } from '../../src/cli/main.ts';
import { type FakeAnswer, type FakeEngine, startFakeEngine } from '../cli/fake-engine.ts';
import { testIo } from '../cli/test-io.ts';
import { dockerPath, run } from './target.ts';

const id = (digit: string): string => digit.repeat(64);

function network(name: string, digit: string, more: object = {}): object {
  return {
    Name: name,
    Id: id(digit),
    Created: '2026-11-23T10:00:00.123456789Z',
    Scope: 'local',
    Driver: 'bridge',
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: {
      Driver: 'default',
      Options: {},
      Config: [{ Subnet: '172.18.0.0/24', Gateway: '172.18.0.1' }],
    },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Options: {},
    Labels: {},
    ...more,
  };
}

const networks = [
  network('web10', 'a', { EnableIPv6: true, Labels: { tier: 'front' } }),
  network('web9', 'b', { Internal: true, Created: '2026-11-23T10:00:00Z' }),
  network('bridge', 'c'),
  network('host', 'd', { Driver: 'host' }),
  network('none', 'e', { Driver: 'null' }),
  network('Web', 'f', {
    Driver: 'macvlan',
    EnableIPv4: false,
    Created: '2026-11-23T12:00:00.5+02:00',
  }),
];

const inspected = {
  ...network('web9', 'b'),
  Containers: {
    [id('1')]: {
      Name: 'db',
      EndpointID: id('2'),
      MacAddress: '02:42:ac:12:00:02',
      IPv4Address: '172.18.0.2/24',
      IPv6Address: '',
    },
  },
};

const refuse =
  (status: number, message: string): (() => FakeAnswer) =>
  () => ({ status, json: { message } });

/** Each is run by both. */
const lines: readonly (readonly string[])[] = [
  ['ls'],
  ['list'],
  ['ls', '-q'],
  ['ls', '-q', '--no-trunc'],
  ['ls', '--no-trunc'],
  ['ls', '--format', 'json'],
  ['ls', '--format', '{{json .}}'],
  ['ls', '--format', 'table'],
  [
    'ls',
    '--format',
    '{{.ID}} {{.Name}} {{.Driver}} {{.Scope}} {{.IPv4}} {{.IPv6}} {{.Internal}} {{.Labels}} {{.CreatedAt}} {{.Label "tier"}}',
  ],
  [
    'ls',
    '--format',
    'table {{.Name}}\t{{.IPv4}}\t{{.IPv6}}\t{{.Internal}}\t{{.CreatedAt}}\t{{.Labels}}',
  ],
  ['ls', '--format', 'table {{.Name}}\t{{.Label "tier"}}'],
  ['ls', '-q', '--format', '{{.Name}}'],
  ['ls', '-q', '--format', 'table {{.Name}}'],
  ['ls', '-f', 'driver=bridge', '--filter', 'label=a=b', '--filter', 'label=c'],
  ['inspect', 'web9'],
  ['inspect', '-v', 'web9'],
  ['inspect', 'web9', 'bridge'],
  ['inspect', '-f', '{{.Name}} {{range .IPAM.Config}}{{.Subnet}}{{end}}', 'web9'],
  ['inspect', '-f', '{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}', 'web9'],
  ['inspect', '-f', 'json', 'web9'],
  ['inspect', 'nope'],
  ['inspect', 'nope', 'web9'],
  ['rm', 'web9'],
  ['remove', 'web9', 'web10'],
  ['rm', 'nope'],
  ['rm', '-f', 'nope'],
  ['rm', 'bridge', 'web9'],
  ['prune', '-f'],
  ['prune', '--force', '--filter', 'until=24h', '--filter', 'label!=keep'],
  ['connect', 'web9', 'db'],
  ['connect', 'web9', 'nope'],
  [
    'connect',
    '--alias',
    'a,b',
    '--alias',
    'c',
    '--ip',
    '172.18.0.9',
    '--ip6',
    'fd00::9',
    '--link',
    'other:o',
    '--link-local-ip',
    '169.254.1.1',
    '--driver-opt',
    'k=v',
    '--driver-opt',
    'x=y',
    '--gw-priority',
    '-3',
    'web9',
    'db',
  ],
  ['disconnect', 'web9', 'db'],
  ['disconnect', '-f', 'web9', 'db'],
  ['disconnect', 'web9', 'nope'],
  ['create', 'n'],
  ['create', '-d', 'macvlan', '-o', 'parent=eth0', '--opt', 'macvlan_mode=bridge', 'n'],
  [
    'create',
    '--internal',
    '--attachable',
    '--label',
    'a=b',
    '--label',
    'c',
    '--scope',
    'local',
    'n',
  ],
  ['create', '--ipv6', 'n'],
  ['create', '--ipv6=false', 'n'],
  ['create', '--ipv4=false', '--ipv6', 'n'],
  ['create', '--config-only', '--config-from', 'x', '--ingress', 'n'],
  ['create', '--subnet', '10.1.0.0/16', 'n'],
  [
    'create',
    '--subnet',
    '10.1.0.0/16',
    '--gateway',
    '10.1.0.1',
    '--ip-range',
    '10.1.5.0/24',
    '--aux-address',
    'router=10.1.5.1',
    '--aux-address',
    'nas=10.1.5.2',
    '--ipam-driver',
    'default',
    '--ipam-opt',
    'k=v',
    'n',
  ],
  [
    'create',
    '--subnet',
    '10.1.0.0/16,fd00::/64',
    '--gateway',
    'fd00::1',
    '--gateway',
    '10.1.0.9',
    'n',
  ],
  ['create', 'taken'],
  ['create', '--subnet', '10.1.0.1/16', 'n'],
];

/** Both refuse these by themselves, each in its own words. */
const refused: readonly (readonly [args: readonly string[], text: RegExp])[] = [
  [['create'], /requires exactly 1 argument|needs exactly 1|argument/],
  [['create', 'a', 'b'], /argument/],
  [['connect', 'web9'], /argument/],
  [['rm'], /argument/],
  [['ls', 'x'], /argument/],
  [['create', '--nope', 'n'], /nope/],
  [
    ['create', '--gateway', '10.0.0.1', 'n'],
    /every ip-range or gateway must have a corresponding subnet/,
  ],
  [['create', '--ip-range', '10.0.0.0/24', 'n'], /must have a corresponding subnet/],
  [
    ['create', '--subnet', '10.0.0.0/8', '--gateway', '11.0.0.1', 'n'],
    /no matching subnet for gateway 11\.0\.0\.1/,
  ],
  [
    ['create', '--subnet', '10.0.0.0/8', '--ip-range', '11.0.0.0/24', 'n'],
    /no matching subnet for range 11\.0\.0\.0\/24/,
  ],
  [
    ['create', '--aux-address', 'a=11.0.0.1', 'n'],
    /no matching subnet for aux-address 11\.0\.0\.1/,
  ],
  [
    ['create', '--subnet', '10.0.0.0/8', '--subnet', '10.1.0.0/16', 'n'],
    /multiple overlapping subnet configuration is not supported/,
  ],
  [
    [
      'create',
      '--subnet',
      '10.0.0.0/8',
      '--subnet',
      '11.0.0.0/8',
      '--gateway',
      '10.0.0.1',
      '--gateway',
      '10.0.0.2',
      'n',
    ],
    /cannot configure multiple gateways \(10\.0\.0\.2, 10\.0\.0\.1\) (?:on|for) the same subnet \(10\.0\.0\.0\/8\)/,
  ],
  [['create', '--subnet', 'x', '--gateway', '10.0.0.1', 'n'], /Cannot read subnet "x"/],
  [['prune', '--filter', 'x'], /filter|x/],
];

/** Without what says nothing: empty objects, lists and texts, false, 0, null; subnets have no order in docker. */
function meaning(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(meaning).toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  }
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value)
    .map(([key, item]) => [key, meaning(item)] as const)
    .filter(([key, item]) => says(key, item));
  return Object.fromEntries(kept.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function says(key: string, value: unknown): boolean {
  if (key.startsWith('EnableIPv')) return value !== null;
  if (value === null || value === '' || value === 0 || value === false) return key === 'c';
  return typeof value !== 'object' || Object.keys(value).length > 0;
}

describe('carve network beside docker network, over the same answers', () => {
  let engine: FakeEngine;
  let home: string;
  before(async () => {
    home = mkdtempSync(join(tmpdir(), 'carve-network-'));
    const missing = refuse(404, 'network nope not found');
    const nobody = refuse(404, 'No such container: nope');
    engine = await startFakeEngine({
      'GET /networks': () => ({ json: networks }),
      'GET /networks/web9': () => ({ json: inspected }),
      'GET /networks/web10': () => ({ json: networks[0] }),
      'GET /networks/bridge': () => ({ json: networks[2] }),
      'GET /networks/nope': missing,
      'DELETE /networks/web9': () => ({ status: 204 }),
      'DELETE /networks/web10': () => ({ status: 204 }),
      'DELETE /networks/bridge': refuse(
        403,
        'bridge is a pre-defined network and cannot be removed',
      ),
      'DELETE /networks/nope': missing,
      'POST /networks/prune': () => ({ json: { NetworksDeleted: ['old', 'older'] } }),
      'POST /networks/web9/connect': ({ json }) =>
        (json as { readonly Container: string }).Container === 'nope' ? nobody() : { status: 200 },
      'POST /networks/web9/disconnect': ({ json }) =>
        (json as { readonly Container: string }).Container === 'nope' ? nobody() : { status: 200 },
      'POST /networks/create': ({ json }) =>
        (json as { readonly Name: string }).Name === 'taken'
          ? refuse(409, 'network with name taken already exists')()
          : { status: 201, json: { Id: id('9'), Warning: '' } },
    });
  });
  after(async () => {
    await engine[Symbol.asyncDispose]();
    rmSync(home, { recursive: true });
  });

  /** One line by both, and what each asked. */
  async function both(args: readonly string[]) {
    const first = engine.requests.length;
    const theirs = await run([dockerPath(), '-H', engine.host, 'network', ...args], {
      env: { HOME: home, DOCKER_CONFIG: home },
    });
    const second = engine.requests.length;
    const io = testIo({ env: { HOME: home }, stdin: '' });
    const code = await runCli(['-H', engine.host, 'network', ...args], io);
    const utf8 = (text: string): string => Buffer.from(text, 'latin1').toString('utf8');
    const asked = (from: number, to?: number): unknown =>
      engine.requests
        .slice(from, to)
        .filter(({ path, method }) => path !== '/_ping' && !(method === 'GET' && args[0] === 'rm'))
        // Docker looks at a network before it removes it.
        .filter(({ method }) => !(method === 'GET' && args[0] === 'remove'))
        .map(({ method, path, query, json }) => ({
          method,
          path,
          query: plain(query),
          json: meaning(json ?? {}),
        }));
    return {
      ours: { code, out: io.out(), err: io.err(), asked: asked(second) },
      theirs: {
        code: theirs.code,
        out: utf8(theirs.stdout),
        // Some versions add a line that says nothing.
        err: utf8(theirs.stderr).replace(/^exit status 1\n/m, ''),
        asked: asked(first, second),
      },
    };
  }

  /** Filters in either of the API's two forms, as lists. */
  function plain(query: Readonly<Record<string, string>>): unknown {
    const { filters, ...others } = query;
    const { verbose, ...flagless } = others;
    const rest =
      verbose === undefined
        ? others
        : { ...flagless, verbose: verbose === '1' || verbose === 'true' };
    if (filters === undefined || filters === '{}' || filters === '') return rest;
    const decoded = JSON.parse(filters) as Readonly<Record<string, object>>;
    const words = Object.entries(decoded).flatMap(([key, values]) =>
      (Array.isArray(values) ? values.map(String) : Object.keys(values)).map(
        (value) => `${key}=${value}`,
      ),
    );
    return { ...rest, filters: words.toSorted((a, b) => (a < b ? -1 : 1)) };
  }

  for (const args of lines) {
    test(args.join(' '), async () => {
      const { ours, theirs } = await both(args);
      assert.deepEqual(ours, theirs);
    });
  }

  for (const [args, text] of refused) {
    test(`refused: ${args.join(' ')}`, async () => {
      const { ours, theirs } = await both(args);
      assert.notEqual(theirs.code, 0, 'docker takes it');
      assert.notEqual(ours.code, 0);
      assert.match(ours.err, text);
      assert.deepEqual(ours.asked, []);
    });
  }

  test('prune asks first, and no is no', async () => {
    const first = engine.requests.length;
    for (const [stdin, code, asks] of [
      ['n\n', 1, 0],
      ['', 1, 0],
      ['y\n', 0, 1],
    ] as const) {
      const io = testIo({ env: { HOME: home }, stdin });
      assert.equal(await runCli(['-H', engine.host, 'network', 'prune'], io), code);
      assert.match(io.out(), /every network of yours that no running container is on.*\[y\/N\]/s);
      const prunes = engine.requests.slice(first).filter(({ path }) => path === '/networks/prune');
      assert.equal(prunes.length, asks);
    }
  });

  test('names of networks and containers complete', async () => {
    const io = testIo({ env: { HOME: home }, stdin: '' });
    await runCli(
      ['-H', engine.host, '__complete', '--host', engine.host, 'network', 'rm', 'we'],
      io,
    );
    assert.match(io.out(), /web9/);
  });
});

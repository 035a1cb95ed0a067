/** What carve prints is what the real docker CLI prints of the same answers of an engine. Needs no engine. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { runCli } from '../../src/cli/main.ts';
import { type FakeEngine, startFakeEngine } from '../cli/fake-engine.ts';
import { testIo } from '../cli/test-io.ts';
import { dockerPath, run } from './target.ts';

/** Both programs ask at different moments: ages here are far from where their words change. */
const now = Math.floor(Date.now() / 1000);

function container(digit: number, more: object = {}): object {
  return {
    Id: String(digit).repeat(64),
    Names: [`/c${String(digit)}`],
    Image: 'debian',
    ImageID: `sha256:${'ab'.repeat(32)}`,
    Command: 'sh -c "sleep 100000; echo a very long command"',
    Created: now - digit * 5400 - 1000,
    Ports: [],
    Labels: { b: '2', a: '1', 'com.example.y-z': 'v' },
    State: 'running',
    Status: 'Up 5 minutes',
    HostConfig: { NetworkMode: 'bridge' },
    NetworkSettings: { Networks: { bridge: {} } },
    Mounts: [
      {
        Type: 'volume',
        Name: 'a-very-long-volume-name',
        Source: '/x',
        Destination: '/y',
        Driver: 'local',
        Mode: 'z',
        RW: true,
        Propagation: '',
      },
      {
        Type: 'bind',
        Source: '/home/someone/long',
        Destination: '/z',
        Mode: '',
        RW: true,
        Propagation: 'rprivate',
      },
    ],
    ...more,
  };
}

const published = [
  { IP: '0.0.0.0', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' },
  { IP: '::', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' },
  { PrivatePort: 443, Type: 'tcp' },
  { PrivatePort: 444, Type: 'tcp' },
  { PrivatePort: 446, Type: 'tcp' },
  { IP: '0.0.0.0', PrivatePort: 90, PublicPort: 90, Type: 'udp' },
  { IP: '0.0.0.0', PrivatePort: 91, PublicPort: 91, Type: 'udp' },
];

const containers = [
  container(1),
  container(2, {
    Image: `sha256:${'ab'.repeat(32)}`,
    Ports: published,
    SizeRw: 1_234_567,
    SizeRootFs: 99_999_999,
  }),
  container(3, {
    Image: `ghcr.io/a/b:1@sha256:${'cd'.repeat(32)}`,
    Names: ['/c3', '/c1/alias'],
    Status: 'Exited (0) 2 hours ago',
    State: 'exited',
    Command: 'x',
  }),
  container(4, { Image: '', Labels: {}, Mounts: [], Command: 'ünïcode "q" \\ tab\there' }),
];

function image(digit: number, more: object = {}): object {
  return {
    Id: `sha256:${`${String(digit)}f`.repeat(32)}`,
    ParentId: '',
    RepoTags: ['debian:latest'],
    RepoDigests: [],
    Created: now - digit * 86_400 * 20 - 40_000,
    Size: 12_345_678 * digit,
    SharedSize: -1,
    Labels: null,
    Containers: -1,
    ...more,
  };
}

const images = [
  image(1),
  image(2, { RepoTags: ['a/b:1', 'a/b:2'], RepoDigests: [`a/b@sha256:${'cd'.repeat(32)}`] }),
  image(3, { RepoTags: [], RepoDigests: [`x/y@sha256:${'ee'.repeat(32)}`] }),
  image(4, { RepoTags: [], RepoDigests: [] }),
  image(5, { RepoTags: ['localhost:5000/z:t'], Containers: 2, SharedSize: 1000 }),
];

const history = [
  {
    Id: `sha256:${'ab'.repeat(32)}`,
    Created: now - 1030,
    CreatedBy: 'CMD ["bash"] a long text that must be\tcut somewhere',
    Tags: ['debian:latest'],
    Size: 0,
    Comment: 'buildkit',
  },
  {
    Id: '<missing>',
    Created: now - 100_030,
    CreatedBy: 'ADD',
    Tags: null,
    Size: 116_000_000,
    Comment: '',
  },
];

const inspected = {
  Id: '1'.repeat(64),
  Created: '2026-01-01T00:00:00.123456789Z',
  Name: '/c1',
  State: { Status: 'running', Running: true, Pid: 42, ExitCode: 0 },
  HostConfig: { Binds: null, Memory: 0, ShmSize: 67_108_864 },
  Config: { Cmd: ['sh', '-c', '<x> & y'], Labels: { a: '1' }, Env: ['A=1'] },
  NetworkSettings: {
    Ports: {
      '80/tcp': [
        { HostIp: '0.0.0.0', HostPort: '8080' },
        { HostIp: '::', HostPort: '8080' },
      ],
      '53/udp': null,
      '9/tcp': [{ HostIp: '127.0.0.1', HostPort: '9' }],
    },
    Networks: { bridge: { IPAddress: '172.17.0.2' } },
  },
  Mounts: [],
};

const missing = (message: string) => () => ({ status: 404, json: { message } });

/** Command lines whose output, errors and exit code must be the same. */
const lines: readonly (readonly string[])[] = [
  ['ps'],
  ['ps', '-a', '--no-trunc'],
  ['ps', '-q'],
  ['ps', '-q', '--no-trunc'],
  ['ps', '-s'],
  ['ps', '--format', '{{.ID}} {{.Names}} {{.Label "com.example.y-z"}} {{.Size}}'],
  ['ps', '--format', 'table {{.ID}}\\t{{.Ports}}\\t{{.Label "com.example.y-z"}}'],
  ['ps', '--format', 'table {{.Mounts}}\t{{.LocalVolumes}}\t{{.Networks}}\t{{.Labels}}'],
  ['ps', '--no-trunc', '--format', '{{.Mounts}} {{.Image}} {{.Names}}'],
  ['ps', '--format', '{{.CreatedAt}} {{.RunningFor}} {{.State}} {{upper .Status}}'],
  [
    'ps',
    '--format',
    '{{if eq .State "running"}}{{.Names}}{{else}}-{{end}} {{printf "%-6s|%q" .ID .Image}}',
  ],
  ['ps', '-n', '2'],
  ['ps', '-f', 'name=x', '-f', 'label=a=b'],
  ['images'],
  ['images', '-q'],
  ['images', '--digests'],
  ['images', '--no-trunc'],
  [
    'images',
    '--format',
    'table {{.ID}}\t{{.VirtualSize}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}',
  ],
  ['images', '--format', '{{.Repository}}:{{.Tag}} {{.CreatedSince}} {{.CreatedAt}}'],
  ['images', 'deb'],
  ['history', 'debian'],
  ['history', '-q', 'debian'],
  ['history', '--no-trunc', 'debian'],
  ['history', '-H=false', 'debian'],
  ['history', '--format', '{{.CreatedAt}} {{.Size}} {{.CreatedBy}}', 'debian'],
  ['inspect', 'c1'],
  ['inspect', '-f', 'json', 'c1'],
  ['inspect', '-f', '{{.State.Pid}} {{json .Config.Cmd}} {{.HostConfig.ShmSize}} {{.Name}}', 'c1'],
  ['inspect', '-f', '{{range $p, $c := .NetworkSettings.Ports}}{{$p}} {{end}}', 'c1'],
  ['inspect', '-f', '{{if .State.Health}}a{{else}}b{{end}}', 'c1'],
  ['inspect', '-f', '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}', 'c1'],
  ['inspect', '-f', '{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}', 'c1'],
  [
    'inspect',
    '-f',
    '{{join .Config.Cmd ","}} {{len .Config.Env}} {{index .Config.Labels "a"}}',
    'c1',
  ],
  ['inspect', '--type', 'container', 'nope'],
  ['inspect', '--type', 'image', 'nope'],
  ['container', 'inspect', 'nope', 'c1'],
  ['image', 'inspect', 'nope'],
  ['top', 'c1'],
  ['port', 'c1'],
  ['port', 'c1', '80'],
  ['port', 'c1', '80/tcp'],
  ['port', 'c1', '53/udp'],
  ['port', 'c1', '99'],
  ['diff', 'c1'],
  ['container', 'prune', '-f'],
  ['image', 'prune', '-f'],
  ['rmi', 'a'],
  ['rmi', 'nope'],
  ['system', 'df'],
];

describe('carve beside docker, over the same answers', () => {
  let engine: FakeEngine;
  let home: string;
  before(async () => {
    home = mkdtempSync(join(tmpdir(), 'carve-print-'));
    engine = await startFakeEngine({
      'GET /containers/json': () => ({ json: containers }),
      'GET /images/json': () => ({ json: images }),
      'GET /images/debian/history': () => ({ json: history }),
      'GET /containers/c1/json': () => ({ json: inspected }),
      'GET /containers/c1/top': () => ({
        json: {
          Titles: ['UID', 'PID', 'CMD'],
          Processes: [
            ['root', '1', 'sleep 5'],
            ['root', '222', 'sh -c x'],
          ],
        },
      }),
      'GET /containers/c1/changes': () => ({
        json: [
          { Path: '/a', Kind: 0 },
          { Path: '/b', Kind: 1 },
          { Path: '/c', Kind: 2 },
        ],
      }),
      'GET /images/nope/json': missing('No such image: nope'),
      'DELETE /images/nope': missing('No such image: nope'),
      'GET /containers/nope/json': missing('No such container: nope'),
      'POST /containers/prune': () => ({
        json: { ContainersDeleted: ['aa', 'bb'], SpaceReclaimed: 12_345 },
      }),
      'POST /images/prune': () => ({
        json: {
          ImagesDeleted: [{ Untagged: 'a:1' }, { Deleted: 'sha256:aa' }],
          SpaceReclaimed: 12_345,
        },
      }),
      'DELETE /images/a': () => ({ json: [{ Untagged: 'a:1' }, { Deleted: 'sha256:aa' }] }),
      'GET /system/df': () => ({
        json: {
          LayersSize: 1_000_000,
          Images: [
            image(1, { Containers: 1, SharedSize: 100, Size: 300_000 }),
            image(2, { Containers: 0, SharedSize: 100, Size: 700_000 }),
          ],
          Containers: [
            container(1, { SizeRw: 1000 }),
            container(3, { SizeRw: 2000, State: 'exited' }),
          ],
          Volumes: [],
          BuildCache: [],
        },
      }),
    });
  });
  after(async () => {
    await engine[Symbol.asyncDispose]();
    rmSync(home, { recursive: true });
  });

  for (const args of lines) {
    test(args.join(' '), async () => {
      const theirs = await run([dockerPath(), '-H', engine.host, ...args], {
        env: { HOME: home, DOCKER_CONFIG: home },
      });
      const io = testIo({ env: { HOME: home }, stdin: '' });
      const code = await runCli(['-H', engine.host, ...args], io);
      const utf8 = (text: string): string => Buffer.from(text, 'latin1').toString('utf8');
      assert.deepEqual(
        { code, out: io.out(), err: io.err() },
        { code: theirs.code, out: utf8(theirs.stdout), err: utf8(theirs.stderr) },
      );
    });
  }
});

/** Volumes by the real docker CLI and by dockerode, against the real engine. */

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Outcome, run, runtimes, Target } from './target.ts';

const isRoot = process.getuid?.() === 0;
const folder = fileURLToPath(new URL('.', import.meta.url));

describe('volumes by the docker CLI', { skip: !isRoot }, () => {
  let target: Target;
  before(async () => {
    target = await Target.start('bun', 'serve-engine.ts');
  });
  after(async () => {
    await target[Symbol.asyncDispose]();
  });

  /** Runs `docker` and checks what it did. */
  async function docker(
    args: readonly string[],
    expected: Partial<Outcome> & { readonly input?: string | Uint8Array } = {},
  ): Promise<Outcome> {
    const { input, ...wanted } = { code: 0, ...expected };
    const outcome = await target.docker(args, input);
    const text = `docker ${args.join(' ')}: ${JSON.stringify(outcome).slice(0, 2000)}`;
    for (const key of ['code', 'stdout', 'stderr'] as const) {
      if (wanted[key] !== undefined) assert.equal(outcome[key], wanted[key], text);
    }
    return outcome;
  }

  const runIt = async (options: readonly string[], line: string): Promise<string> =>
    (await docker(['run', '--rm', '--network', 'none', ...options, 'busybox', 'sh', '-c', line]))
      .stdout;

  test('create, ls with filters and formats, inspect, rm', async () => {
    await docker(['volume', 'create', '--label', 'a=b', '--label', 'c', 'one'], {
      stdout: 'one\n',
    });
    await docker(['volume', 'create', 'one'], { stdout: 'one\n' });
    await docker(['volume', 'create', '-d', 'local', 'two'], { stdout: 'two\n' });
    await docker(['volume', 'ls'], {
      stdout: 'DRIVER    VOLUME NAME\nlocal     one\nlocal     two\n',
    });
    const listed = async (...filters: readonly string[]): Promise<readonly string[]> => {
      const flags = filters.flatMap((filter) => ['--filter', filter]);
      const { stdout } = await docker(['volume', 'ls', '-q', ...flags]);
      return stdout
        .trim()
        .split('\n')
        .filter((name) => name !== '');
    };
    assert.deepEqual(await listed('label=a'), ['one']);
    assert.deepEqual(await listed('label=a=x'), []);
    assert.deepEqual(await listed('name=w'), ['two']);
    assert.deepEqual(await listed('dangling=true', 'driver=local'), ['one', 'two']);
    assert.deepEqual(await listed('dangling=false'), []);
    await docker(['volume', 'ls', '--filter', 'nope=1'], {
      code: 1,
      stderr: "Error response from daemon: invalid filter 'nope'\n",
    });
    await docker(
      [
        'volume',
        'inspect',
        '-f',
        '{{.Name}} {{.Driver}} {{.Scope}} {{json .Labels}} {{json .Options}}',
        'one',
        'two',
      ],
      {
        stdout: 'one local local {"a":"b","c":""} null\ntwo local local null null\n',
      },
    );
    await docker(['volume', 'inspect', 'nothing'], {
      code: 1,
      stdout: '[]\n',
      stderr: 'Error response from daemon: get nothing: no such volume\n',
    });
    await docker(['volume', 'rm', 'one', 'two'], { stdout: 'one\ntwo\n' });
    await docker(['volume', 'rm', 'one'], {
      code: 1,
      stderr: 'Error response from daemon: get one: no such volume\n',
    });
    await docker(['volume', 'rm', '-f', 'one'], { stdout: 'one\n' });
  });

  test('what is wrong is told as docker tells it', async () => {
    const rows: [readonly string[], string][] = [
      [
        ['-d', 'nope', 'vol'],
        'create vol: error looking up volume plugin nope: plugin "nope" not found',
      ],
      [['-o', 'foo=bar', 'vol'], 'create vol: invalid option: "foo"'],
      [['-o', 'type=nfs', 'vol'], 'create vol: missing required option: "device"'],
      [
        ['x'],
        'create x: volume name is too short, names should be at least two alphanumeric characters',
      ],
      [
        ['a b'],
        'create a b: "a b" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path',
      ],
    ];
    for (const [args, message] of rows) {
      await docker(['volume', 'create', ...args], {
        code: 1,
        stderr: `Error response from daemon: ${message}\n`,
      });
    }
    await docker(['volume', 'ls', '-q'], { stdout: '' });
  });

  test('anonymous volumes go with rm -v and prune, named ones with prune --all; in use they stay', async () => {
    await docker([
      'create',
      '--name',
      'user',
      '--network',
      'none',
      '-v',
      '/anon',
      '-v',
      'named:/n',
      'busybox',
    ]);
    const { stderr } = await docker(['volume', 'rm', 'named'], { code: 1 });
    assert.match(stderr, /remove named: volume is in use - \[[0-9a-f]{64}\] \(container user\)\n$/);
    await docker(['volume', 'prune', '-f', '-a'], { stdout: 'Total reclaimed space: 0B\n' });
    await docker(['rm', 'user'], { stdout: 'user\n' });
    const pruned = await docker(['volume', 'prune', '-f']);
    assert.match(pruned.stdout, /^Deleted Volumes:\n[0-9a-f]{64}\n\nTotal reclaimed space: 0B\n$/);
    await docker(['volume', 'prune', '-f', '-a'], {
      stdout: 'Deleted Volumes:\nnamed\n\nTotal reclaimed space: 0B\n',
    });
    await docker(['create', '--name', 'user', '--network', 'none', '-v', '/anon', 'busybox']);
    await docker(['rm', '-v', 'user']);
    await docker(['volume', 'ls', '-q'], { stdout: '' });
  });

  test('data stays; copy-up, nocopy, read-only, subpath, volumes-from, tmpfs, image mounts', async () => {
    assert.equal(await runIt(['-v', 'data:/seed'], 'cat /seed/a; echo two > /seed/a'), 'one\n');
    assert.equal(await runIt(['-v', 'data:/d:ro'], 'cat /d/a; ! touch /d/x 2>/dev/null'), 'two\n');
    assert.equal(await runIt(['-v', 'bare:/seed:nocopy'], 'ls /seed'), '');
    const part = 'type=volume,src=data,dst=/p,volume-subpath=sub';
    assert.equal(await runIt(['--mount', part], 'ls /p'), 'same\n');
    const memory = 'type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=0700';
    assert.equal(
      await runIt(['--mount', memory, '--tmpfs', '/u:size=64k'], 'stat -c %a /t; touch /u/x'),
      '700\n',
    );
    assert.equal(
      await runIt(
        ['--mount', 'type=image,src=busybox,dst=/i'],
        'cat /i/seed/a; ! touch /i/x 2>/dev/null',
      ),
      'one\n',
    );
    await docker([
      'create',
      '--name',
      'base',
      '--network',
      'none',
      '-v',
      'data:/d',
      '-v',
      '/own',
      'busybox',
    ]);
    assert.equal(
      await runIt(['--volumes-from', 'base:ro'], 'cat /d/a; ! touch /own/x 2>/dev/null'),
      'two\n',
    );
    assert.equal(await runIt(['--volumes-from', 'base'], 'touch /own/x; ls /own'), 'x\n');
    await docker(['rm', '-v', 'base']);
    await docker(['volume', 'rm', 'data', 'bare']);
    await docker(['run', '--rm', '--network', 'none', '--volumes-from', 'gone', 'busybox'], {
      code: 125,
    });
  });

  test('binds: made sources, files, propagation, recursion, flags of SELinux, ids', async () => {
    const source = join(target.directory, 'source');
    assert.equal(await runIt(['-v', `${source}/made:/m:Z`], 'touch /m/x; ls /m'), 'x\n');
    assert.deepEqual(readdirSync(`${source}/made`), ['x']);
    const missing = `type=bind,src=${source}/not,dst=/m`;
    const refused = await docker(['create', '--network', 'none', '--mount', missing, 'busybox'], {
      code: 1,
    });
    assert.match(
      refused.stderr,
      /invalid mount config for type "bind": bind source path does not exist: /,
    );
    writeFileSync(`${source}/file`, 'text\n');
    assert.equal(await runIt(['-v', `${source}/file:/etc/mine:ro`], 'cat /etc/mine'), 'text\n');
    for (const mode of ['rprivate', 'private']) {
      assert.equal(await runIt(['-v', `${source}:/s:${mode}`], 'cat /s/file'), 'text\n', mode);
    }
    for (const how of [
      'bind-recursive=disabled',
      'bind-recursive=writable,readonly',
      'bind-recursive=readonly,readonly,bind-propagation=rprivate',
    ]) {
      const mount = `type=bind,src=${source},dst=/s,${how}`;
      assert.equal(await runIt(['--mount', mount], 'cat /s/file'), 'text\n', how);
    }
    mkdirSync(`${source}/mine`);
    const owner = join(source, 'mine');
    await run(['chown', '4321:4322', owner]);
    await runIt(['-v', `${owner}:/s:idmap`], 'touch /s/made');
    const { uid, gid } = statSync(join(owner, 'made'));
    assert.deepEqual([uid, gid], [4321, 4322]);
  });

  test('driver options, cp through a volume, df and events', async () => {
    const since = String(Math.floor(Date.now() / 1000) - 1);
    const device = join(target.directory, 'device');
    mkdirSync(device);
    await docker([
      'volume',
      'create',
      '-o',
      'type=none',
      '-o',
      'o=bind',
      '-o',
      `device=${device}`,
      'bound',
    ]);
    await docker([
      'create',
      '--name',
      'box',
      '--network',
      'none',
      '-v',
      'bound:/b',
      '-v',
      'vol:/v',
      'busybox',
      'true',
    ]);
    await docker(['cp', '-', 'box:/b'], {
      input: (await run(['tar', '-C', '/etc', '-c', 'hostname'])).stdout,
    });
    assert.ok(existsSync(join(device, 'hostname')), 'a stopped container has its volumes');
    await docker(['start', '-a', 'box']);
    const df = await docker([
      'system',
      'df',
      '-v',
      '--format',
      '{{range .Volumes}}{{.Name}} {{.Links}} {{.Size}}\n{{end}}',
    ]);
    // What is elsewhere takes no room here.
    assert.equal(df.stdout.trim(), 'vol 1 0B');
    await docker(['rm', 'box']);
    await docker(['volume', 'rm', 'bound', 'vol']);
    assert.deepEqual(readdirSync(device), ['hostname']);
    const events = await docker([
      'events',
      '--since',
      since,
      // To the nanosecond: `0s` is the whole second before.
      '--until',
      (Date.now() / 1000 + 0.001).toFixed(9),
      '--filter',
      'type=volume',
      '--filter',
      'volume=bound',
      '--format',
      '{{.Action}} {{.Actor.ID}} {{.Actor.Attributes.driver}} {{.Actor.Attributes.destination}}',
    ]);
    assert.equal(
      events.stdout,
      [
        'create bound local <no value>',
        'mount bound local /b',
        'unmount bound local <no value>',
        'destroy bound local <no value>',
        '',
      ].join('\n'),
    );
  });
});

test('volumes by dockerode', { skip: !isRoot }, async () => {
  if (!existsSync(join(folder, 'node_modules/dockerode'))) {
    const path = `${dirname(runtimes.node)}:${process.env['PATH'] ?? ''}`;
    const installed = await run(['npm', 'ci', '--ignore-scripts'], {
      cwd: folder,
      env: { PATH: path },
    });
    assert.equal(installed.code, 0, installed.stderr);
  }
  await using target = await Target.start('node', 'serve-engine.ts');
  const outcome = await run([runtimes.node, join(folder, 'clients/volumes.mjs')], {
    env: { DOCKER_SOCKET: target.socket },
  });
  assert.equal(outcome.code, 0, outcome.stderr);
  assert.deepEqual(JSON.parse(outcome.stdout), {
    created: { Name: 'vol', Driver: 'local', Scope: 'local', Labels: { a: 'b' }, Options: null },
    listed: ['vol'],
    absent: 404,
    inUse: 409,
    mounts: [
      { Type: 'volume', Name: 'vol', Destination: '/seed', RW: true, Mode: 'z', Propagation: '' },
    ],
    pruned: { VolumesDeleted: null, SpaceReclaimed: 0 },
    removed: [],
  });
});

/** carve's own command line against a real engine, and beside the real docker CLI on the same socket. Needs root. */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startOnTerminal } from '../cli/terminal-program.ts';
import { type Outcome, run, runtimes, Target } from './target.ts';

const entry = fileURLToPath(new URL('../cli/carve-entry.ts', import.meta.url));

describe('carve against a real engine', () => {
  let target: Target;
  before(async () => {
    target = await Target.start('bun', 'serve-engine.ts');
  });
  after(async () => {
    await target[Symbol.asyncDispose]();
  });

  const carve = (args: readonly string[], input?: string): Promise<Outcome> =>
    run([runtimes.bun, entry, ...args], {
      env: { CARVE_HOST: `unix://${target.socket}`, DOCKER_CONFIG: target.directory },
      ...(input === undefined ? {} : { input }),
    });

  /** Runs `carve` and checks what it did. */
  async function expectCarve(
    args: readonly string[],
    expected: Partial<Outcome>,
    input?: string,
  ): Promise<Outcome> {
    const outcome = await carve(args, input);
    assert.deepEqual(
      outcome,
      { ...outcome, ...expected },
      `carve ${args.join(' ')}: ${JSON.stringify(outcome)}`,
    );
    return outcome;
  }

  test('run passes both streams and the exit code', async () => {
    const outcome = await carve([
      'run',
      '--rm',
      '--network',
      'none',
      'busybox',
      'sh',
      '-c',
      'echo out; echo err >&2; exit 3',
    ]);
    assert.deepEqual(outcome, { code: 3, stdout: 'out\n', stderr: 'err\n' });
  });

  test('run -i ends with its input', async () => {
    await expectCarve(
      ['run', '--rm', '-i', '--network', 'none', 'busybox', 'cat'],
      { code: 0, stdout: 'one\ntwo\n' },
      'one\ntwo\n',
    );
  });

  test('run loses no byte of a megabyte of output', async () => {
    const script = 'head -c 1000000 /dev/zero | tr "\\0" x; echo; echo done >&2';
    const { stdout, stderr, code } = await carve([
      'run',
      '--rm',
      '--network',
      'none',
      'busybox',
      'sh',
      '-c',
      script,
    ]);
    assert.deepEqual(
      [stdout.length, /^x+\n$/.test(stdout), stderr, code],
      [1_000_001, true, 'done\n', 0],
    );
  });

  for (const [command, code] of [
    [['nope'], 127],
    [['/no/such/file'], 127],
    [['/etc'], 126],
    [['sh', '-c', 'exit 42'], 42],
    [['true'], 0],
  ] as const) {
    test(`run ${command.join(' ')} exits with ${String(code)}`, async () => {
      await expectCarve(['run', '--rm', '--network', 'none', 'busybox', ...command], { code });
    });
  }

  test('a container lives through create, start, exec, logs, stop, restart, rename and rm', async () => {
    const { stdout: id } = await expectCarve(
      [
        'create',
        '--name',
        'life',
        '--network',
        'none',
        'busybox',
        'sh',
        '-c',
        'echo up; exec sleep 1000',
      ],
      { code: 0 },
    );
    assert.match(id, /^[0-9a-f]{64}\n$/);
    await expectCarve(['start', 'life'], { code: 0, stdout: 'life\n' });
    await expectCarve(['exec', 'life', 'sh', '-c', 'echo in; exit 9'], { code: 9, stdout: 'in\n' });
    await expectCarve(['exec', '-i', 'life', 'cat'], { code: 0, stdout: 'typed' }, 'typed');
    await expectCarve(['logs', 'life'], { code: 0, stdout: 'up\n' });
    await expectCarve(['inspect', '-f', '{{.State.Status}} {{.Config.Cmd}}', 'life'], {
      stdout: 'running [sh -c echo up; exec sleep 1000]\n',
    });
    await expectCarve(['rename', 'life', 'after'], { code: 0 });
    await expectCarve(['stop', '-t', '0', 'after'], { code: 0, stdout: 'after\n' });
    await expectCarve(['wait', 'after'], { stdout: '137\n' });
    await expectCarve(['restart', 'after'], { code: 0 });
    await expectCarve(['logs', '--tail', '1', 'after'], { stdout: 'up\n' });
    await expectCarve(['rm', 'after'], { code: 1 });
    await expectCarve(['rm', '-f', 'after'], { code: 0, stdout: 'after\n' });
    await expectCarve(['ps', '-aq'], { stdout: '' });
  });

  test('run -it has a terminal of the right size, and its exit code comes back', async () => {
    await using program = startOnTerminal(
      [runtimes.bun, entry, 'run', '--rm', '-it', '--network', 'none', 'busybox', 'sh'],
      {
        CARVE_HOST: `unix://${target.socket}`,
        DOCKER_CONFIG: target.directory,
      },
    );
    await program.until(/# /);
    program.send('stty size </dev/tty; tty\n');
    await program.until(/24 80\r\n\/dev\/pts\/0/);
    program.send('exit 4\n');
    assert.deepEqual(await program.exited, { code: 4, mode: 'cooked' });
  });

  test('the detach keys leave a container that goes on, attach comes back to it, and its end is the end', async () => {
    const env = { CARVE_HOST: `unix://${target.socket}`, DOCKER_CONFIG: target.directory };
    const words = (...args: readonly string[]): readonly string[] => [runtimes.bun, entry, ...args];
    {
      await using program = startOnTerminal(
        words('run', '-it', '--name', 'shell', '--network', 'none', 'busybox', 'sh'),
        env,
      );
      await program.until(/# /);
      program.send('marker=kept\n');
      await program.until(/marker=kept[^]*# /);
      program.send('\x10\x11');
      assert.deepEqual(await program.exited, { code: 0, mode: 'cooked' });
      assert.match(program.output(), /Detached from shell/);
    }
    await expectCarve(['inspect', '-f', '{{.State.Running}}', 'shell'], { stdout: 'true\n' });
    await using again = startOnTerminal(words('attach', 'shell'), env);
    again.send('echo "<$marker>"; exit 6\n');
    await again.until(/<kept>/);
    assert.deepEqual(await again.exited, { code: 6, mode: 'cooked' });
    await expectCarve(['rm', '-f', 'shell'], { code: 0 });
  });

  test('cp takes files out and puts files in, of a container that is stopped', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'carve-cp-'));
    writeFileSync(join(directory, 'in'), 'from here');
    await carve([
      'run',
      '--name',
      'box',
      '--network',
      'none',
      'busybox',
      'sh',
      '-c',
      'mkdir -p /d/sub; echo made > /d/sub/f; ln -s sub/f /d/l',
    ]);
    await expectCarve(['cp', '-q', 'box:/d', directory], { code: 0, stdout: '', stderr: '' });
    assert.equal(readFileSync(join(directory, 'd/sub/f'), 'utf8'), 'made\n');
    assert.equal(readFileSync(join(directory, 'd/l'), 'utf8'), 'made\n');
    await expectCarve(['cp', join(directory, 'in'), 'box:/d/renamed'], {
      code: 0,
      stderr: 'Copied 9B to box:/d/renamed\n',
    });
    const { stdout } = await carve(['cp', 'box:/d/renamed', '-']);
    assert.match(stdout, /renamed[^]*from here/);
    await expectCarve(['cp', 'box:/nope', directory], {
      code: 1,
      stderr: 'Error response from daemon: Could not find the file /nope in container box\n',
    });
    await carve(['rm', 'box']);
    rmSync(directory, { recursive: true });
  });

  test('SIGTERM to the foreground reaches the container', async () => {
    const trap = "trap 'echo got; exit 5' TERM; echo ready; while :; do sleep 0.1; done";
    await using program = startOnTerminal(
      [runtimes.bun, entry, 'run', '--rm', '--network', 'none', 'busybox', 'sh', '-c', trap],
      {
        CARVE_HOST: `unix://${target.socket}`,
        DOCKER_CONFIG: target.directory,
      },
    );
    await program.until(/ready/);
    program.signal(15);
    assert.equal((await program.exited).code, 5);
    assert.match(program.output(), /got/);
  });

  test('run --cidfile, --env-file and --label-file read and write files of this side', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'carve-cli-'));
    const at = (name: string): string => join(directory, name);
    writeFileSync(at('env'), '# comment\nA=1 2\nB=\n');
    writeFileSync(at('labels'), 'k=v\nbare\n');
    const flags = [
      '--cidfile',
      at('cid'),
      '--env-file',
      at('env'),
      '--label-file',
      at('labels'),
      '--name',
      'files',
    ];
    await expectCarve(
      ['run', '--network', 'none', ...flags, 'busybox', 'sh', '-c', 'echo "$A-$B-"'],
      { code: 0, stdout: '1 2--\n' },
    );
    const { stdout } = await carve(['inspect', '-f', '{{.Id}} {{.Config.Labels}}', 'files']);
    assert.equal(stdout, `${readFileSync(at('cid'), 'utf8')} map[bare: k:v]\n`);
    await carve(['rm', 'files']);
    rmSync(directory, { recursive: true });
  });

  test('run --plan explains itself and creates nothing', async () => {
    const { stdout, code } = await carve(['run', '--plan', '--network', 'none', 'busybox', 'true']);
    assert.equal(code, 0);
    assert.match(stdout, /\bclone\b/);
    const { stdout: json } = await carve([
      'run',
      '--plan',
      '--format',
      'json',
      '--network',
      'none',
      'busybox',
      'true',
    ]);
    const plan = JSON.parse(json) as { readonly steps: readonly { readonly op: string }[] };
    assert.ok(plan.steps.some(({ op }) => op === 'clone'));
    await expectCarve(['ps', '-aq'], { stdout: '' });
  });

  test('what carve and docker print of the same things is the same', async () => {
    await carve([
      'run',
      '-d',
      '--name',
      'same',
      '--network',
      'none',
      '-l',
      'a=b',
      'busybox',
      'sh',
      '-c',
      'echo a long command line; sleep 1000',
    ]);
    await carve(['create', '--name', 'other', '--network', 'none', 'busybox', 'true']);
    for (const args of [
      [
        'ps',
        '-a',
        '--format',
        '{{.ID}} {{.Names}} {{.Image}} {{.Command}} {{.State}} {{.Ports}} {{.Labels}}',
      ],
      ['ps', '-aq', '--no-trunc'],
      ['ps', '-a', '--format', 'table {{.Names}}\t{{.Image}}\t{{.Label "a"}}'],
      ['ps', '-a', '--filter', 'name=same', '--filter', 'label=a=b', '-q'],
      ['images', '--format', '{{.Repository}}:{{.Tag}} {{.ID}} {{.Size}}'],
      ['inspect', 'same'],
      ['inspect', 'same', 'busybox'],
      ['inspect', '-f', '{{json .Config.Cmd}} {{.Config.Labels}}', 'same'],
      ['inspect', '-f', '{{range .Config.Env}}{{println .}}{{end}}', 'same'],
      ['inspect', '-f', '{{.State.Running}} {{.HostConfig.NetworkMode}} {{len .Mounts}}', 'same'],
      ['port', 'same'],
      ['logs', 'same'],
      ['container', 'inspect', 'nosuch'],
      ['logs', 'nosuch'],
      ['stop', 'nosuch'],
    ]) {
      const [mine, theirs] = [await carve(args), await target.docker(args)];
      assert.deepEqual(mine, theirs, `carve and docker ${args.join(' ')}`);
    }
    await carve(['rm', '-f', 'same', 'other']);
  });
});
